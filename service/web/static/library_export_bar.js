/** The buttons that save the accepted moments of the library. */

import { Zip, ZipPassThrough, strToU8 } from "./vendor/fflate-0.8.2/browser.js";
import { byId, element } from "./dom.js";
import { asLabelTracks, asMomentsCsv, asPackTable, packFiles } from "./library_exports.js";
import { counted } from "./moments.js";
import { save } from "./saving.js";
import { asWav } from "./wav.js";

export class LibraryExportBar {
  #search;
  #audio;
  #say;
  #isPacking = false;

  /**
   * @param {LibrarySearch} search
   * @param {LibraryAudio} audio
   * @param {(text: string) => void} say Says something to a screen reader.
   */
  constructor(search, audio, say) {
    this.#search = search;
    this.#audio = audio;
    this.#say = say;
    const button = (id, textContent, onclick) => element("button", { type: "button", className: "button small", id, textContent, onclick });
    byId("library-formats").replaceChildren(
      button("save-pack", "Data set pack (ZIP)", () => this.#savePack()),
      button("save-moments", "CSV", () => this.#saveCsv()),
      button("save-labels", "Audacity labels", () => this.#saveLabels()),
    );
    byId("forget-verdicts").addEventListener("click", () => search.forgetVerdicts());
    for (const event of ["verdicts", "library"]) search.addEventListener(event, () => this.#show());
  }

  #show() {
    const { accepted, library } = this.#search;
    byId("library-export").hidden = accepted.length === 0;
    byId("accepted-count").textContent = counted(accepted.length, "accepted moment");
    byId("save-pack").disabled = !library?.audio || this.#isPacking;
    byId("pack-note").textContent = library?.audio ? WITH_AUDIO : WITHOUT_AUDIO;
  }

  #note(text) {
    byId("pack-result").textContent = text;
    this.#say(text);
  }

  #saveCsv() {
    save(new Blob([asMomentsCsv(this.#search.accepted)], { type: "text/csv;charset=utf-8" }), "moments.csv");
    this.#note("moments.csv is saved.");
  }

  #saveLabels() {
    const tracks = asLabelTracks(this.#search.accepted);
    if (tracks.size === 1) {
      const [[name, text]] = tracks;
      save(new Blob([text], { type: "text/plain;charset=utf-8" }), name);
      this.#note(`${name} is saved.`);
      return;
    }
    const archive = new Archive();
    for (const [name, text] of tracks) archive.add(name, strToU8(text));
    save(archive.end(), "labels.zip");
    this.#note("labels.zip is saved: a label track for each recording.");
  }

  async #savePack() {
    this.#isPacking = true;
    this.#show();
    try {
      const files = packFiles(this.#search.accepted);
      const archive = new Archive();
      const packed = [];
      for (const [index, file] of files.entries()) {
        byId("pack-result").textContent = `Cutting moment ${index + 1} of ${files.length}…`;
        const stretch = await this.#audio.stretch(file.moment.recording.id, file.onsetS, file.offsetS);
        if (!stretch) continue;
        archive.add(file.path, asWav(stretch.samples, stretch.rate));
        packed.push({ ...file, durationS: stretch.samples.length / stretch.rate, rate: stretch.rate });
      }
      const left = files.length - packed.length;
      const why = `${counted(left, "moment")} left out, because this browser cannot read the recording`;
      if (packed.length === 0) {
        this.#note(`Nothing is saved: ${why}.`);
        return;
      }
      archive.add("clips.csv", strToU8(asPackTable(packed)));
      save(archive.end(), "pack.zip");
      this.#note(`pack.zip is saved with ${counted(packed.length, "moment")}${left ? `; ${why}` : ""}.`);
    } finally {
      this.#isPacking = false;
      this.#show();
    }
  }
}

const WITH_AUDIO =
  "The pack has the audio of each moment as a WAV file and a table clips.csv, as training reads it. All moments of a recording are in the same split; one recording in five is for validation. Of moments longer than 60 s, it has 60 s around the peak.";
const WITHOUT_AUDIO =
  "A data set pack needs the audio of the recordings, which the operator of this service does not allow (EARMARK_LIBRARY_AUDIO).";

/** A ZIP file without compression. */
class Archive {
  #chunks = [];
  #zip = new Zip((error, chunk) => {
    if (error) throw error;
    this.#chunks.push(chunk);
  });

  add(path, content) {
    const file = new ZipPassThrough(path);
    this.#zip.add(file);
    file.push(content, true);
  }

  end() {
    this.#zip.end();
    return new Blob(this.#chunks, { type: "application/zip" });
  }
}
