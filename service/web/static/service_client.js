/** Talks to the service that serves this page: info, localization with progress, problems, retries and keys. */

const MAX_RETRIES = 4;
const MAX_WAIT_S = 60;

/** A problem of the service, or a failure to reach it. `type` is the last part of the problem type. */
export class Problem extends Error {
  constructor({ title, detail = "", status = 0, type = "", retryAfterS = null }) {
    super(title);
    Object.assign(this, { title, detail, status, type, retryAfterS });
  }

  /** Whether one of the queries caused the problem, and neither the recording nor the service. */
  get isAboutQueries() {
    return ["query-empty", "query-too-long", "query-unusable"].includes(this.type);
  }
}

/** Thrown when the user cancels. */
export class Cancelled extends Error {}

export class ServiceClient {
  #keys;

  /** @param {{current: () => string | null, ask: (isWrong: boolean) => Promise<boolean>}} keys */
  constructor(keys) {
    this.#keys = keys;
  }

  /** The model, the defaults and the limits. */
  async info() {
    return this.#request("GET", "info", null, {});
  }

  /**
   * Localizes queries in a clip.
   *
   * @param {{audio?: Blob, name?: string, clipId?: string, queries: string[]}} request The clip is named by its id, or sent.
   * @param {{signal: AbortSignal, onProgress?: (share: number) => void, onWait?: (seconds: number) => void}} options
   */
  async localize({ audio, name, clipId, queries }, options) {
    const form = new FormData();
    if (clipId) form.append("clip_id", clipId);
    else form.append("audio", audio, name || "recording");
    for (const query of queries) form.append("query", query);
    // the calibrated score without post-processing, from which segments.js computes everything else
    const settings = { curves: "score", curve_format: "base64", median_filter_s: "0", extent_ratio: "1" };
    for (const [field, value] of Object.entries(settings)) form.append(field, value);
    return this.#request("POST", "localize", form, options);
  }

  /** The library: its size, its columns, and whether its audio may be fetched. */
  async library() {
    return this.#request("GET", "library", null, {});
  }

  /**
   * Searches the library; the members of `search` are those of POST /search.
   *
   * @param {object} search
   * @param {{signal: AbortSignal, onWait?: (seconds: number) => void}} options
   */
  async searchLibrary(search, options) {
    return this.#request("POST", "search", JSON.stringify(search), options);
  }

  /** Where the audio of a recording of the library is, and the headers with which it can be fetched. */
  audioOf(recordingId) {
    const key = this.#keys.current();
    const url = new URL(`library/clips/${recordingId}/audio`, document.baseURI).href;
    return { url, headers: key ? { Authorization: `Bearer ${key}` } : {} };
  }

  async #request(method, path, body, options) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await send(method, path, body, this.#keys.current(), options);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (error.status === 401) {
          if (!(await this.#keys.ask(this.#keys.current() !== null))) throw error;
        } else if (error.retryAfterS !== null && error.retryAfterS <= MAX_WAIT_S && attempt < MAX_RETRIES) {
          options.onWait?.(error.retryAfterS);
          await sleep(error.retryAfterS * 1000, options.signal);
        } else throw error;
      }
    }
  }
}

function send(method, path, body, key, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new Cancelled());
      return;
    }
    const request = new XMLHttpRequest(); // fetch does not tell how much of an upload has been sent
    request.open(method, path);
    if (typeof body === "string") request.setRequestHeader("Content-Type", "application/json");
    if (key) request.setRequestHeader("Authorization", `Bearer ${key}`);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.upload.onload = () => onProgress?.(1);
    const abort = () => request.abort();
    signal?.addEventListener("abort", abort);
    request.onabort = () => reject(new Cancelled());
    request.onerror = () =>
      reject(
        new Problem({
          title: "The service cannot be reached",
          detail: "Check that it is running and that you are connected, then try again.",
        }),
      );
    request.onload = () => {
      const answer = parse(request.responseText);
      if (request.status === 200 && answer) resolve(answer);
      else reject(problemOf(request, answer));
    };
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    request.send(body);
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problemOf(request, answer) {
  const retryAfter = Number.parseFloat(request.getResponseHeader("Retry-After") ?? "");
  return new Problem({
    title: answer?.title ?? "The service answered something unexpected",
    detail: answer?.detail ?? `The answer had status ${request.status}.`,
    status: request.status,
    type: String(answer?.type ?? "").split("/").at(-1),
    retryAfterS: Number.isFinite(retryAfter) ? retryAfter : null,
  });
}

function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new Cancelled());
    });
  });
}
