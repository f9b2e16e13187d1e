/** Worker that decodes stretches of recordings of the library, and fetches only the ranges of the files that it needs. */

import { mix } from "./mix.js";

const LIBRARY = "./vendor/mediabunny-1.61.0/mediabunny.min.mjs";
const KEPT_INPUTS = 4;
const inputs = new Map();

self.onmessage = async ({ data: { number, url, headers, onsetS, offsetS } }) => {
  try {
    const stretch = await decode(await trackOf(url, headers), onsetS, offsetS);
    self.postMessage({ number, ...stretch }, [stretch.samples.buffer]);
  } catch (error) {
    inputs.delete(url);
    self.postMessage({ number, reason: String(error) });
  }
};

/** The audio track of a file; the newest files stay open, because moments are often in the same ones. */
async function trackOf(url, headers) {
  const { ALL_FORMATS, Input, UrlSource } = await import(LIBRARY);
  const input = inputs.get(url) ?? new Input({ source: new UrlSource(url, { requestInit: { headers }, getRetryDelay: () => null }), formats: ALL_FORMATS });
  inputs.delete(url);
  inputs.set(url, input);
  while (inputs.size > KEPT_INPUTS) inputs.delete(inputs.keys().next().value);
  const track = await input.getPrimaryAudioTrack();
  if (!track || !(await track.canDecode())) throw new Error("the browser cannot decode the recording");
  return track;
}

/** The samples of a stretch, averaged over the channels; silence where the recording has none. */
async function decode(track, onsetS, offsetS) {
  const { AudioSampleSink } = await import(LIBRARY);
  let samples = null;
  let rate = 0;
  let mono = new Float32Array(0);
  let plane = new Float32Array(0);
  for await (const sample of new AudioSampleSink(track).samples(onsetS, offsetS)) {
    rate ||= sample.sampleRate;
    samples ??= new Float32Array(Math.max(1, Math.round((offsetS - onsetS) * rate)));
    const length = sample.numberOfFrames;
    if (mono.length < length) [mono, plane] = [new Float32Array(length), new Float32Array(length)];
    mix(sample, mono, plane);
    const at = Math.round((sample.timestamp - onsetS) * rate);
    const first = Math.max(0, -at);
    const end = Math.min(length, samples.length - at);
    if (end > first) samples.set(mono.subarray(first, end), at + first);
    sample.close();
  }
  if (!samples) throw new Error("the recording has no sound there");
  return { samples, rate };
}
