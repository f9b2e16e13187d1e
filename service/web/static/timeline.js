/** The rows under the waveform: times, spectrogram, a lane for each query, and the playhead across all of them. */

import { byId, colour, perFrame } from "./dom.js";
import { LanePointer } from "./lane_pointer.js";
import { Lanes } from "./lanes.js";
import { drawAxis, drawSpectrogram, loudestOf, rampBetween } from "./track_view.js";

const WHEEL_ZOOM = 0.0022;
const LINE_PX = 16;

export class Timeline {
  #session;
  #player;
  #rows = byId("rows");
  #playhead = byId("playhead");
  #axis = byId("axis");
  #spectrogram = byId("spectrogram");
  #picture = null;
  #ramp = null;
  #lanes;
  #draw = perFrame(() => this.#drawNow());

  constructor(session, player) {
    this.#session = session;
    this.#player = player;
    this.#lanes = new Lanes(byId("lanes"), session);
    new LanePointer(byId("lanes"), session, player, this.#lanes);
    for (const event of ["queries", "segments", "selection", "settings"]) session.addEventListener(event, this.#draw);
    player.addEventListener("view", this.#draw);
    player.addEventListener("time", () => this.#placePlayhead());
    new ResizeObserver(this.#draw).observe(this.#rows);
    this.#rows.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    for (const canvas of [this.#axis, this.#spectrogram]) {
      canvas.addEventListener("click", (event) => player.seek(this.timeAt(event.clientX)));
    }
    this.recolour();
  }

  /** Shows another picture of the sound, or none. */
  setPicture(picture) {
    this.#picture = picture && { ...picture, loudest: loudestOf(picture.columns) };
    this.#draw();
  }

  /** Takes the colours of the theme again. */
  recolour() {
    const stops = ["--spectrum-0", "--spectrum-1", "--spectrum-2"].map((name) => rgb(colour(name)));
    this.#ramp = rampBetween(stops);
    this.#lanes.recolour();
    this.#draw();
  }

  /** The time under a pointer. */
  timeAt(clientX) {
    const { startS, pxPerS } = this.#player.view;
    const { left } = this.#axis.getBoundingClientRect();
    return pxPerS ? startS + (clientX - left) / pxPerS : 0;
  }

  #wheel(event) {
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1;
    const sideways = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.#player.zoom(Math.exp(-event.deltaY * unit * WHEEL_ZOOM), this.timeAt(event.clientX));
    } else if (this.#player.isZoomed && Math.abs(sideways) > (event.shiftKey ? 0 : Math.abs(event.deltaY))) {
      event.preventDefault();
      const { startS, pxPerS } = this.#player.view;
      this.#player.scrollTo(startS + (sideways * unit) / pxPerS);
    }
  }

  #drawNow() {
    const { view } = this.#player;
    byId("timeline").classList.toggle("zoomed", this.#player.isZoomed);
    drawAxis(this.#axis, view, { quiet: colour("--quiet"), font: "system-ui, sans-serif" });
    drawSpectrogram(this.#spectrogram, view, this.#picture, this.#ramp);
    this.#lanes.draw(view);
    this.#placePlayhead();
  }

  #placePlayhead() {
    const { startS, endS, pxPerS } = this.#player.view;
    const { timeS } = this.#player;
    const isVisible = pxPerS > 0 && timeS >= startS && timeS <= endS + 1 / pxPerS;
    this.#playhead.hidden = !isVisible;
    if (isVisible) this.#playhead.style.transform = `translateX(${(timeS - startS) * pxPerS}px)`;
  }
}

/** Red, green and blue of a colour such as #0c7a6b. */
function rgb(hex) {
  return [1, 3, 5].map((begin) => Number.parseInt(hex.slice(begin, begin + 2), 16));
}
