/** The state of the page: the recording, the queries with their curves and segments, and the settings. */

import { Cancelled, Problem } from "./service_client.js";
import { Segmenter } from "./segmenter.js";
import { isPresent, withThreshold } from "./segments.js";
import { moved, without } from "./edits.js";

const N_COLOURS = 8;
const QUERIES_PER_REQUEST = 8;
const NO_CLIP = "clip-not-found";
/** Type of the message after a cancelled search, which is no fault. */
export const CANCELLED = "cancelled";

/**
 * Events: `info`, `recording`, `queries`, `segments`, `settings`, `selection`, `busy` and `problem`; each says what changed.
 *
 * A query is `{text, colour, state, warnings, extended, computed, edited}`: `computed` are the segments under the settings,
 * `edited` are those that a person has corrected, which the settings no longer change.
 */
export class Session extends EventTarget {
  info = null;
  recording = null;
  queries = [];
  settings = null;
  selected = null;
  busy = null;
  problem = null;
  #client;
  #abort = null;
  #history = [];
  #groupSize = QUERIES_PER_REQUEST;
  #segmenter = new Segmenter((results, settings) => this.#takeSegments(results, settings));

  constructor(client) {
    super();
    this.#client = client;
  }

  #changed(name) {
    this.dispatchEvent(new Event(name));
  }

  async loadInfo(wantedSettings) {
    try {
      this.info = await this.#client.info();
    } catch (error) {
      this.#fail(error);
      return;
    }
    const { sample_rate_hz: sampleRate, hop_s: hopS } = this.info.model;
    this.grid = { sampleRate, hopSamples: Math.round(hopS * sampleRate) };
    this.settings = this.#settingsFrom(wantedSettings);
    this.#changed("info");
    this.#changed("settings");
    this.search();
  }

  /** The defaults of the model. */
  get defaults() {
    const { curves: _curves, curve_format: _format, ...numbers } = this.info.defaults;
    return numbers;
  }

  #settingsFrom(wanted) {
    const { threshold, ...others } = wanted;
    const settings = { ...this.defaults, ...others };
    return threshold === undefined ? settings : withThreshold(settings, threshold, this.defaults);
  }

  setRecording(file, name) {
    this.cancel();
    this.recording = { file, name, clip: null, clipId: null, durationS: null, warnings: [] };
    this.selected = null;
    this.#history = [];
    this.#segmenter.clear();
    for (const query of this.queries) Object.assign(query, fresh());
    this.report(null);
    this.#changed("recording");
    this.#changed("queries");
    this.search();
  }

  /** Adds queries that are new; returns how many. */
  addQueries(texts) {
    let added = 0;
    for (const text of texts.map((each) => each.trim().replace(/\s+/g, " "))) {
      if (!text || this.queries.some((query) => query.text === text)) continue;
      this.queries.push({ text, colour: this.#freeColour(), ...fresh() });
      added += 1;
    }
    if (added) {
      this.report(null);
      this.#changed("queries");
      this.search();
    }
    return added;
  }

  #freeColour() {
    const uses = new Array(N_COLOURS).fill(0);
    for (const query of this.queries) uses[query.colour] += 1;
    return uses.indexOf(Math.min(...uses));
  }

  removeQuery(query) {
    this.queries = this.queries.filter((each) => each !== query);
    this.#segmenter.remove(query.text);
    if (this.selected?.query === query) this.select(null);
    this.#history = this.#history.filter((each) => each.query !== query);
    this.#changed("queries");
  }

  cancel() {
    this.#abort?.abort();
  }

  /** Searches for the queries that have no curve yet; a request at a time. */
  async search() {
    if (this.busy || !this.recording || !this.info) return;
    const size = Math.min(this.#groupSize, this.info.limits.max_queries);
    const waiting = this.queries.filter((query) => query.state === "waiting").slice(0, size);
    if (waiting.length === 0) {
      this.#groupSize = QUERIES_PER_REQUEST;
      return;
    }
    this.#abort = new AbortController();
    const { recording } = this;
    this.#setBusy({ phase: recording.clipId ? "search" : "upload", share: 0 });
    let goesOn = true;
    try {
      const answer = await this.#ask(recording, waiting);
      if (recording === this.recording) this.#takeAnswer(answer, waiting);
    } catch (error) {
      if (recording === this.recording) goesOn = this.#takeFailure(error, waiting);
    }
    this.#setBusy(null);
    this.#changed("queries");
    if (goesOn) this.search();
  }

  /** Takes a failed search; returns whether the other queries can be searched. */
  #takeFailure(error, queries) {
    const isAboutQueries = error instanceof Problem && error.isAboutQueries;
    if (isAboutQueries && queries.length > 1) {
      this.#groupSize = 1; // to find out which of them it is
      return true;
    }
    for (const query of queries) query.state = "failed";
    this.#fail(error);
    return isAboutQueries;
  }

  /** Searches again for the queries whose search failed or was cancelled. */
  retry() {
    this.report(null);
    for (const query of this.queries) if (query.state === "failed") query.state = "waiting";
    this.#changed("queries");
    this.search();
  }

  async #ask(recording, queries) {
    const { signal } = this.#abort;
    const request = { queries: queries.map((query) => query.text), name: recording.name };
    const onProgress = (share) => this.#setBusy(share < 1 ? { phase: "upload", share } : { phase: "search" });
    const onWait = (seconds) => this.#setBusy({ phase: "wait", seconds });
    if (recording.clipId) {
      try {
        return await this.#client.localize({ ...request, clipId: recording.clipId }, { signal, onWait });
      } catch (error) {
        if (!(error instanceof Problem && error.type === NO_CLIP)) throw error;
        recording.clipId = null; // the service has forgotten the clip: the recording is sent again
      }
    }
    return this.#client.localize({ ...request, audio: recording.file }, { signal, onProgress, onWait });
  }

  #takeAnswer(answer, queries) {
    const { clip } = answer;
    Object.assign(this.recording, { clip, clipId: clip.id, durationS: clip.duration_s, warnings: clip.warnings });
    answer.results.forEach((result, index) => {
      const query = queries[index];
      if (!this.queries.includes(query)) return;
      Object.assign(query, { state: "done", warnings: result.warnings });
      this.#segmenter.add(query.text, result.score);
    });
    this.#changed("recording");
    this.#cut();
  }

  #cut() {
    if (this.recording?.durationS) this.#segmenter.cut(this.grid, this.recording.durationS, this.settings);
  }

  #takeSegments(results, settings) {
    for (const { query: text, extended, segments } of results) {
      const query = this.queries.find((each) => each.text === text && each.state === "done");
      if (query) Object.assign(query, { extended, computed: segments, cutWith: settings });
    }
    const { query, index } = this.selected ?? {};
    if (query && index >= this.segmentsOf(query).length) this.select(query); // the selected segment is gone
    this.#changed("segments");
  }

  /** Changes one setting by name. */
  set(name, value) {
    this.settings =
      name === "threshold" ? withThreshold(this.settings, value, this.defaults) : { ...this.settings, [name]: value };
    this.#changed("settings");
    this.#cut();
  }

  resetSettings() {
    this.settings = { ...this.defaults };
    this.#changed("settings");
    this.#cut();
  }

  segmentsOf(query) {
    return query.edited ?? query.computed;
  }

  isPresent(query) {
    if (query.edited) return query.edited.length > 0;
    const { presence } = this.info.model;
    return isPresent(query.computed, (query.cutWith ?? this.settings).threshold, this.recording.durationS, presence);
  }

  select(query, index = null) {
    this.selected = query ? { query, index } : null;
    this.#changed("selection");
  }

  /** Moves the edges of a segment; `isLast` is false while a drag goes on, so that the drag is undone in one step. */
  moveSegment(query, index, edges, isLast = true) {
    const segments = moved(this.segmentsOf(query), index, edges, this.recording.durationS);
    if (!query.drag) query.drag = { before: query.edited };
    query.edited = segments;
    if (isLast) this.#remember(query);
    this.#changed("segments");
  }

  deleteSegment(query, index) {
    query.drag = { before: query.edited };
    query.edited = without(this.segmentsOf(query), index);
    this.#remember(query);
    if (this.selected?.query === query) this.select(query, null);
    this.#changed("segments");
  }

  #remember(query) {
    this.#history.push({ query, before: query.drag.before });
    query.drag = null;
  }

  get canUndo() {
    return this.#history.length > 0;
  }

  undo() {
    const last = this.#history.pop();
    if (!last) return;
    last.query.edited = last.before;
    this.#changed("segments");
  }

  /** Drops the corrections of a query; undo brings them back. */
  discardEdits(query) {
    this.#history.push({ query, before: query.edited });
    query.edited = null;
    this.#changed("segments");
  }

  #setBusy(busy) {
    this.busy = busy;
    this.#changed("busy");
  }

  #fail(error) {
    if (error instanceof Cancelled) this.report(new Problem({ title: "The search was cancelled", type: CANCELLED }));
    else if (error instanceof Problem) this.report(error);
    else {
      console.error(error);
      this.reportProblem("The page made a mistake", String(error));
    }
  }

  /** Shows a problem, or none. */
  report(problem) {
    this.problem = problem;
    this.#changed("problem");
  }

  reportProblem(title, detail) {
    this.report(new Problem({ title, detail }));
  }
}

function fresh() {
  return { state: "waiting", warnings: [], extended: null, computed: [], edited: null, drag: null };
}
