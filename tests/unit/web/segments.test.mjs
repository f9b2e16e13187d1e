// The page gives the same segments as service.core: SEGMENT_VECTORS names a file of inputs and expected results.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { extend, findSegments, isPresent, localize, medianFilter, oddFramesFor, withThreshold } from "../../../service/web/static/segments.js";

const vectors = JSON.parse(readFileSync(process.env.SEGMENT_VECTORS, "utf8"));

test("every vector gives the same curves, segments and presence as in Python", () => {
  assert.ok(vectors.length >= 500);
  vectors.forEach((vector, index) => {
    const grid = { sampleRate: vector.sampleRate, hopSamples: vector.hopSamples };
    const result = localize(Float32Array.from(vector.raw), grid, vector.durationS, vector.settings);
    assert.deepEqual([...result.smoothed], vector.smoothed, `smoothed curve of vector ${index}`);
    assert.deepEqual([...result.extended], vector.extended, `extended curve of vector ${index}`);
    const segments = result.segments.map((each) => [each.onset_s, each.offset_s, each.score, each.peak_s]);
    assert.deepEqual(segments, vector.segments, `segments of vector ${index}`);
    const present = isPresent(result.segments, vector.settings.threshold, vector.durationS, vector.rule);
    assert.equal(present, vector.present, `presence of vector ${index}`);
  });
});

test("the vectors contain what can go wrong", () => {
  assert.ok(vectors.some((vector) => vector.segments.length > 3));
  assert.ok(vectors.some((vector) => vector.raw.length === 1));
  assert.ok(vectors.some((vector) => vector.segments.length > 0 && !vector.present));
});

test("halves are rounded to the even number, as in Python", () => {
  const grid = { sampleRate: 1, hopSamples: 1 };
  assert.deepEqual([0.5, 1.5, 2.5, 3.5].map((seconds) => oddFramesFor(seconds, grid)), [1, 3, 3, 5]);
});

test("a hand-worked curve", () => {
  const grid = { sampleRate: 10, hopSamples: 1 };
  const curve = Float32Array.from([0, 0.75, 0.5, 0.25, 0, 0.75, 0, 0]);
  const settings = { threshold: 0.5, threshold_off: 0.25, median_filter_s: 0, extent_ratio: 1, min_duration_s: 0.2, merge_gap_s: 0 };
  const half = { extent_ratio: 0.5, extent_scale: "score", core_s: 0, short_extent_ratio: 1 };
  const shortPeaksLess = { ...half, core_s: 0.3, short_extent_ratio: 0.75 };
  assert.deepEqual([...medianFilter(curve, 3)], [0, 0.5, 0.5, 0.25, 0.25, 0, 0, 0]);
  assert.deepEqual([...extend(curve, half, grid)], [0, 0.75, 0.75, 0.5, 0, 0.75, 0, 0]);
  assert.deepEqual([...extend(curve, shortPeaksLess, grid)], [0, 0.75, Math.fround(0.5 / 0.75), Math.fround(0.25 / 0.75), 0, 0.75, 0, 0]);
  assert.deepEqual(findSegments(curve, curve, grid, 0.8, settings), [{ onset_s: 0.1, offset_s: 0.3, score: 0.75, peak_s: (0.1 + 0.2) / 2 }]);
});

test("the lower threshold keeps its ratio to the threshold", () => {
  const defaults = { threshold: 0.4, threshold_off: 0.2 };
  assert.deepEqual(withThreshold({ merge_gap_s: 1 }, 0.8, defaults), { merge_gap_s: 1, threshold: 0.8, threshold_off: 0.4 });
  assert.equal(withThreshold({}, 0.3, { threshold: 0, threshold_off: 0 }).threshold_off, 0.3);
});
