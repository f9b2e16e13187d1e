/** The buttons that save the results, and the one that copies a link. */

import { byId, element } from "./dom.js";
import { asAudacity, asCsv, asDcase, asJams, asJson, asNdjson, asRaven, asSrt, asWebVtt } from "./exports.js";
import { asSvg } from "./picture.js";
import { reportOf } from "./report.js";
import { save } from "./saving.js";

const PNG_SCALE = 2;
const FORMATS = [
  ["CSV", "csv", "text/csv", asCsv],
  ["JSON", "json", "application/json", asJson],
  ["NDJSON", "ndjson", "application/x-ndjson", asNdjson],
  ["Audacity labels", "labels.txt", "text/plain", asAudacity],
  ["Raven table", "selections.txt", "text/plain", asRaven],
  ["WebVTT", "vtt", "text/vtt", asWebVtt],
  ["SubRip", "srt", "application/x-subrip", asSrt],
  ["DCASE table", "tsv", "text/tab-separated-values", asDcase],
  ["JAMS", "jams", "application/vnd.jams+json", asJams],
];

export class ExportBar {
  #session;
  #view;
  #sound;
  #say;

  /**
   * @param {Session} session
   * @param {() => object} view The visible stretch.
   * @param {() => object | null} sound The picture of the sound.
   * @param {(text: string) => void} say Says something to a screen reader.
   */
  constructor(session, view, sound, say) {
    this.#session = session;
    this.#view = view;
    this.#sound = sound;
    this.#say = say;
    const button = (label, onclick) => element("button", { type: "button", className: "button small", textContent: label, onclick });
    byId("formats").replaceChildren(
      ...FORMATS.map(([label, suffix, type, write]) =>
        button(label, () => this.#save(new Blob([write(reportOf(session))], { type: `${type};charset=utf-8` }), suffix)),
      ),
      button("Picture (SVG)", () => this.#save(new Blob([this.#svg()], { type: "image/svg+xml" }), "svg")),
      button("Picture (PNG)", () => this.#savePng()),
    );
    byId("copy-link").addEventListener("click", () => this.#copyLink());
    for (const event of ["queries", "segments"]) session.addEventListener(event, () => this.#show());
  }

  #show() {
    byId("export-panel").hidden = !this.#session.queries.some((query) => query.state === "done");
  }

  #svg() {
    return asSvg(reportOf(this.#session), this.#view(), this.#sound());
  }

  #save(blob, suffix) {
    const stem = this.#session.recording.name.replace(/\.[^.\s]{1,5}$/, "") || "recording";
    save(blob, `${stem}.${suffix}`);
    this.#say(`${stem}.${suffix} is saved`);
  }

  async #savePng() {
    const url = URL.createObjectURL(new Blob([this.#svg()], { type: "image/svg+xml" }));
    try {
      const image = new Image();
      image.src = url;
      await image.decode();
      const canvas = element("canvas", { width: image.naturalWidth * PNG_SCALE, height: image.naturalHeight * PNG_SCALE });
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      this.#save(await new Promise((resolve) => canvas.toBlob(resolve, "image/png")), "png");
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  async #copyLink() {
    const button = byId("copy-link");
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Link copied";
    } catch {
      button.textContent = "The link is in the address bar"; // without HTTPS, pages cannot use the clipboard
    }
    this.#say(button.textContent);
    setTimeout(() => {
      button.textContent = "Copy link";
    }, 4000);
  }
}
