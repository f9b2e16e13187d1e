/** The sound of moments of the library: decoded stretches, and playback of one at a time. */

import { asWav } from "./wav.js";

const KEPT_STRETCHES = 60;
const LARGEST_FALLBACK_BYTES = 40e6;
const FALLBACK_RATE_HZ = 16_000;

/** Events: `playing` (another stretch, or none, is played) and `time` (the playhead). */
export class LibraryAudio extends EventTarget {
  /** The key of what is played, or null. */
  playing = null;
  #client;
  #worker = null;
  #waiting = new Map();
  #nRequests = 0;
  #last = Promise.resolve();
  #kept = new Map();
  #media = new Audio();
  #startS = 0;
  #url = null;

  constructor(client) {
    super();
    this.#client = client;
    this.#media.addEventListener("ended", () => this.stop());
    this.#media.addEventListener("error", () => this.playing && this.stop());
    this.#media.addEventListener("timeupdate", () => this.#emit("time"));
  }

  #emit(name) {
    this.dispatchEvent(new Event(name));
  }

  /**
   * The samples of a stretch of a recording, one request after the other.
   *
   * @param {() => boolean} isWanted Asked when the request's turn comes; a stretch that nobody wants any more is not fetched.
   * @returns {Promise<{samples: Float32Array, rate: number} | null>} Null if it cannot be fetched or decoded here, or is not wanted.
   */
  stretch(recordingId, onsetS, offsetS, isWanted = () => true) {
    const key = `${recordingId}@${onsetS}-${offsetS}`;
    const kept = this.#kept.get(key);
    if (kept) return Promise.resolve(kept);
    const turn = this.#last.then(async () => {
      if (!isWanted()) return null;
      const found = this.#kept.get(key) ?? (await this.#decode(recordingId, onsetS, offsetS));
      if (found) this.#kept.set(key, found);
      if (this.#kept.size > KEPT_STRETCHES) this.#kept.delete(this.#kept.keys().next().value);
      return found;
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #decode(recordingId, onsetS, offsetS) {
    const source = this.#client.audioOf(recordingId);
    const answer = await this.#ask({ ...source, onsetS, offsetS });
    return answer.samples ? answer : readWhole(source, onsetS, offsetS);
  }

  #ask(request) {
    this.#worker ??= this.#newWorker();
    this.#nRequests += 1;
    const number = this.#nRequests;
    this.#worker.postMessage({ number, ...request });
    return new Promise((resolve) => this.#waiting.set(number, resolve));
  }

  #newWorker() {
    const worker = new Worker(new URL("./library_audio_worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data: { number, ...answer } }) => {
      this.#waiting.get(number)?.(answer);
      this.#waiting.delete(number);
    };
    worker.onerror = () => {
      for (const resolve of this.#waiting.values()) resolve({});
      this.#waiting.clear();
      this.#worker = null;
    };
    return worker;
  }

  /** The time that is heard, in seconds from the start of the recording. */
  get timeS() {
    return this.#startS + this.#media.currentTime;
  }

  /** Plays samples that begin at `startS` of their recording. */
  play(key, { samples, rate }, startS) {
    this.stop();
    this.#url = URL.createObjectURL(new Blob([asWav(samples, rate)], { type: "audio/wav" }));
    this.#media.src = this.#url;
    this.#startS = startS;
    this.playing = key;
    this.#emit("playing");
    this.#media.play().catch(() => this.playing === key && this.stop());
  }

  stop() {
    this.#media.pause();
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
    this.playing = null;
    this.#emit("playing");
  }
}

/** Fetches and decodes a whole recording, for formats that Mediabunny does not know; null if that fails. */
async function readWhole({ url, headers }, onsetS, offsetS) {
  try {
    const answer = await fetch(url, { headers });
    if (!answer.ok || Number(answer.headers.get("Content-Length")) > LARGEST_FALLBACK_BYTES) {
      await answer.body?.cancel();
      return null;
    }
    const decoded = await new OfflineAudioContext(1, 1, FALLBACK_RATE_HZ).decodeAudioData(await answer.arrayBuffer());
    const [first, end] = [onsetS, offsetS].map((seconds) => Math.round(seconds * FALLBACK_RATE_HZ));
    const samples = new Float32Array(Math.max(1, end - first));
    for (let channel = 0; channel < decoded.numberOfChannels; channel += 1) {
      const part = decoded.getChannelData(channel).subarray(first, end);
      for (let i = 0; i < part.length; i += 1) samples[i] += part[i] / decoded.numberOfChannels;
    }
    return { samples, rate: FALLBACK_RATE_HZ };
  } catch {
    return null;
  }
}
