/** Times as people read them. */

/** Minutes and seconds, with hours if there are any: 1:02:03.4 */
export function clock(seconds, decimals = 0) {
  const factor = 10 ** decimals;
  const total = Math.round(seconds * factor) / factor;
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const rest = (total % 60).toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

const STEPS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

/** A round step between ticks that are at least `minPixels` apart, and the decimals of their labels. */
export function tickStep(pxPerS, minPixels) {
  const step = STEPS_S.find((each) => each * pxPerS >= minPixels) ?? STEPS_S.at(-1);
  return { step, decimals: step >= 1 ? 0 : step >= 0.1 ? 1 : 2 };
}
