/** Worker that keeps the score curves of the queries and cuts them anew for each change of the settings. */

import { decodeCurve } from "./curve_format.js";
import { extend, findSegments, medianFilter, oddFramesFor } from "./segments.js";

const curves = new Map();

self.onmessage = ({ data }) => {
  if (data.type === "add") curves.set(data.query, { raw: decodeCurve(data.curve), width: 0, smoothed: null });
  else if (data.type === "remove") curves.delete(data.query);
  else if (data.type === "clear") curves.clear();
  else cut(data);
};

function cut({ request, grid, durationS, settings }) {
  const width = oddFramesFor(settings.median_filter_s, grid);
  const results = [];
  for (const [query, curve] of curves) {
    if (curve.width !== width) Object.assign(curve, { width, smoothed: medianFilter(curve.raw, width) });
    const extended = extend(curve.smoothed, settings, grid);
    const segments = findSegments(extended, curve.smoothed, grid, durationS, settings);
    results.push({ query, extended, segments });
  }
  self.postMessage({ request, settings, results }, results.map((result) => result.extended.buffer));
}
