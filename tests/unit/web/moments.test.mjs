import assert from "node:assert/strict";
import test from "node:test";

import { conditionOf, counted, exampleOf, nameOf, newest, placeOf, stretchOf } from "../../../service/web/static/moments.js";

const moment = (onset, offset, peak = onset, id = "ab") => ({
  recording: { id: id.repeat(16), name: "", metadata: {} }, onset_s: onset, offset_s: offset, peak_s: peak, score: 0.9,
});

test("a long moment is cut around its peak", () => {
  assert.deepEqual(stretchOf(moment(10, 12)), { onsetS: 10, offsetS: 12 });
  assert.deepEqual(stretchOf(moment(10, 500, 100)), { onsetS: 70, offsetS: 130 });
  assert.deepEqual(stretchOf(moment(10, 500, 15)), { onsetS: 10, offsetS: 45 });
});

test("an example is in the form of the service, without an exponent", () => {
  assert.equal(exampleOf(moment(1e-7, 1.25)), `${"ab".repeat(16)}@0.000000-1.250000`);
});

test("at most 100 examples are sent, the newest", () => {
  const list = (length) => Array.from({ length }, (_, index) => index);
  for (const [likes, unlikes] of [[3, 4], [70, 10], [10, 200], [300, 300], [300, 0]]) {
    const kept = newest(list(likes), list(unlikes));
    assert.equal(kept.likes.length + kept.unlikes.length, Math.min(100, likes + unlikes));
    assert.ok(kept.likes.length >= Math.min(likes, 50));
    assert.equal(kept.likes.at(-1), likes - 1);
    if (unlikes) assert.equal(kept.unlikes.at(-1), unlikes - 1);
  }
});

test("a condition has what was written and the chosen values, and no value ends a quotation", () => {
  const chosen = new Map([["site", new Set(["it's", null])], ["year", new Set([2024, 2025])], ["recording", new Set(["ff"])]]);
  assert.equal(conditionOf("", new Map()), "");
  assert.equal(conditionOf(" a = 1 ", new Map()), "a = 1");
  assert.equal(conditionOf("a = 1 OR b = 2", new Map([["year", new Set([1])]])), '(a = 1 OR b = 2) AND "year" IN (1)');
  assert.equal(conditionOf("", chosen), '("site" IN (\'it\'\'s\') OR "site" IS NULL) AND "year" IN (2024, 2025) AND "id" IN (\'ff\')');
});

test("people read names, times and numbers", () => {
  assert.equal(nameOf({ name: "owl.wav", id: "x" }), "owl.wav");
  assert.equal(placeOf(moment(61.26, 3601)), "Recording abababab, 1:01.3 to 1:00:01.0");
  assert.deepEqual([counted(1, "moment"), counted(0, "moment"), counted(1234, "moment")], ["1 moment", "0 moments", "1,234 moments"]);
});
