/** The waveform and the playback, by wavesurfer.js; it also holds the visible stretch, which the other rows follow. */

import WaveSurfer from "./vendor/wavesurfer-8.0.1/wavesurfer.esm.js";
import Minimap from "./vendor/wavesurfer-8.0.1/minimap.esm.js";
import { colour } from "./dom.js";
import { nonce } from "./nonce.js";

const MAX_PX_PER_S = 800;
const HEIGHT_PX = 96;
const MINIMAP_HEIGHT_PX = 28;

/** Events: `view` (zoom, scroll or size), `time` (the playhead), `playing` (started or stopped). */
export class Player extends EventTarget {
  durationS = 0;
  isPlayable = true;
  #container;
  #minimapContainer;
  #surfer = null;
  #media = null;
  #url = null;
  #picture = null;
  #stopAtS = null;

  constructor(container, minimapContainer) {
    super();
    this.#container = container;
    this.#minimapContainer = minimapContainer;
  }

  /** Opens a recording; the waveform is drawn when `show` gives its picture. */
  open(file) {
    this.close();
    this.isPlayable = true;
    this.#url = URL.createObjectURL(file);
    this.#media = new Audio(this.#url);
    this.#media.preload = "auto";
    this.#media.addEventListener("error", () => {
      this.isPlayable = false;
      this.#emit("playing");
    });
  }

  close() {
    this.#surfer?.destroy();
    this.#surfer = null;
    this.#media?.pause();
    this.#media?.removeAttribute("src");
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#picture = null;
    this.#stopAtS = null;
    this.durationS = 0;
  }

  /** Draws a picture of the recording, or a flat line if there is none, on an axis of `durationS` seconds. */
  show(picture, durationS) {
    this.#picture = picture ?? this.#picture;
    this.durationS = durationS;
    const peaks = this.#peaks();
    if (this.#surfer) {
      this.#surfer.load(this.#url, peaks, durationS).catch(() => {});
    } else {
      this.#create(peaks, durationS);
    }
  }

  #peaks() {
    if (!this.#picture) return [new Float32Array(2), new Float32Array(2)];
    const { top, bottom, peaksPerS } = this.#picture;
    const length = Math.max(2, Math.round(this.durationS * peaksPerS));
    return [top, bottom].map((values) => {
      const fittedValues = new Float32Array(length);
      fittedValues.set(values.subarray(0, length));
      return fittedValues;
    });
  }

  #create(peaks, duration) {
    const options = { cspNonce: nonce, cursorWidth: 0, normalize: true, hideScrollbar: true, ...colours() };
    const minimap = Minimap.create({
      ...options,
      container: this.#minimapContainer,
      height: MINIMAP_HEIGHT_PX,
      overlayColor: colour("--overlay"),
    });
    this.#surfer = WaveSurfer.create({
      ...options,
      container: this.#container,
      media: this.#media,
      height: HEIGHT_PX,
      peaks,
      duration,
      dragToSeek: false,
      plugins: [minimap],
    });
    const view = () => this.#emit("view");
    for (const event of ["scroll", "zoom", "redraw", "resize", "ready"]) this.#surfer.on(event, view);
    this.#surfer.on("timeupdate", (timeS) => this.#pass(timeS));
    this.#surfer.on("seeking", () => this.#emit("time"));
    this.#surfer.on("interaction", () => {
      this.#stopAtS = null;
    });
    for (const event of ["play", "pause", "finish"]) this.#surfer.on(event, () => this.#emit("playing"));
    this.#surfer.on("error", () => this.#emit("playing"));
  }

  /** Stops at the end of a part; wavesurfer.js would forget the end when the waveform is loaded anew. */
  #pass(timeS) {
    if (this.#stopAtS !== null && timeS >= this.#stopAtS) {
      this.#stopAtS = null;
      this.#surfer.pause();
    }
    this.#emit("time");
  }

  #emit(name) {
    this.dispatchEvent(new Event(name));
  }

  /** Takes the colours of the theme again. */
  recolour() {
    this.#surfer?.setOptions(colours());
    if (this.#surfer) this.show(null, this.durationS); // the minimap is drawn anew with the waveform
  }

  get isOpen() {
    return this.#surfer !== null;
  }

  get timeS() {
    return this.#surfer?.getCurrentTime() ?? 0;
  }

  get isPlaying() {
    return this.#surfer?.isPlaying() ?? false;
  }

  /** The visible stretch. */
  get view() {
    const width = this.#surfer?.getWidth() ?? 0;
    const whole = this.#surfer?.getWrapper().clientWidth ?? 0;
    if (!this.durationS || !width || !whole) return { startS: 0, endS: this.durationS, pxPerS: 0, width };
    const pxPerS = Math.max(whole, width) / this.durationS;
    const startS = this.#surfer.getScroll() / pxPerS;
    return { startS, endS: startS + width / pxPerS, pxPerS, width };
  }

  get isZoomed() {
    const { startS, endS } = this.view;
    return endS - startS < this.durationS * 0.999;
  }

  /** Multiplies the zoom by a factor; the time `anchorS` stays where it is on the screen. */
  zoom(factor, anchorS = null) {
    const { startS, endS, pxPerS, width } = this.view;
    if (!pxPerS) return;
    const anchor = anchorS ?? (this.timeS >= startS && this.timeS <= endS ? this.timeS : (startS + endS) / 2);
    const fitting = width / this.durationS;
    const target = Math.min(Math.max(pxPerS * factor, fitting), Math.max(MAX_PX_PER_S, fitting));
    this.#surfer.zoom(target <= fitting * 1.001 ? 0 : target);
    this.scrollTo(anchor - ((anchor - startS) * pxPerS) / target);
  }

  /** Shows the whole recording. */
  fit() {
    this.#surfer?.zoom(0);
    this.#emit("view");
  }

  scrollTo(startS) {
    const { pxPerS } = this.view;
    if (!pxPerS) return;
    this.#surfer.setScroll(Math.max(0, startS * pxPerS));
    this.#emit("view");
  }

  /** Scrolls so that a stretch is visible, if it is not. */
  reveal(onsetS, offsetS) {
    const { startS, endS } = this.view;
    const lengthS = endS - startS;
    if (onsetS < startS || (offsetS > endS && offsetS - onsetS < lengthS)) {
      this.scrollTo((onsetS + Math.min(offsetS, onsetS + lengthS)) / 2 - lengthS / 2);
    }
  }

  seek(timeS) {
    this.#stopAtS = null;
    this.#surfer?.setTime(Math.min(Math.max(timeS, 0), this.durationS));
  }

  toggle() {
    this.#stopAtS = null;
    return this.#surfer?.playPause().catch(() => this.#emit("playing"));
  }

  pause() {
    this.#surfer?.pause();
  }

  /** Plays one stretch and stops at its end. */
  playPart(onsetS, offsetS) {
    if (!this.#surfer) return;
    this.seek(onsetS);
    this.#stopAtS = offsetS;
    this.#surfer.play().catch(() => this.#emit("playing"));
  }
}

function colours() {
  return { waveColor: colour("--wave"), progressColor: colour("--wave-played") };
}
