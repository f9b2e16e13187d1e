/** The segments of all queries under the current settings, computed in a worker so that the page never stutters. */

/** While a cut is running, only the newest settings wait: a fast slider never queues old work. */
export class Segmenter {
  #worker = new Worker(new URL("./segment_worker.js", import.meta.url), { type: "module" });
  #onResults;
  #running = false;
  #waiting = null;

  /** @param {(results: {query: string, extended: Float32Array, segments: object[]}[], settings: object) => void} onResults */
  constructor(onResults) {
    this.#onResults = onResults;
    this.#worker.onmessage = ({ data }) => {
      this.#running = false;
      this.#onResults(data.results, data.settings);
      this.#next();
    };
  }

  /** Adds the score curve of a query, as it is in the answer; it is read in the worker, too. */
  add(query, curve) {
    this.#worker.postMessage({ type: "add", query, curve });
  }

  remove(query) {
    this.#worker.postMessage({ type: "remove", query });
  }

  clear() {
    this.#worker.postMessage({ type: "clear" });
    this.#waiting = null;
  }

  cut(grid, durationS, settings) {
    this.#waiting = { type: "cut", grid, durationS, settings };
    this.#next();
  }

  #next() {
    if (this.#running || !this.#waiting) return;
    this.#running = true;
    this.#worker.postMessage(this.#waiting);
    this.#waiting = null;
  }
}
