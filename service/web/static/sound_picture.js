/** Collects what the page draws of a recording, block by block: peaks of the waveform and columns of the spectrogram. */

import { BANDS, Spectrum } from "./spectrum.js";

const MAX_PEAKS = 600_000;
const MAX_PEAKS_PER_S = 1000;
const MAX_COLUMNS = 60_000;
const SHORTEST_HOP_S = 0.01;

/** An array that grows; the values after `length` are zeros. */
class Growing {
  constructor(type, length) {
    this.values = new type(length);
    this.length = 0;
  }

  reserve(length) {
    if (length > this.values.length) {
      const values = new this.values.constructor(Math.ceil(length * 1.5));
      values.set(this.values);
      this.values = values;
    }
    this.length = Math.max(this.length, length);
  }

  taken() {
    return this.values.slice(0, this.length);
  }
}

/** Memory depends on the number of peaks and columns, not on the length of the recording. */
export class SoundPicture {
  /**
   * @param {number} rate Sample rate, in Hz.
   * @param {number} expectedS Expected length of the recording, which decides the resolution.
   */
  constructor(rate, expectedS) {
    this.rate = rate;
    this.samplesPerPeak = Math.max(1, Math.round(rate * Math.max(1 / MAX_PEAKS_PER_S, expectedS / MAX_PEAKS)));
    this.hop = Math.max(1, Math.round(rate * Math.max(SHORTEST_HOP_S, expectedS / MAX_COLUMNS)));
    this.spectrum = new Spectrum(rate);
    const nPeaks = Math.ceil((expectedS * rate) / this.samplesPerPeak) + 1;
    this.top = new Growing(Float32Array, nPeaks);
    this.bottom = new Growing(Float32Array, nPeaks);
    this.columns = new Growing(Uint8Array, (Math.ceil((expectedS * rate) / this.hop) + 1) * BANDS);
    this.nSamples = 0;
    this.nColumns = 0;
    // the samples that the next columns need; the first column is centred on the beginning of the recording
    this.held = new Float32Array(4 * this.spectrum.size);
    this.nHeld = this.spectrum.size / 2;
    this.heldStart = -this.nHeld;
  }

  /** Adds the next samples of the recording, averaged over the channels. */
  add(samples) {
    this.#addPeaks(samples);
    const room = this.held.length;
    for (let begin = 0; begin < samples.length; ) {
      const piece = samples.subarray(begin, begin + room - this.nHeld);
      this.held.set(piece, this.nHeld);
      this.nHeld += piece.length;
      begin += piece.length;
      this.#addColumns();
    }
    this.nSamples += samples.length;
  }

  #addPeaks(samples) {
    const { samplesPerPeak, nSamples } = this;
    const end = Math.ceil((nSamples + samples.length) / samplesPerPeak);
    this.top.reserve(end);
    this.bottom.reserve(end);
    const top = this.top.values;
    const bottom = this.bottom.values;
    for (let i = 0; i < samples.length; i += 1) {
      const index = Math.floor((nSamples + i) / samplesPerPeak);
      const value = samples[i];
      if (value > top[index]) top[index] = value;
      else if (value < bottom[index]) bottom[index] = value;
    }
  }

  #addColumns() {
    const { size } = this.spectrum;
    const beginning = () => this.nColumns * this.hop - size / 2 - this.heldStart;
    while (beginning() + size <= this.nHeld) {
      this.columns.reserve((this.nColumns + 1) * BANDS);
      this.spectrum.column(this.held, beginning(), this.columns.values, this.nColumns * BANDS);
      this.nColumns += 1;
    }
    const unused = Math.min(Math.max(beginning(), 0), this.nHeld);
    this.held.copyWithin(0, unused, this.nHeld);
    this.nHeld -= unused;
    this.heldStart += unused;
  }

  /** The picture so far, in arrays of its own. */
  snapshot() {
    return {
      durationS: this.nSamples / this.rate,
      rate: this.rate,
      peaksPerS: this.rate / this.samplesPerPeak,
      top: this.top.taken(),
      bottom: this.bottom.taken(),
      hopS: this.hop / this.rate,
      nColumns: this.nColumns,
      columns: this.columns.taken(),
    };
  }
}
