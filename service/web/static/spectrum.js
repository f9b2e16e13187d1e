/** Spectra of short stretches of sound on the mel scale, as bytes: the columns of the spectrogram. Pure functions. */

export const BANDS = 96;
/** A byte is a level in steps of half a decibel above this level; full scale is 0 dB. */
export const LOWEST_DB = -120;
const STEPS_PER_DB = 2;
const WINDOW_S = 0.04;
const LOWEST_HZ = 50;
const HIGHEST_HZ = 8000;

const toMel = (hz) => 2595 * Math.log10(1 + hz / 700);
const fromMel = (mel) => 700 * (10 ** (mel / 2595) - 1);

/** Frequency limits of the bands for a sample rate, BANDS + 2 values: band b rises from b to b + 1 and falls to b + 2. */
export function bandLimits(rate) {
  const low = toMel(LOWEST_HZ);
  const high = toMel(Math.min(HIGHEST_HZ, rate / 2));
  return Array.from({ length: BANDS + 2 }, (_, index) => fromMel(low + ((high - low) * index) / (BANDS + 1)));
}

/** Computes columns for one sample rate. */
export class Spectrum {
  constructor(rate) {
    this.size = 2 ** Math.round(Math.log2(rate * WINDOW_S));
    this.window = Float32Array.from({ length: this.size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / this.size));
    this.real = new Float32Array(this.size);
    this.imaginary = new Float32Array(this.size);
    this.filters = filters(rate, this.size);
    this.twiddles = twiddles(this.size);
  }

  /** Writes the column of the `size` samples from `start` into `target` at `offset`, BANDS bytes. */
  column(samples, start, target, offset) {
    for (let i = 0; i < this.size; i += 1) this.real[i] = samples[start + i] * this.window[i];
    this.imaginary.fill(0);
    fft(this.real, this.imaginary, this.twiddles);
    const scale = 16 / (this.size * this.size); // a full-scale sine in the window of Hann has level 0 dB
    for (let band = 0; band < BANDS; band += 1) {
      const { first, weights } = this.filters[band];
      let power = 0;
      for (let i = 0; i < weights.length; i += 1) {
        const re = this.real[first + i];
        const im = this.imaginary[first + i];
        power += weights[i] * (re * re + im * im);
      }
      const level = 10 * Math.log10(power * scale + 1e-12);
      target[offset + band] = Math.min(255, Math.max(0, Math.round((level - LOWEST_DB) * STEPS_PER_DB)));
    }
  }
}

function filters(rate, size) {
  const limits = bandLimits(rate).map((hz) => (hz * size) / rate);
  return Array.from({ length: BANDS }, (_, band) => {
    const [low, centre, high] = limits.slice(band, band + 3);
    const first = Math.min(size / 2, Math.max(0, Math.ceil(low)));
    const weights = [];
    for (let bin = first; bin <= Math.min(size / 2, Math.floor(high)); bin += 1) {
      weights.push(Math.max(0, Math.min((bin - low) / (centre - low), (high - bin) / (high - centre))));
    }
    if (!weights.some((weight) => weight > 0)) return { first: Math.round(centre), weights: [1] }; // narrower than a bin
    return { first, weights };
  });
}

function twiddles(size) {
  const half = size / 2;
  return {
    cos: Float32Array.from({ length: half }, (_, i) => Math.cos((2 * Math.PI * i) / size)),
    sin: Float32Array.from({ length: half }, (_, i) => -Math.sin((2 * Math.PI * i) / size)),
  };
}

/** The Fourier transform in place, for a length that is a power of two (Cooley and Tukey). */
export function fft(real, imaginary, { cos, sin } = twiddles(real.length)) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i += 1) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let length = 2; length <= size; length *= 2) {
    const half = length / 2;
    const step = size / length;
    for (let start = 0; start < size; start += length) {
      for (let k = 0; k < half; k += 1) {
        const a = start + k;
        const b = a + half;
        const re = real[b] * cos[k * step] - imaginary[b] * sin[k * step];
        const im = real[b] * sin[k * step] + imaginary[b] * cos[k * step];
        real[b] = real[a] - re;
        imaginary[b] = imaginary[a] - im;
        real[a] += re;
        imaginary[a] += im;
      }
    }
  }
}
