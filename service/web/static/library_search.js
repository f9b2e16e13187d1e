/** The state of the library view: what is searched, the moments that were found, and what a person thinks of them. */

import { conditionOf, exampleOf, keyOf, newest } from "./moments.js";
import { Cancelled, Problem } from "./service_client.js";

const PAGE = 20;
const CURVE_S = 2;
const MAX_FACETS = 10;

/**
 * Events: `library`, `request` (what is searched), `results`, `facets`, `verdicts`, `busy` and `problem`; each says what changed.
 *
 * `topic` is the sound that is looked for: the last search in words. A verdict is about a moment and a topic, so that the
 * moments of one sound are no examples of another.
 */
export class LibrarySearch extends EventTarget {
  library = null;
  text = "";
  where = "";
  topic = "";
  isExact = false;
  likes = [];
  unlikes = [];
  chosen = new Map();
  moments = [];
  answer = null;
  facets = null;
  busy = null;
  problem = null;
  #client;
  #verdicts = new Map();
  #abort = null;
  #abortFacets = null;
  #wantsFacets = false;
  #again = () => {};

  constructor(client) {
    super();
    this.#client = client;
  }

  #changed(name) {
    this.dispatchEvent(new Event(name));
  }

  /** Asks what the library holds. */
  async open() {
    this.#again = () => this.open();
    try {
      this.library = await this.#client.library();
    } catch (error) {
      this.#fail(error);
      return false;
    }
    this.#report(null);
    this.#changed("library");
    return true;
  }

  /** Searches by words, and by the examples unless the words are others than before. */
  searchWords(text, where, isExact) {
    if (this.text && text !== this.text) [this.likes, this.unlikes] = [[], []];
    Object.assign(this, { text, where, isExact, topic: text || this.topic });
    return this.search();
  }

  /** Searches for moments that sound like one. */
  moreLike(moment) {
    Object.assign(this, { text: "", likes: [moment], unlikes: [] });
    return this.search();
  }

  /** Searches again, with the accepted and the rejected moments as examples. */
  refine() {
    const { likes, unlikes } = newest(this.#judged("accepted", this.topic), this.#judged("rejected", this.topic));
    Object.assign(this, { likes, unlikes });
    return this.search();
  }

  dropExamples() {
    Object.assign(this, { likes: [], unlikes: [] });
    return this.search();
  }

  /** Chooses a value of a column, or no longer. */
  choose(column, value, isChosen) {
    const values = this.chosen.get(column) ?? new Set();
    if (isChosen) values.add(value);
    else values.delete(value);
    if (values.size) this.chosen.set(column, values);
    else this.chosen.delete(column);
    return this.search();
  }

  get canSearch() {
    return this.text !== "" || this.likes.length > 0;
  }

  /** Searches from the beginning. */
  async search() {
    this.cancel();
    Object.assign(this, { moments: [], answer: null, facets: null });
    this.#changed("request");
    this.#changed("facets");
    this.#changed("results");
    this.#report(null);
    if (!this.canSearch) return;
    this.#again = () => this.search();
    if ((await this.#page({})) && this.#wantsFacets) this.loadFacets();
  }

  /** Appends the next moments. */
  more() {
    if (this.busy || !this.answer?.next_cursor) return;
    this.#again = () => this.more();
    return this.#page({ cursor: this.answer.next_cursor });
  }

  /** Does again what has failed. */
  retry() {
    this.#report(null);
    return this.#again();
  }

  cancel() {
    this.#abort?.abort();
    this.#abortFacets?.abort();
  }

  #request(members) {
    const where = conditionOf(this.where, this.chosen);
    const [like, unlike] = [this.likes.map(exampleOf), this.unlikes.map(exampleOf)];
    const words = this.text ? { query: this.text } : {};
    return { ...words, like, unlike, where, exact: this.isExact, ...members };
  }

  async #page(members) {
    const abort = new AbortController();
    this.#abort = abort;
    this.#setBusy({ phase: "search" });
    const onWait = (seconds) => this.#setBusy({ phase: "wait", seconds });
    try {
      const search = this.#request({ limit: PAGE, curve_s: CURVE_S, ...members });
      const answer = await this.#client.searchLibrary(search, { signal: abort.signal, onWait });
      if (abort.signal.aborted) return false;
      this.answer = answer;
      this.moments = [...this.moments, ...answer.moments];
      this.#changed("results");
      return true;
    } catch (error) {
      if (this.#abort === abort) this.#fail(error);
      return false;
    } finally {
      if (this.#abort === abort) this.#setBusy(null);
    }
  }

  /** Counts the best moments by recording and by the columns of metadata, now and after each search. */
  async loadFacets() {
    this.#wantsFacets = true;
    if (!this.canSearch || !this.library) return;
    this.#abortFacets?.abort();
    const abort = new AbortController();
    this.#abortFacets = abort;
    const facets = ["recording", ...Object.keys(this.library.columns)].slice(0, MAX_FACETS);
    try {
      const answer = await this.#client.searchLibrary(this.#request({ limit: 1, facets }), { signal: abort.signal });
      if (abort.signal.aborted) return;
      this.facets = answer.facets;
      this.#changed("facets");
    } catch (error) {
      if (!(error instanceof Cancelled) && !abort.signal.aborted) this.#fail(error);
    }
  }

  /** What a person thinks of a moment: "accepted", "rejected", or null. */
  verdictOf(moment) {
    return this.#verdicts.get(this.#verdictKey(moment))?.verdict ?? null;
  }

  /** Accepts or rejects a moment; the same verdict again takes it back. */
  judge(moment, verdict) {
    const key = this.#verdictKey(moment);
    const isSame = this.#verdicts.get(key)?.verdict === verdict;
    this.#verdicts.delete(key); // a new verdict is the newest
    if (!isSame) this.#verdicts.set(key, { moment, verdict, topic: this.topic });
    this.#changed("verdicts");
  }

  forgetVerdicts() {
    this.#verdicts.clear();
    this.#changed("verdicts");
  }

  #verdictKey(moment) {
    return JSON.stringify([this.topic, keyOf(moment)]);
  }

  #judged(verdict, topic) {
    const all = [...this.#verdicts.values()];
    return all.filter((each) => each.verdict === verdict && each.topic === topic).map((each) => each.moment);
  }

  /** The accepted moments of all searches, with the sound that was looked for as `label`. */
  get accepted() {
    const all = [...this.#verdicts.values()].filter((each) => each.verdict === "accepted");
    return all.map(({ moment, topic }) => ({ ...moment, label: topic }));
  }

  /** Numbers of moments that were accepted and rejected for the current topic. */
  get counts() {
    return { accepted: this.#judged("accepted", this.topic).length, rejected: this.#judged("rejected", this.topic).length };
  }

  #setBusy(busy) {
    this.busy = busy;
    this.#changed("busy");
  }

  #fail(error) {
    if (error instanceof Cancelled) this.#report(new Problem({ title: "The search was cancelled" }));
    else if (error instanceof Problem) this.#report(error);
    else {
      console.error(error);
      this.#report(new Problem({ title: "The page made a mistake", detail: String(error) }));
    }
  }

  #report(problem) {
    this.problem = problem;
    this.#changed("problem");
  }

  dismissProblem() {
    this.#report(null);
  }
}
