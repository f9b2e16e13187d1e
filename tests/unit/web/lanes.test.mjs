import assert from "node:assert/strict";
import test from "node:test";

import { hit } from "../../../service/web/static/lane_pointer.js";
import { curvePoints, firstAfter, loudestOf, rampBetween } from "../../../service/web/static/track_view.js";

const segment = (onset, offset) => ({ onset_s: onset, offset_s: offset });
const SEGMENTS = [segment(1, 2), segment(2.1, 4), segment(8, 8.02)];

test("a pointer finds the segment and the edge under it", () => {
  assert.equal(hit(SEGMENTS, 0.5, 0.1), null);
  assert.deepEqual(hit(SEGMENTS, 3, 0.1), { index: 1, edge: null, distance: 0 });
  assert.equal(hit(SEGMENTS, 0.95, 0.1).edge, "onset_s");
  assert.equal(hit(SEGMENTS, 1.95, 0.1).edge, "offset_s");
  assert.deepEqual([hit(SEGMENTS, 2.08, 0.1).index, hit(SEGMENTS, 2.08, 0.1).edge], [1, "onset_s"]);
  assert.equal(hit(SEGMENTS, 4.05, 0.1).edge, "offset_s");
});

test("the middle of a short segment can be clicked", () => {
  assert.deepEqual(hit(SEGMENTS, 8.01, 0.5), { index: 2, edge: null, distance: 0 });
});

test("the first segment after a time", () => {
  assert.equal(firstAfter(SEGMENTS, 0), 0);
  assert.equal(firstAfter(SEGMENTS, 2), 1);
  assert.equal(firstAfter(SEGMENTS, 9), 3);
});

test("a zoomed-out curve keeps its peaks", () => {
  const curve = new Float32Array(90_000);
  curve[12_345] = 0.9;
  const view = { startS: 0, endS: 3600, pxPerS: 1000 / 3600 };
  const points = curvePoints(curve, 0.04, view);
  assert.ok(points.length <= 1100);
  const [x] = points.find(([, score]) => score > 0.8);
  assert.ok(Math.abs(x - 12_345 * 0.04 * view.pxPerS) < 2);
});

test("a zoomed-in curve has a point for each visible frame", () => {
  const curve = Float32Array.from({ length: 100 }, (_, i) => i / 100);
  const points = curvePoints(curve, 0.04, { startS: 1, endS: 2, pxPerS: 500 });
  assert.ok(points.length >= 25 && points.length <= 29);
  assert.deepEqual(points.map(([x]) => x), points.map(([x]) => x).toSorted((a, b) => a - b));
});

test("colours go from the first to the last", () => {
  const ramp = rampBetween([[255, 255, 255], [0, 0, 0]]);
  assert.equal(ramp[0], 0xffffffff);
  assert.equal(ramp[255], 0xff000000);
});

test("rare loud values do not decide the loudness", () => {
  const columns = new Uint8Array(100_000).fill(150);
  columns.fill(255, 0, 20);
  assert.equal(loudestOf(columns), 150);
});
