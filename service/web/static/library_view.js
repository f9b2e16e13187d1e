/** The library view around its rows: the search form, what was searched, problems, and how verdicts refine a search. */

import { byId } from "./dom.js";
import { counted, placeOf } from "./moments.js";

export class LibraryView {
  #search;
  #say;

  /** @param {LibrarySearch} search @param {(text: string) => void} say Says something to a screen reader. */
  constructor(search, say) {
    this.#search = search;
    this.#say = say;
    byId("library-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const [text, where] = ["library-query", "library-where"].map((id) => byId(id).value.trim());
      search.searchWords(text, where, byId("library-exact").checked);
    });
    byId("library-cancel").addEventListener("click", () => search.cancel());
    byId("library-retry").addEventListener("click", () => search.retry());
    byId("library-problem-close").addEventListener("click", () => search.dismissProblem());
    byId("more-moments").addEventListener("click", () => search.more());
    byId("refine").addEventListener("click", () => search.refine());
    byId("drop-examples").addEventListener("click", () => search.dropExamples());
    search.addEventListener("library", () => this.#showLibrary());
    search.addEventListener("request", () => this.#showRequest());
    search.addEventListener("busy", () => this.#showBusy());
    search.addEventListener("problem", () => this.#showProblem());
    for (const event of ["results", "verdicts", "busy"]) search.addEventListener(event, () => this.#showResults());
    search.addEventListener("results", () => this.#sayResults());
  }

  #showLibrary() {
    const { library } = this.#search;
    byId("library-size").textContent = `${hours(library.duration_s)} of sound in ${counted(library.n_recordings, "recording")}.`;
    byId("library-empty").hidden = library.n_recordings > 0;
    byId("library-silent").hidden = library.audio;
    const columns = ["duration_s", "path", "id", ...Object.keys(library.columns)];
    byId("library-columns").textContent = `Columns: ${columns.join(", ")}.`;
  }

  #showRequest() {
    const { text, where, likes, unlikes } = this.#search;
    byId("library-query").value = text;
    byId("library-where").value = where;
    byId("library-examples").hidden = likes.length === 0;
    if (likes.length === 0) return;
    const [first] = likes;
    const like = likes.length === 1 ? `like ${placeOf(first)}` : `like ${counted(likes.length, "accepted moment")}`;
    const unlike = unlikes.length ? `, unlike ${counted(unlikes.length, "rejected moment")}` : "";
    byId("library-examples-text").textContent = `Moments ${like}${unlike}`;
  }

  #showBusy() {
    const { busy } = this.#search;
    byId("library-busy").hidden = !busy;
    if (busy) byId("library-busy-text").textContent = busy.phase === "wait" ? `The service is busy. Trying again in ${Math.ceil(busy.seconds)} s` : "Searching…";
  }

  #showProblem() {
    const { problem } = this.#search;
    byId("library-problem").hidden = !problem;
    byId("library-problem-title").textContent = problem?.title ?? "";
    byId("library-problem-detail").textContent = problem?.detail ?? "";
  }

  #showResults() {
    const { answer, moments, counts, busy } = this.#search;
    byId("library-summary").textContent = answer ? summary(answer, moments.length) : "";
    byId("library-found").hidden = !answer;
    byId("more-moments").hidden = !answer?.next_cursor;
    byId("more-moments").disabled = Boolean(busy);
    const warnings = (answer?.warnings ?? []).flat().map((warning) => warning.message);
    byId("library-warning").textContent = warnings.join(" ");
    byId("library-warning").hidden = warnings.length === 0;
    const judged = counts.accepted + counts.rejected > 0;
    byId("refine-bar").hidden = !judged;
    byId("refine").disabled = counts.accepted === 0;
    const numbers = `${counts.accepted} accepted, ${counts.rejected} rejected.`;
    byId("refine-text").textContent = counts.accepted ? numbers : `${numbers} Accept a moment to refine the search.`;
  }

  #sayResults() {
    const { answer, moments } = this.#search;
    if (answer) this.#say(summary(answer, moments.length));
  }
}

function summary({ searched_s: searched, n_recordings: nRecordings, exact, next_cursor: next }, nMoments) {
  const where = `in ${counted(nRecordings, "recording")} of ${hours(searched)}`;
  const how = exact ? "Everything was read." : "Found through the index, which may miss some.";
  if (nMoments === 0) return `Not heard ${where}. ${how}`;
  return `${next ? "The best " : ""}${counted(nMoments, "moment")} ${where}. ${how}`;
}

function hours(seconds) {
  if (seconds < 60) return counted(Math.round(seconds), "second");
  if (seconds < 7200) return counted(Math.round(seconds / 60), "minute");
  return counted(Math.round(seconds / 360) / 10, "hour");
}
