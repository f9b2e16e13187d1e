/** WAV files. Pure functions. */

const HEADER_BYTES = 44;
const FULL_SCALE = 32_767;

/** A WAV file with 16 bits a sample of one channel; samples beyond full scale are clipped. */
export function asWav(samples, rate) {
  const bytes = new Uint8Array(HEADER_BYTES + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const text = (at, value) => [...value].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // size of this chunk
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a frame
  view.setUint16(34, 16, true); // bits a sample
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  for (let i = 0; i < samples.length; i += 1) {
    view.setInt16(HEADER_BYTES + 2 * i, Math.round(Math.max(-1, Math.min(samples[i], 1)) * FULL_SCALE), true);
  }
  return bytes;
}
