import assert from "node:assert/strict";
import test from "node:test";

import { SHORTEST_S, moved, without } from "../../../service/web/static/edits.js";

const segment = (onset, offset) => ({ onset_s: onset, offset_s: offset, score: 0.5, peak_s: (onset + offset) / 2 });
const SEGMENTS = [segment(1, 2), segment(4, 6), segment(8, 9)];
const edges = (segments, index) => [segments[index].onset_s, segments[index].offset_s];

test("an edge moves, and the list before stays as it was", () => {
  const after = moved(SEGMENTS, 1, { onset_s: 3.5 }, 10);
  assert.deepEqual(edges(after, 1), [3.5, 6]);
  assert.deepEqual(edges(SEGMENTS, 1), [4, 6]);
  assert.deepEqual(after[0], SEGMENTS[0]);
});

test("edges stay between the neighbours and inside the clip", () => {
  assert.deepEqual(edges(moved(SEGMENTS, 1, { onset_s: 0 }, 10), 1), [2, 6]);
  assert.deepEqual(edges(moved(SEGMENTS, 1, { offset_s: 99 }, 10), 1), [4, 8]);
  assert.deepEqual(edges(moved(SEGMENTS, 0, { onset_s: -5 }, 10), 0), [0, 2]);
  assert.deepEqual(edges(moved(SEGMENTS, 2, { offset_s: 99 }, 10), 2), [8, 10]);
});

test("an edge never passes the other edge", () => {
  assert.deepEqual(edges(moved(SEGMENTS, 1, { onset_s: 7 }, 10), 1), [6 - SHORTEST_S, 6]);
  assert.deepEqual(edges(moved(SEGMENTS, 1, { offset_s: 3 }, 10), 1), [4, 4 + SHORTEST_S]);
});

test("the peak stays inside", () => {
  assert.equal(moved(SEGMENTS, 1, { onset_s: 5.5 }, 10)[1].peak_s, 5.5);
  assert.equal(moved(SEGMENTS, 1, { offset_s: 4.5 }, 10)[1].peak_s, 4.5);
});

test("a segment is removed", () => {
  assert.deepEqual(without(SEGMENTS, 1), [SEGMENTS[0], SEGMENTS[2]]);
});
