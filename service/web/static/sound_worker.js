/** Worker that decodes a recording piece by piece, in bounded memory, and sends its picture; see sound_picture.js. */

import { mix } from "./mix.js";
import { SoundPicture } from "./sound_picture.js";

const LIBRARY = "./vendor/mediabunny-1.61.0/mediabunny.min.mjs";
const SNAPSHOT_EVERY_MS = 2000;
const LONGEST_GAP_S = 60;

self.onmessage = async ({ data }) => {
  try {
    if (data.samples) drawSamples(data);
    else await drawFile(data.file);
  } catch (error) {
    self.postMessage({ type: "failed", reason: String(error) });
  }
};

function drawSamples({ samples, rate }) {
  const picture = new SoundPicture(rate, samples.length / rate);
  picture.add(samples);
  send("done", picture, samples.length / rate);
}

async function drawFile(file) {
  const { ALL_FORMATS, AudioSampleSink, BlobSource, Input } = await import(LIBRARY);
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  const track = await input.getPrimaryAudioTrack();
  if (!track || !(await track.canDecode())) throw new Error("the browser cannot decode the recording");
  const expectedS = (await track.getDurationFromMetadata?.()) ?? (await track.computeDuration());
  let picture = null;
  let mono = new Float32Array(0);
  let plane = new Float32Array(0);
  let sentMs = performance.now();
  for await (const sample of new AudioSampleSink(track).samples()) {
    picture ??= new SoundPicture(sample.sampleRate, expectedS);
    fillGap(picture, sample.timestamp);
    const length = sample.numberOfFrames;
    if (mono.length < length) [mono, plane] = [new Float32Array(length), new Float32Array(length)];
    mix(sample, mono, plane);
    picture.add(mono.subarray(0, length));
    sample.close();
    if (performance.now() - sentMs > SNAPSHOT_EVERY_MS) {
      send("progress", picture, expectedS);
      sentMs = performance.now();
    }
  }
  if (!picture) throw new Error("the recording has no sound");
  send("done", picture, picture.nSamples / picture.rate);
}

/** Adds silence where the recording has none, such as before a late first packet. */
function fillGap(picture, timestampS) {
  const missing = Math.round(timestampS * picture.rate) - picture.nSamples;
  if (missing > 1 && missing < LONGEST_GAP_S * picture.rate) picture.add(new Float32Array(missing));
}

function send(type, picture, expectedS) {
  const snapshot = picture.snapshot();
  const buffers = [snapshot.top.buffer, snapshot.bottom.buffer, snapshot.columns.buffer];
  self.postMessage({ type, picture: snapshot, expectedS }, buffers);
}
