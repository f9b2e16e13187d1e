/** Reads what the page draws of a recording: in a worker with WebCodecs, or with the browser's decoder for short ones. */

const LARGEST_FALLBACK_BYTES = 40e6;
const FALLBACK_RATE_HZ = 16_000;

/**
 * Reads a recording.
 *
 * @param {Blob} file
 * @param {(picture: object, expectedS: number) => void} onProgress Called with the picture so far, for long recordings.
 * @param {AbortSignal} signal Ends the reading.
 * @returns {Promise<object | null>} The picture, or null if this browser cannot decode the recording.
 */
export async function readSound(file, onProgress, signal) {
  const worker = new Worker(new URL("./sound_worker.js", import.meta.url), { type: "module" });
  signal.addEventListener("abort", () => worker.terminate());
  try {
    return (await ask(worker, { file }, [], onProgress)) ?? (await readWhole(worker, file, onProgress));
  } finally {
    worker.terminate();
  }
}

function ask(worker, message, transfer, onProgress) {
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => {
      if (data.type === "progress") onProgress(data.picture, data.expectedS);
      else resolve(data.type === "done" ? data.picture : null);
    };
    worker.onerror = () => resolve(null);
    worker.postMessage(message, transfer);
  });
}

/** Decodes a whole recording in memory, for formats that WebCodecs does not know. */
async function readWhole(worker, file, onProgress) {
  if (file.size > LARGEST_FALLBACK_BYTES) return null;
  try {
    const context = new OfflineAudioContext(1, 1, FALLBACK_RATE_HZ);
    const decoded = await context.decodeAudioData(await file.arrayBuffer());
    const samples = decoded.getChannelData(0).slice();
    for (let channel = 1; channel < decoded.numberOfChannels; channel += 1) {
      const other = decoded.getChannelData(channel);
      for (let i = 0; i < samples.length; i += 1) samples[i] += (other[i] - samples[i]) / (channel + 1);
    }
    return await ask(worker, { samples, rate: decoded.sampleRate }, [samples.buffer], onProgress);
  } catch {
    return null;
  }
}
