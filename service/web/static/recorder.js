/** Recording from the microphone, in a dialog with a live waveform, by the Record plugin of wavesurfer.js. */

import Record from "./vendor/wavesurfer-8.0.1/record.esm.js";
import WaveSurfer from "./vendor/wavesurfer-8.0.1/wavesurfer.esm.js";
import { byId, colour } from "./dom.js";
import { nonce } from "./nonce.js";
import { clock } from "./times.js";

const NAME = "Microphone recording";
const HEIGHT_PX = 88;
const WINDOW_S = 6;

export class Recorder {
  #session;
  #dialog = byId("record-dialog");
  #surfer = null;
  #plugin = null;
  #isWanted = false;

  constructor(session) {
    this.#session = session;
    byId("record").addEventListener("click", () => this.#start());
    byId("record-stop").addEventListener("click", () => this.#stop(true));
    this.#dialog.addEventListener("close", () => this.#stop(false));
  }

  async #start() {
    if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
      const detail = window.isSecureContext ? "This browser cannot record." : "Browsers allow it only on pages with HTTPS.";
      this.#session.reportProblem("The microphone cannot be used here", detail);
      return;
    }
    byId("record-time").textContent = clock(0, 1);
    this.#dialog.showModal();
    this.#surfer = WaveSurfer.create({
      container: byId("record-wave"),
      cspNonce: nonce,
      height: HEIGHT_PX,
      waveColor: colour("--accent"),
      cursorWidth: 0,
      interact: false,
    });
    const options = { renderRecordedAudio: false, scrollingWaveform: true, scrollingWaveformWindow: WINDOW_S };
    this.#plugin = this.#surfer.registerPlugin(Record.create(options));
    this.#plugin.on("record-progress", (milliseconds) => this.#progress(milliseconds / 1000));
    this.#plugin.on("record-end", (blob) => this.#end(blob));
    try {
      await this.#plugin.startRecording();
    } catch (error) {
      this.#dialog.close();
      const denied = error?.name === "NotAllowedError" || /permission|denied/i.test(error?.message ?? "");
      const detail = denied ? "Allow this page to use it in the settings of the browser." : "No microphone was found, or another program uses it.";
      this.#session.reportProblem("The microphone cannot be used", detail);
    }
  }

  #progress(seconds) {
    byId("record-time").textContent = clock(seconds, 1);
    const { max_clip_s: longest } = this.#session.info?.limits ?? {};
    if (longest && seconds >= longest - 1) this.#stop(true);
  }

  /** Ends the recording; it is used if `isWanted`. */
  #stop(isWanted) {
    if (!this.#plugin) return;
    this.#isWanted = isWanted;
    if (this.#plugin.isRecording()) this.#plugin.stopRecording();
    else this.#end(null);
  }

  async #end(blob) {
    const isWanted = this.#isWanted && blob?.size > 0;
    this.#isWanted = false;
    this.#plugin = null;
    this.#surfer?.destroy();
    this.#surfer = null;
    this.#dialog.close();
    if (isWanted) this.#session.setRecording(await seekable(blob), NAME);
  }
}

/** The same recording with its length and an index, which recorders of browsers leave out; unchanged if that fails. */
function seekable(blob) {
  const worker = new Worker(new URL("./remux_worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data ?? blob);
    worker.onerror = () => resolve(blob);
    worker.postMessage(blob);
  }).finally(() => worker.terminate());
}
