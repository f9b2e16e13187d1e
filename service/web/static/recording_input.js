/** How a recording comes in: dropped on the page, chosen, or the demo. */

import { byId } from "./dom.js";
import { DEMO_QUERIES } from "./examples.js";

const DEMO = "web/demo/scene.flac";
const DEMO_NAME = "Demo recording";

export class RecordingInput {
  #session;

  constructor(session) {
    this.#session = session;
    const chooser = byId("file");
    for (const button of document.querySelectorAll(".choose")) button.addEventListener("click", () => chooser.click());
    chooser.addEventListener("change", () => {
      if (chooser.files.length) this.#take(chooser.files);
      chooser.value = "";
    });
    byId("demo").addEventListener("click", () => this.#takeDemo());
    this.#acceptDrops();
  }

  #acceptDrops() {
    let depth = 0;
    const show = () => document.body.classList.toggle("dropping", depth > 0);
    const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
    window.addEventListener("dragenter", (event) => {
      if (!holdsFiles(event)) return;
      depth += 1;
      show();
    });
    window.addEventListener("dragleave", (event) => {
      if (!holdsFiles(event)) return;
      depth = Math.max(0, depth - 1);
      show();
    });
    window.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
    window.addEventListener("drop", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      depth = 0;
      show();
      this.#take(event.dataTransfer.files);
    });
  }

  #take(files) {
    const [file] = files;
    const { limits } = this.#session.info ?? {};
    if (!file) return;
    if (files.length > 1) {
      this.#session.reportProblem("One recording at a time", `${files.length} files came; please choose one of them.`);
    } else if (file.size === 0) {
      this.#session.reportProblem("This file is empty", `“${file.name}” has no content, or it is a folder.`);
    } else if (limits && file.size > limits.max_upload_bytes) {
      const accepted = `at most ${megabytes(limits.max_upload_bytes)} is accepted`;
      this.#session.reportProblem("This recording is too large", `“${file.name}” has ${megabytes(file.size)}; ${accepted}.`);
    } else this.#session.setRecording(file, file.name);
  }

  async #takeDemo() {
    byId("demo").disabled = true;
    try {
      const answer = await fetch(DEMO);
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const file = await answer.blob();
      if (this.#session.queries.length === 0) this.#session.addQueries(DEMO_QUERIES);
      this.#session.setRecording(new File([file], "demo.flac", { type: "audio/flac" }), DEMO_NAME);
    } catch (error) {
      this.#session.reportProblem("The demo recording cannot be loaded", String(error.message));
    } finally {
      byId("demo").disabled = false;
    }
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
