/** The picture of the visible stretch as SVG: waveform, times, and for each query its curve, threshold and segments. */

import { curvePoints } from "./track_view.js";
import { clock, tickStep } from "./times.js";

const WIDTH = 1200;
const MARGIN = 24;
const GUTTER = 210;
const WAVE_HEIGHT = 90;
const LANE_HEIGHT = 64;
const LANE_GAP = 12;
const AXIS_HEIGHT = 26;
const TITLE_HEIGHT = 44;
const MAX_GUTTER_CHARS = 26;
const INK = "#1b1d1c";
const QUIET = "#636966";
const SUNKEN = "#f3f3ef";
const WAVE = "#9aa5a0";

/**
 * Draws the picture.
 *
 * @param {object} report See report.js.
 * @param {{startS: number, endS: number}} stretch
 * @param {object | null} sound The picture of the sound, for the waveform.
 * @returns {string} A document of its own, on white, that needs no style sheet.
 */
export function asSvg(report, { startS, endS }, sound) {
  const trackWidth = WIDTH - 2 * MARGIN - GUTTER;
  const view = { startS, endS, pxPerS: trackWidth / (endS - startS) };
  const left = MARGIN + GUTTER;
  const wavesTop = MARGIN + TITLE_HEIGHT + AXIS_HEIGHT;
  const lanesTop = wavesTop + (sound ? WAVE_HEIGHT + LANE_GAP : 0);
  const height = lanesTop + report.results.length * (LANE_HEIGHT + LANE_GAP) + MARGIN - LANE_GAP;
  const lanes = report.results.map((result, index) => {
    const top = lanesTop + index * (LANE_HEIGHT + LANE_GAP);
    return `<g>${label(result, top)}<svg x="${left}" y="${top}" width="${trackWidth}" height="${LANE_HEIGHT}">${lane(result, report, view, trackWidth)}</svg></g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="14" fill="${INK}">`,
    `<title>${escape(report.name)}</title><rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${MARGIN}" y="${MARGIN + 18}" font-size="20" font-weight="600">${escape(report.name)}</text>`,
    `<g transform="translate(${left} ${MARGIN + TITLE_HEIGHT})">${axis(view, trackWidth)}</g>`,
    sound ? `<path transform="translate(${left} ${wavesTop})" d="${wave(sound, view, trackWidth)}" fill="${WAVE}"/>` : "",
    ...lanes,
    "</svg>\n",
  ].join("");
}

function label({ query, present, segments, colour }, top) {
  const words = segments.length === 0 ? "not heard" : `${segments.length} ${segments.length === 1 ? "segment" : "segments"}`;
  const text = query.length > MAX_GUTTER_CHARS ? `${query.slice(0, MAX_GUTTER_CHARS - 1)}…` : query;
  return (
    `<circle cx="${MARGIN + 5}" cy="${top + 22}" r="5" fill="${colour}"/>` +
    `<text x="${MARGIN + 18}" y="${top + 27}">${escape(text)}</text>` +
    `<text x="${MARGIN + 18}" y="${top + 46}" font-size="12" fill="${QUIET}">${present || !segments.length ? words : `perhaps ${words}`}</text>`
  );
}

function lane({ segments, extended, colour }, { settings, hopS }, view, width) {
  const y = (score) => fixed(3 + (1 - score) * (LANE_HEIGHT - 6));
  const parts = [`<rect width="${width}" height="${LANE_HEIGHT}" rx="8" fill="${SUNKEN}"/>`];
  for (const { onset_s: onset, offset_s: offset } of segments) {
    if (offset < view.startS || onset > view.endS) continue;
    const x = fixed((onset - view.startS) * view.pxPerS);
    const wide = fixed(Math.max(1, (offset - onset) * view.pxPerS));
    parts.push(`<rect class="segment" x="${x}" width="${wide}" height="${LANE_HEIGHT}" fill="${colour}" fill-opacity="0.16" stroke="${colour}" stroke-opacity="0.5"/>`);
  }
  const points = extended ? curvePoints(extended, hopS, view) : [];
  if (points.length) {
    const line = points.map(([x, score]) => `${fixed(x)},${y(score)}`).join(" ");
    parts.push(`<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-linejoin="round"/>`);
  }
  const threshold = y(settings.threshold);
  parts.push(`<line x2="${width}" y1="${threshold}" y2="${threshold}" stroke="${QUIET}" stroke-dasharray="3 4"/>`);
  return parts.join("");
}

function axis(view, width) {
  const { step, decimals } = tickStep(view.pxPerS, 84);
  const parts = [];
  for (let index = Math.ceil(view.startS / step); index * step <= view.endS; index += 1) {
    const x = fixed((index * step - view.startS) * view.pxPerS);
    if (Number(x) > width - 40) break;
    parts.push(`<line x1="${x}" x2="${x}" y1="${AXIS_HEIGHT - 6}" y2="${AXIS_HEIGHT}" stroke="${QUIET}"/>`);
    parts.push(`<text x="${x}" dx="4" y="${AXIS_HEIGHT - 8}" font-size="12" fill="${QUIET}">${clock(index * step, decimals)}</text>`);
  }
  return parts.join("");
}

/** The outline of the visible waveform, with a point for each pixel. */
function wave({ top, bottom, peaksPerS }, view, width) {
  const middle = WAVE_HEIGHT / 2;
  const tops = [];
  const bottoms = [];
  let loudest = 0.01;
  for (let x = 0; x < width; x += 1) {
    const first = Math.floor((view.startS + x / view.pxPerS) * peaksPerS);
    const end = Math.max(first + 1, Math.floor((view.startS + (x + 1) / view.pxPerS) * peaksPerS));
    let [high, low] = [0, 0];
    for (let i = first; i < Math.min(end, top.length); i += 1) {
      high = Math.max(high, top[i]);
      low = Math.min(low, bottom[i]);
    }
    loudest = Math.max(loudest, high, -low);
    tops.push(high);
    bottoms.push(low);
  }
  const point = (value, x) => `${x} ${fixed(middle - (value / loudest) * (middle - 1) - Math.sign(value || 1) * 0.4)}`;
  const back = bottoms.map((value, x) => point(Math.min(value, -1e-9), x)).reverse();
  return `M${tops.map(point).join("L")}L${back.join("L")}Z`;
}

const fixed = (value) => String(Math.round(value * 10) / 10);

function escape(text) {
  // characters that XML does not allow are left out
  const allowed = [...text].filter((each) => each === "\t" || (each >= " " && each !== "\ufffe" && each !== "\uffff" && !/\p{Cs}/u.test(each)));
  return allowed.join("").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
