/** Corrections of segments by a person. Pure functions that return new lists. */

export const SHORTEST_S = 0.01;
const DECIMALS = 1e6;

/**
 * The segments with other edges of one of them, which stay inside the clip and between the neighbours.
 *
 * @param {object[]} segments In order of time, disjoint.
 * @param {number} index
 * @param {{onset_s?: number, offset_s?: number}} edges
 * @param {number} durationS
 */
export function moved(segments, index, edges, durationS) {
  const segment = segments[index];
  const lowest = index > 0 ? segments[index - 1].offset_s : 0;
  const highest = index + 1 < segments.length ? segments[index + 1].onset_s : durationS;
  let { onset_s: onset, offset_s: offset } = { ...segment, ...edges };
  if (edges.onset_s !== undefined) onset = clamp(onset, lowest, offset - SHORTEST_S);
  if (edges.offset_s !== undefined) offset = clamp(offset, onset + SHORTEST_S, highest);
  const peak = clamp(segment.peak_s, onset, offset);
  const copy = segments.slice();
  copy[index] = { ...segment, onset_s: rounded(onset), offset_s: rounded(offset), peak_s: rounded(peak) };
  return copy;
}

export function without(segments, index) {
  return segments.filter((_, each) => each !== index);
}

function clamp(value, low, high) {
  return Math.max(low, Math.min(value, high));
}

function rounded(seconds) {
  return Math.round(seconds * DECIMALS) / DECIMALS;
}
