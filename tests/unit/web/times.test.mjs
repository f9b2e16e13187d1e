import assert from "node:assert/strict";
import test from "node:test";

import { clock, tickStep } from "../../../service/web/static/times.js";

test("times as people read them", () => {
  assert.equal(clock(0), "0:00");
  assert.equal(clock(65.25, 1), "1:05.3");
  assert.equal(clock(59.96, 1), "1:00.0");
  assert.equal(clock(3723.4, 1), "1:02:03.4");
  assert.equal(clock(3599.999), "1:00:00");
});

test("ticks are at least as far apart as asked, whatever the zoom", () => {
  for (const pxPerS of [0.3, 1, 20, 333, 800]) {
    const { step, decimals } = tickStep(pxPerS, 84);
    assert.ok(step * pxPerS >= 84);
    assert.ok(step * 10 ** decimals >= 1, "no two ticks have the same label");
  }
});
