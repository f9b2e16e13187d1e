/** Drawing of one moment of the library: its curve, its stretch, and the waveform behind them. */

import { drawLane } from "./track_view.js";

const WAVE_SHARE = 0.9;

/**
 * Draws a moment on its part of the recording.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {object} moment With its `curve`.
 * @param {{samples: Float32Array, rate: number} | null} sound The sound of the curve's stretch, if it is known.
 * @param {{threshold: number, timeS: number | null}} state The threshold, and the time that is heard.
 * @param {{accent: string, wave: string, quiet: string, ink: string}} colours
 */
export function drawMoment(canvas, moment, sound, { threshold, timeS }, colours) {
  const { startS, endS } = viewOf(moment);
  const width = canvas.clientWidth;
  const view = { startS: 0, endS: endS - startS, pxPerS: width / (endS - startS), width };
  const segment = { onset_s: moment.onset_s - startS, offset_s: moment.offset_s - startS };
  const lane = { extended: moment.curve.score, segments: [segment], selected: null, threshold, hopS: moment.curve.hop_s, colour: colours.accent };
  drawLane(canvas, view, lane, colours);
  if (!canvas.width || !width) return;
  const context = canvas.getContext("2d");
  if (sound) drawWave(context, sound.samples, width, canvas.clientHeight, colours.wave);
  if (timeS !== null && timeS >= startS && timeS <= endS) {
    context.fillStyle = colours.ink;
    context.fillRect((timeS - startS) * view.pxPerS - 1, 0, 2, canvas.clientHeight);
  }
}

/** The stretch that the curve of a moment covers. */
export function viewOf({ curve, recording }) {
  return { startS: curve.start_s, endS: Math.min(curve.start_s + curve.score.length * curve.hop_s, recording.duration_s) };
}

function drawWave(context, samples, width, height, colour) {
  const { top, bottom, loudest } = peaksOf(samples, Math.round(width));
  const scale = (WAVE_SHARE * height) / 2 / loudest;
  context.save();
  context.globalCompositeOperation = "destination-over"; // behind the curve
  context.fillStyle = colour;
  top.forEach((high, x) => {
    const y = height / 2 - high * scale;
    context.fillRect(x, y, 1, Math.max((high - bottom[x]) * scale, 1));
  });
  context.restore();
}

/** The highest and the lowest sample of each column, and the largest of all. */
export function peaksOf(samples, nColumns) {
  const [top, bottom] = [new Float32Array(nColumns), new Float32Array(nColumns)];
  let loudest = 0.01;
  for (let x = 0; x < nColumns; x += 1) {
    const first = Math.floor((x * samples.length) / nColumns);
    const end = Math.max(first + 1, Math.floor(((x + 1) * samples.length) / nColumns));
    for (let i = first; i < Math.min(end, samples.length); i += 1) {
      top[x] = Math.max(top[x], samples[i]);
      bottom[x] = Math.min(bottom[x], samples[i]);
    }
    loudest = Math.max(loudest, top[x], -bottom[x]);
  }
  return { top, bottom, loudest };
}
