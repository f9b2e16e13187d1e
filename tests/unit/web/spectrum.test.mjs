import assert from "node:assert/strict";
import test from "node:test";

import { BANDS, LOWEST_DB, Spectrum, bandLimits, fft } from "../../../service/web/static/spectrum.js";
import { SoundPicture } from "../../../service/web/static/sound_picture.js";

const sine = (hz, rate, length, level = 1) => Float32Array.from({ length }, (_, i) => level * Math.sin((2 * Math.PI * hz * i) / rate));

test("the transform is the sum that defines it", () => {
  const size = 16;
  const real = Float32Array.from({ length: size }, (_, i) => Math.cos(i * i));
  const imaginary = Float32Array.from({ length: size }, (_, i) => Math.sin(3 * i));
  const [re, im] = [real.slice(), imaginary.slice()];
  fft(re, im);
  for (let k = 0; k < size; k += 1) {
    let [a, b] = [0, 0];
    for (let i = 0; i < size; i += 1) {
      const angle = (-2 * Math.PI * k * i) / size;
      a += real[i] * Math.cos(angle) - imaginary[i] * Math.sin(angle);
      b += real[i] * Math.sin(angle) + imaginary[i] * Math.cos(angle);
    }
    assert.ok(Math.hypot(re[k] - a, im[k] - b) < 1e-4);
  }
});

test("a tone is loudest in its band, at its level", () => {
  for (const rate of [8000, 16_000, 44_100, 48_000]) {
    for (const [hz, level] of [[440, 1], [1500, 0.1], [3000, 0.01]]) {
      const spectrum = new Spectrum(rate);
      const column = new Uint8Array(BANDS);
      spectrum.column(sine(hz, rate, spectrum.size, level), 0, column, 0);
      const loudest = column.indexOf(Math.max(...column));
      const limits = bandLimits(rate);
      assert.ok(hz > limits[loudest] - rate / spectrum.size && hz < limits[loudest + 2] + rate / spectrum.size, `${hz} Hz at ${rate} Hz`);
      const db = column[loudest] / 2 + LOWEST_DB;
      assert.ok(Math.abs(db - 20 * Math.log10(level)) < 6, `${db} dB`);
    }
  }
});

test("silence has no level", () => {
  const spectrum = new Spectrum(16_000);
  const column = new Uint8Array(BANDS);
  spectrum.column(new Float32Array(spectrum.size), 0, column, 0);
  assert.deepEqual([...column], new Array(BANDS).fill(0));
});

test("the picture does not depend on how the recording is cut into blocks", () => {
  const rate = 16_000;
  const samples = sine(700, rate, 2 * rate + 123);
  const pictures = [1, 100, 997, 40_000].map((length) => {
    const picture = new SoundPicture(rate, 2);
    for (let begin = 0; begin < samples.length; begin += length) picture.add(samples.subarray(begin, begin + length));
    return picture.snapshot();
  });
  for (const other of pictures.slice(1)) assert.deepEqual(other, pictures[0]);
  assert.equal(pictures[0].durationS, samples.length / rate);
});

test("peaks and columns stand at their times", () => {
  const rate = 16_000;
  const samples = new Float32Array(3 * rate);
  samples.set(sine(1000, rate, rate / 2), rate);
  const picture = new SoundPicture(rate, 3);
  picture.add(samples);
  const { top, bottom, peaksPerS, columns, hopS, nColumns } = picture.snapshot();
  assert.ok(Math.abs(top.findIndex((value) => value > 0.5) / peaksPerS - 1) < 0.01);
  assert.ok(Math.min(...bottom) < -0.99 && Math.max(...top) > 0.99);
  const energy = Array.from({ length: nColumns }, (_, i) => columns.subarray(i * BANDS, (i + 1) * BANDS).reduce((a, b) => a + b, 0));
  assert.ok(Math.abs(energy.indexOf(Math.max(...energy)) * hopS - 1.25) < 0.3);
  assert.equal(energy[Math.round(0.5 / hopS)], 0);
});

test("an hour takes no more memory than a few minutes", () => {
  const [minutes, hour] = [600, 3600].map((seconds) => new SoundPicture(16_000, seconds));
  assert.ok(hour.top.values.length <= 600_002 && hour.columns.values.length <= 60_002 * BANDS);
  assert.ok(minutes.columns.values.length <= hour.columns.values.length);
});

test("a recording that is longer than its header says is drawn whole", () => {
  const picture = new SoundPicture(8000, 1);
  for (let i = 0; i < 5; i += 1) picture.add(sine(300, 8000, 8000));
  const { durationS, top, nColumns, hopS } = picture.snapshot();
  assert.equal(durationS, 5);
  assert.ok(top.at(-2) > 0.1);
  assert.ok(nColumns * hopS > 4.9);
});
