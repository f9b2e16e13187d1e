/** Drawing of one row of the time axis: ticks, spectrogram, curves with segments. Functions of a canvas and its content. */

import { fitted } from "./dom.js";
import { BANDS } from "./spectrum.js";
import { clock, tickStep } from "./times.js";

const MIN_TICK_PX = 84;
const RANGE_STEPS = 116; // 58 dB in half decibels
const EDGE_PX = 2;

/** Draws ticks and their times. */
export function drawAxis(canvas, view, colours) {
  const area = fitted(canvas);
  if (!area || !view.pxPerS) return;
  const { context, height } = area;
  const { step, decimals } = tickStep(view.pxPerS, MIN_TICK_PX);
  context.fillStyle = colours.quiet;
  context.font = `12px ${colours.font}`;
  context.textBaseline = "middle";
  for (let index = Math.ceil(view.startS / step); index * step <= view.endS; index += 1) {
    const x = (index * step - view.startS) * view.pxPerS;
    context.fillRect(Math.round(x), height - 5, 1, 5);
    const label = clock(index * step, decimals);
    const { width } = context.measureText(label);
    if (x + 5 + width <= view.width) context.fillText(label, x + 5, height / 2);
  }
}

/** Draws the spectrogram of the visible stretch: for each pixel the loudest of its columns. */
export function drawSpectrogram(canvas, view, picture, ramp) {
  const area = fitted(canvas);
  if (!area || !view.pxPerS || !picture?.nColumns) return;
  const width = canvas.width;
  const pixels = new ImageData(width, BANDS);
  const target = new Uint32Array(pixels.data.buffer);
  const { columns, nColumns, hopS, loudest } = picture;
  const perPixel = (view.endS - view.startS) / width / hopS;
  const begin = view.startS / hopS;
  const held = new Uint8Array(BANDS);
  for (let x = 0; x < width; x += 1) {
    const first = Math.round(begin + x * perPixel);
    if (first >= nColumns) break;
    const last = Math.min(nColumns, Math.max(first + 1, Math.round(begin + (x + 1) * perPixel)));
    held.set(columns.subarray(first * BANDS, (first + 1) * BANDS));
    for (let column = first + 1; column < last; column += 1) {
      for (let band = 0; band < BANDS; band += 1) {
        const value = columns[column * BANDS + band];
        if (value > held[band]) held[band] = value;
      }
    }
    for (let band = 0; band < BANDS; band += 1) {
      const level = Math.max(0, Math.min(255, ((held[band] - loudest + RANGE_STEPS) * 255) / RANGE_STEPS)) | 0;
      target[(BANDS - 1 - band) * width + x] = ramp[level];
    }
  }
  scaleOnto(canvas, pixels);
}

let scratch = null;

function scaleOnto(canvas, pixels) {
  scratch ??= document.createElement("canvas");
  Object.assign(scratch, { width: pixels.width, height: pixels.height });
  scratch.getContext("2d").putImageData(pixels, 0, 0);
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(scratch, 0, 0, canvas.width, canvas.height);
}

/** The loudest level of a picture, without its loudest thousandth. */
export function loudestOf(columns) {
  const counts = new Uint32Array(256);
  for (let i = 0; i < columns.length; i += 1) counts[columns[i]] += 1;
  let rest = columns.length / 1000;
  let level = 255;
  while (level > 0 && rest >= counts[level]) {
    rest -= counts[level];
    level -= 1;
  }
  return Math.max(level, RANGE_STEPS);
}

/** Colours for 256 levels as pixels, from the background colour to the ink; both as [red, green, blue]. */
export function rampBetween(stops) {
  const ramp = new Uint32Array(256);
  for (let level = 0; level < 256; level += 1) {
    const place = (level / 255) * (stops.length - 1);
    const index = Math.min(Math.floor(place), stops.length - 2);
    const [r, g, b] = stops[index].map((value, i) => value + (stops[index + 1][i] - value) * (place - index));
    ramp[level] = (255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r);
  }
  return ramp;
}

/**
 * Draws the segments, the curve and the threshold of a query.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {object} view
 * @param {{extended: Float32Array | null, segments: object[], selected: number | null, threshold: number, hopS: number,
 *   colour: string, isEdited: boolean}} lane
 * @param {object} colours
 */
export function drawLane(canvas, view, lane, colours) {
  const area = fitted(canvas);
  if (!area || !view.pxPerS) return;
  const { context, height } = area;
  drawSegments(context, view, lane, height);
  if (lane.extended) {
    drawCurve(context, view, lane, height);
    const y = Math.round(toY(lane.threshold, height)) + 0.5;
    context.strokeStyle = colours.quiet;
    context.lineWidth = 1;
    context.setLineDash([3, 4]);
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(area.width, y);
    context.stroke();
    context.setLineDash([]);
  }
}

const PADDING_PX = 3;
const toY = (score, height) => PADDING_PX + (1 - score) * (height - 2 * PADDING_PX);

function drawSegments(context, view, { segments, selected, colour }, height) {
  context.fillStyle = colour;
  for (let index = firstAfter(segments, view.startS); index < segments.length; index += 1) {
    const { onset_s: onset, offset_s: offset } = segments[index];
    if (onset > view.endS) break;
    const x = (onset - view.startS) * view.pxPerS;
    const width = Math.max((offset - onset) * view.pxPerS, 1);
    context.globalAlpha = index === selected ? 0.3 : 0.15;
    context.fillRect(x, 0, width, height);
    context.globalAlpha = index === selected ? 1 : 0.55;
    const edge = Math.min(EDGE_PX, width / 2);
    context.fillRect(x, 0, edge, height);
    context.fillRect(x + width - edge, 0, edge, height);
  }
  context.globalAlpha = 1;
}

/** Index of the first segment that ends after a time. */
export function firstAfter(segments, timeS) {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle].offset_s <= timeS) low = middle + 1;
    else high = middle;
  }
  return low;
}

function drawCurve(context, view, { extended, hopS, colour }, height) {
  const points = curvePoints(extended, hopS, view);
  if (points.length === 0) return;
  context.beginPath();
  points.forEach(([x, score], index) => (index ? context.lineTo(x, toY(score, height)) : context.moveTo(x, toY(score, height))));
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(points.at(-1)[0], height);
  context.lineTo(points[0][0], height);
  context.closePath();
  context.globalAlpha = 0.1;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
}

/** Points of the visible curve: one for each frame, or the highest frame of each pixel if there are more frames. */
export function curvePoints(curve, hopS, view) {
  const first = Math.max(0, Math.floor(view.startS / hopS) - 1);
  const end = Math.min(curve.length, Math.ceil(view.endS / hopS) + 1);
  const pxPerFrame = hopS * view.pxPerS;
  const stride = Math.max(1, Math.ceil(1 / pxPerFrame));
  const points = [];
  for (let frame = first - (first % stride); frame < end; frame += stride) {
    let best = curve[frame];
    for (let each = frame + 1; each < Math.min(frame + stride, curve.length); each += 1) best = Math.max(best, curve[each]);
    points.push([((frame + Math.min(stride, curve.length - frame) / 2) * hopS - view.startS) * view.pxPerS, best]);
  }
  return points;
}
