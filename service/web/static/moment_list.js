/** The moments of a search of the library as rows: hear, accept, reject, and look for others like them. */

import { byId, colour, element, icon, perFrame } from "./dom.js";
import { drawMoment, viewOf } from "./moment_view.js";
import { keyOf, nameOf, placeOf, stretchOf, timesOf } from "./moments.js";

const UNHEARD = "This recording cannot be played: this browser cannot read it, or its file is missing.";

export class MomentList {
  #search;
  #audio;
  #thresholdOf;
  #body = byId("moments");
  #rows = [];
  #visible = new IntersectionObserver((entries) => this.#see(entries), { rootMargin: "200px" });
  #draw = perFrame(() => this.#rows.forEach((row) => this.#drawRow(row)));
  #colours = null;

  /**
   * @param {LibrarySearch} search
   * @param {LibraryAudio} audio
   * @param {() => number} thresholdOf The threshold of the model.
   */
  constructor(search, audio, thresholdOf) {
    this.#search = search;
    this.#audio = audio;
    this.#thresholdOf = thresholdOf;
    search.addEventListener("results", () => this.#show());
    search.addEventListener("verdicts", () => this.#describe());
    audio.addEventListener("playing", () => this.#describe());
    audio.addEventListener("time", this.#draw);
    new ResizeObserver(this.#draw).observe(this.#body);
    this.recolour();
  }

  /** Takes the colours of the theme again. */
  recolour() {
    this.#colours = { accent: colour("--accent"), wave: colour("--wave"), quiet: colour("--quiet"), ink: colour("--ink") };
    this.#draw();
  }

  /** Keeps the rows of moments that are still there, so that the focus stays where it is when more moments come. */
  #show() {
    const { moments } = this.#search;
    let same = 0;
    while (same < this.#rows.length && this.#rows[same].moment === moments[same]) same += 1;
    for (const row of this.#rows.splice(same)) {
      this.#visible.unobserve(row.item);
      row.item.remove();
    }
    if (this.#audio.playing && same === 0) this.#audio.stop();
    for (const moment of moments.slice(same)) this.#rows.push(this.#row(moment, this.#rows.length));
    this.#body.append(...this.#rows.slice(same).map((row) => row.item));
    this.#rows.slice(same).forEach((row) => this.#visible.observe(row.item));
    this.#describe();
  }

  #row(moment, index) {
    const place = placeOf(moment);
    const row = { moment, key: keyOf(moment), sound: null, isUnheard: false };
    row.play = button("moment-play", "Play", () => this.hear(row));
    row.play.append(icon("play"));
    row.canvas = element("canvas", { className: "moment-canvas", onclick: () => this.hear(row), attributes: { "aria-hidden": "true" } });
    row.accept = button("button small", "Accept", () => this.#search.judge(moment, "accepted"), "Accept");
    row.reject = button("button small", "Reject", () => this.#search.judge(moment, "rejected"), "Reject");
    const like = button("text-button", "", () => this.#search.moreLike(moment), "More like this");
    row.note = element("p", { className: "fine moment-note", hidden: true, textContent: UNHEARD });
    for (const [control, verb] of [[row.accept, "Accept"], [row.reject, "Reject"], [like, "More like this"]]) {
      control.setAttribute("aria-label", `${verb}: moment ${index + 1}, ${place}`);
    }
    row.label = `moment ${index + 1}, ${place}, score ${moment.score.toFixed(2)}`;
    const metadata = Object.entries(moment.recording.metadata).filter(([, value]) => value !== null);
    const head = element(
      "div",
      { className: "moment-head" },
      element("strong", { className: "moment-name", textContent: nameOf(moment.recording), title: moment.recording.id }),
      element("span", { className: "moment-times", textContent: timesOf(moment) }),
      element("span", { className: "fine moment-data", textContent: metadata.map(([name, value]) => `${name} ${value}`).join(", ") }),
    );
    const score = element("span", { className: "moment-score", title: "Score", textContent: moment.score.toFixed(2) });
    const actions = element("div", { className: "moment-actions" }, row.accept, row.reject, like);
    row.item = element("li", { className: "moment" }, row.play, head, score, row.canvas, actions, row.note);
    return row;
  }

  #describe() {
    for (const row of this.#rows) {
      const verdict = this.#search.verdictOf(row.moment);
      const isPlaying = this.#audio.playing === row.key;
      row.item.dataset.verdict = verdict ?? "";
      row.accept.setAttribute("aria-pressed", String(verdict === "accepted"));
      row.reject.setAttribute("aria-pressed", String(verdict === "rejected"));
      row.play.hidden = !this.#search.library?.audio;
      row.play.disabled = row.isUnheard;
      row.play.setAttribute("aria-label", `${isPlaying ? "Stop" : "Play"} ${row.label}`);
      row.play.querySelector("use").setAttribute("href", isPlaying ? "#icon-pause" : "#icon-play");
      row.item.classList.toggle("playing", isPlaying);
      row.note.hidden = !row.isUnheard;
    }
    this.#draw();
  }

  #drawRow({ moment, key, canvas, sound }) {
    if (!moment.curve) return;
    const timeS = this.#audio.playing === key ? this.#audio.timeS : null;
    drawMoment(canvas, moment, sound, { threshold: this.#thresholdOf(), timeS }, this.#colours);
  }

  /** Fetches the waveforms of the rows that come into sight. */
  #see(entries) {
    for (const { isIntersecting, target } of entries) {
      const row = this.#rows.find((each) => each.item === target);
      if (!row || !isIntersecting) continue;
      this.#visible.unobserve(target);
      if (this.#search.library?.audio && row.moment.curve) this.#load(row);
    }
  }

  async #load(row) {
    const { startS, endS } = viewOf(row.moment);
    row.sound ??= await this.#audio.stretch(row.moment.recording.id, startS, endS, () => this.#rows.includes(row));
    row.isUnheard = !row.sound && this.#rows.includes(row);
    this.#describe();
  }

  /** Plays a moment, or stops it if it is played. */
  async hear(row) {
    if (!this.#search.library?.audio) return;
    if (this.#audio.playing === row.key) {
      this.#audio.stop();
      return;
    }
    const { onsetS, offsetS } = stretchOf(row.moment);
    const sound = await this.#audio.stretch(row.moment.recording.id, onsetS, offsetS);
    row.isUnheard = !sound;
    if (sound) this.#audio.play(row.key, sound, onsetS);
    this.#describe();
  }
}

function button(className, label, onclick, textContent = "") {
  return element("button", { type: "button", className, onclick, textContent, attributes: label ? { "aria-label": label } : {} });
}
