/** The format of curves in answers with `curve_format=base64`. */

/** Reads a curve of little-endian 32-bit floats in base64; fast enough for an hour, which has half a million characters. */
export function decodeCurve(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(4 * index, true));
}
