/**
 * The steps from a calibrated score curve to segments, as service/core computes them: median filter, extension,
 * hysteresis, merging, minimum duration. Pure functions; the test vectors of the tests hold for both languages.
 */

const TOLERANCE_S = 1e-9;

/**
 * @typedef {{threshold: number, threshold_off: number, median_filter_s: number, extent_ratio: number,
 *   min_duration_s: number, merge_gap_s: number, extent_scale: "score" | "odds", core_s: number,
 *   short_extent_ratio: number}} Settings
 * @typedef {{sampleRate: number, hopSamples: number}} Grid
 * @typedef {{onset_s: number, offset_s: number, score: number, peak_s: number}} Segment
 */

/** The nearest whole number; halves go to the even number, as in Python. */
export function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest < 0.5 ? floor : floor + 1;
}

function samplesFor(seconds, grid) {
  return roundHalfEven(seconds * grid.sampleRate);
}

/** Number of whole frames in `seconds`. */
export function framesFor(seconds, grid) {
  return Math.floor(samplesFor(seconds, grid) / grid.hopSamples);
}

/** Odd number of frames nearest to `seconds`, at least 1. */
export function oddFramesFor(seconds, grid) {
  return 2 * Math.floor(samplesFor(seconds, grid) / (2 * grid.hopSamples)) + 1;
}

/** Sets the threshold; `threshold_off` keeps the ratio to it that the defaults have. */
export function withThreshold(settings, threshold, defaults) {
  const ratio = defaults.threshold > 0 ? defaults.threshold_off / defaults.threshold : 1;
  return { ...settings, threshold, threshold_off: Math.min(threshold * ratio, threshold) };
}

/** Replaces each value by the median of a centred window of frames; beyond the ends, the end values are repeated. */
export function medianFilter(curve, width) {
  const length = curve.length;
  if (width === 1 || length === 0) return curve.slice();
  const half = (width - 1) / 2;
  const at = (index) => curve[Math.min(Math.max(index, 0), length - 1)];
  const sorted = new Float32Array(width);
  for (let i = 0; i < width; i += 1) sorted[i] = at(i - half);
  sorted.sort();
  const smoothed = new Float32Array(length);
  smoothed[0] = sorted[half];
  for (let frame = 1; frame < length; frame += 1) {
    replace(sorted, at(frame - half - 1), at(frame + half));
    smoothed[frame] = sorted[half];
  }
  return smoothed;
}

/** Replaces a value of a sorted array by another, so that the array stays sorted. */
function replace(sorted, old, added) {
  if (old === added) return;
  const from = lowerBound(sorted, old);
  if (added > old) {
    const to = lowerBound(sorted, added) - 1;
    sorted.copyWithin(from, from + 1, to + 1);
    sorted[to] = added;
  } else {
    const to = lowerBound(sorted, added);
    sorted.copyWithin(to + 1, to, from);
    sorted[to] = added;
  }
}

/** First index of a sorted array whose value is not below `value`. */
function lowerBound(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Raises the frames around each peak, so that a cut at any threshold gives the same runs of frames as hysteresis. */
export function extend(curve, settings, grid) {
  const { extent_ratio: ratio, short_extent_ratio: shortRatio, extent_scale: scale } = settings;
  const coreFrames = framesFor(settings.core_s, grid);
  if (ratio === 1) return curve.slice();
  if (coreFrames === 0) return reconstruct(curve.slice(), ceiling(curve, ratio, scale));
  const extended = reconstruct(opening(curve, coreFrames), ceiling(curve, ratio, scale));
  const allPeaks = reconstruct(curve.slice(), ceiling(curve, Math.max(shortRatio, ratio), scale));
  for (let i = 0; i < extended.length; i += 1) if (allPeaks[i] > extended[i]) extended[i] = allPeaks[i];
  return extended;
}

/** The highest score that an extension by a ratio can give to each frame. Each step is rounded, as in the service. */
function ceiling(curve, ratio, scale) {
  const highest = new Float32Array(curve.length);
  const single = Math.fround(ratio);
  const rest = Math.fround(1 - single);
  for (let i = 0; i < curve.length; i += 1) {
    const value = curve[i];
    const reached = scale === "score" ? value / single : value / Math.fround(single + Math.fround(rest * value));
    highest[i] = reached < value ? value : reached;
  }
  return highest;
}

/** Carries the values of a curve to both sides, but nowhere above the ceiling; changes the curve. */
function reconstruct(levels, highest) {
  let carried = 0;
  for (let i = 0; i < levels.length; i += 1) levels[i] = carried = clip(carried, levels[i], highest[i]);
  for (let i = levels.length - 1; i >= 0; i -= 1) levels[i] = carried = clip(carried, levels[i], highest[i]);
  return levels;
}

function clip(value, low, high) {
  if (value < low) return low;
  return value > high ? high : value;
}

/** Lowers what is above a level for fewer than `width` frames to that level. */
function opening(curve, width) {
  if (width > curve.length) return new Float32Array(curve.length);
  const padded = new Float32Array(curve.length + width - 1);
  padded.set(extremes(curve, width, true), width - 1);
  return extremes(padded, width, false);
}

/** The lowest or highest value of each window of frames, in steps of doubling length. */
function extremes(curve, width, lowest) {
  let levels = curve;
  for (let reached = 1; reached < width; ) {
    const step = Math.min(reached, width - reached);
    const wider = new Float32Array(levels.length - step);
    for (let i = 0; i < wider.length; i += 1) {
      const other = levels[i + step];
      wider[i] = levels[i] < other === lowest ? levels[i] : other;
    }
    levels = wider;
    reached += step;
  }
  return levels;
}

/**
 * Cuts segments from a score curve by hysteresis, then merges close segments, then drops short segments.
 *
 * @param {Float32Array} extended Smoothed and extended scores.
 * @param {Float32Array} smoothed The scores before extension.
 * @param {Grid} grid
 * @param {number} durationS Length of the clip, which ends in the last frame.
 * @param {Settings} settings
 * @returns {Segment[]} In order of time, disjoint, inside the clip.
 */
export function findSegments(extended, smoothed, grid, durationS, settings) {
  const edge = (frame) => (frame === extended.length ? durationS : (frame * grid.hopSamples) / grid.sampleRate);
  const gap = framesFor(settings.merge_gap_s, grid);
  const merged = [];
  for (const [start, stop] of runs(extended, Math.fround(settings.threshold_off), Math.fround(settings.threshold))) {
    const last = merged.at(-1);
    if (last && start - last[1] <= gap) last[1] = stop;
    else merged.push([start, stop]);
  }
  return merged
    .filter(([start, stop]) => edge(stop) - edge(start) >= settings.min_duration_s - TOLERANCE_S)
    .map(([start, stop]) => {
      const peak = highest(smoothed, start, stop);
      return {
        onset_s: edge(start),
        offset_s: edge(stop),
        score: smoothed[peak],
        peak_s: (edge(peak) + edge(peak + 1)) / 2,
      };
    });
}

/** Runs of frames above `low` that have a frame above `high`, as pairs of the first frame and the frame after the last. */
function runs(curve, low, high) {
  const found = [];
  let start = -1;
  let reached = false;
  for (let frame = 0; frame <= curve.length; frame += 1) {
    if (frame < curve.length && curve[frame] > low) {
      if (start < 0) start = frame;
      reached ||= curve[frame] > high;
    } else if (start >= 0) {
      if (reached) found.push([start, frame]);
      start = -1;
      reached = false;
    }
  }
  return found;
}

/** Index of the first highest value in [start, stop). */
function highest(curve, start, stop) {
  let best = start;
  for (let frame = start + 1; frame < stop; frame += 1) if (curve[frame] > curve[best]) best = frame;
  return best;
}

/** Whether the query counts as heard in the clip; `rule` is `model.presence` of GET /info. */
export function isPresent(segments, threshold, durationS, rule) {
  if (!rule || segments.length === 0) return segments.length > 0;
  const shift = rule.logits_per_doubling * Math.log2(Math.max(1, durationS / rule.from_s));
  if (shift === 0 || threshold === 0 || threshold === 1) return true;
  const needed = 1 / (1 + ((1 - threshold) / threshold) * Math.exp(-shift));
  return needed === threshold || Math.max(...segments.map((segment) => segment.score)) > needed;
}

/** All steps at once. */
export function localize(raw, grid, durationS, settings) {
  const smoothed = medianFilter(raw, oddFramesFor(settings.median_filter_s, grid));
  const extended = extend(smoothed, settings, grid);
  return { smoothed, extended, segments: findSegments(extended, smoothed, grid, durationS, settings) };
}
