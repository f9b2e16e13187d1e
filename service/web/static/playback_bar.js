/** The buttons above the waveform: play, zoom, and whether the spectrogram is shown. */

import { byId } from "./dom.js";
import { clock } from "./times.js";

const ZOOM_STEP = 1.6;

export class PlaybackBar {
  #player;

  constructor(player) {
    this.#player = player;
    byId("play").addEventListener("click", () => player.toggle());
    byId("zoom-in").addEventListener("click", () => player.zoom(ZOOM_STEP));
    byId("zoom-out").addEventListener("click", () => player.zoom(1 / ZOOM_STEP));
    byId("zoom-fit").addEventListener("click", () => player.fit());
    const spectrogram = byId("show-spectrogram");
    spectrogram.addEventListener("click", () => {
      const isShown = spectrogram.getAttribute("aria-pressed") !== "true";
      spectrogram.setAttribute("aria-pressed", String(isShown));
      byId("spectrogram-row").hidden = !isShown;
    });
    player.addEventListener("playing", () => this.#show());
    player.addEventListener("time", () => this.#showTime());
    player.addEventListener("view", () => this.#show());
  }

  #show() {
    const { isPlaying, isPlayable, isOpen } = this.#player;
    const play = byId("play");
    play.disabled = !isPlayable || !isOpen;
    play.classList.toggle("playing", isPlaying);
    play.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    byId("unplayable").hidden = isPlayable;
    byId("zoom-fit").disabled = byId("zoom-out").disabled = !this.#player.isZoomed;
    this.#showTime();
  }

  #showTime() {
    byId("time").textContent = clock(this.#player.timeS, 1);
    byId("duration").textContent = clock(this.#player.durationS, 1);
  }
}
