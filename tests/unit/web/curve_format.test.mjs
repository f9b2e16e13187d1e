import assert from "node:assert/strict";
import test from "node:test";

import { decodeCurve } from "../../../service/web/static/curve_format.js";

test("a curve is read as it was written", () => {
  const curve = Float32Array.from([0, 1, 0.123456, 1e-6, -0.5]);
  assert.deepEqual(decodeCurve(Buffer.from(curve.buffer).toString("base64")), curve);
  assert.equal(decodeCurve("").length, 0);
});

test("a known text", () => {
  assert.deepEqual([...decodeCurve("AACAPwAAAD8=")], [1, 0.5]);
});
