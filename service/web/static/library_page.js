/** Builds the library view, and switches between it and the view of one recording. */

import { byId } from "./dom.js";
import { LibraryAudio } from "./library_audio.js";
import { LibraryExportBar } from "./library_export_bar.js";
import { LibraryFilters } from "./library_filters.js";
import { LibrarySearch } from "./library_search.js";
import { LibraryView } from "./library_view.js";
import { readLibraryLink, writeLibraryLink } from "./link.js";
import { MomentList } from "./moment_list.js";

/** Events: `view` (the other view is shown, or its link has changed). */
export class LibraryPage extends EventTarget {
  #session;
  #search;
  #audio;
  #list;
  #onLeave;

  /**
   * @param {Session} session
   * @param {ServiceClient} client
   * @param {(text: string) => void} say Says something to a screen reader.
   * @param {() => void} onLeave Called when the recording is left for the library.
   */
  constructor(session, client, say, onLeave) {
    super();
    this.#session = session;
    this.#onLeave = onLeave;
    this.#search = new LibrarySearch(client);
    this.#audio = new LibraryAudio(client);
    this.#list = new MomentList(this.#search, this.#audio, () => session.info.defaults.threshold);
    new LibraryView(this.#search, say);
    new LibraryFilters(this.#search);
    new LibraryExportBar(this.#search, this.#audio, say);
    byId("view-library").addEventListener("click", () => this.#show(true));
    byId("view-recording").addEventListener("click", () => this.#show(false));
    this.#search.addEventListener("request", () => this.dispatchEvent(new Event("view")));
    session.addEventListener("info", () => this.#begin());
  }

  get isShown() {
    return document.body.classList.contains("library-view");
  }

  /** The link of the search. */
  get link() {
    return writeLibraryLink(this.#search.text, this.#search.where);
  }

  recolour() {
    this.#list.recolour();
  }

  /** Offers the library if the service has one, and opens it if the link names it. */
  async #begin() {
    byId("views").hidden = !this.#session.info.library;
    if (!this.#session.info.library) return;
    byId("library-query").maxLength = this.#session.info.limits.max_query_chars;
    const wanted = readLibraryLink(location.hash);
    if (!wanted) return;
    await this.#show(true);
    if (wanted.text) this.#search.searchWords(wanted.text, wanted.where, false);
  }

  async #show(isLibrary) {
    document.body.classList.toggle("library-view", isLibrary);
    byId("library").hidden = !isLibrary;
    byId("view-library").setAttribute("aria-pressed", String(isLibrary));
    byId("view-recording").setAttribute("aria-pressed", String(!isLibrary));
    document.querySelector(".skip").href = isLibrary ? "#library-query" : "#query";
    this.dispatchEvent(new Event("view"));
    if (!isLibrary) {
      this.#audio.stop();
      return;
    }
    this.#onLeave();
    byId("library-query").focus();
    if (!this.#search.library) await this.#search.open();
  }
}
