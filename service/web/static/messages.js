/** Progress, problems and warnings, and what a screen reader says about them. */

import { byId, element } from "./dom.js";
import { describe } from "./lanes.js";
import { CANCELLED } from "./session.js";
import { clock } from "./times.js";

export class Messages {
  #session;
  #saidOf = new Map();
  #nextStep = () => {};

  constructor(session) {
    this.#session = session;
    byId("cancel").addEventListener("click", () => session.cancel());
    byId("problem-close").addEventListener("click", () => session.report(null));
    byId("problem-retry").addEventListener("click", () => (session.info ? session.retry() : this.#nextStep()));
    session.addEventListener("busy", () => this.#showBusy());
    session.addEventListener("problem", () => this.#showProblem());
    for (const event of ["queries", "segments"]) session.addEventListener(event, () => this.#showWarnings());
    session.addEventListener("segments", () => this.#sayResults());
    session.addEventListener("queries", () => this.#showRetry());
  }

  /** What "Try again" does while the service has not said which model it has. */
  onRetryStart(start) {
    this.#nextStep = start;
  }

  /** Says something to a screen reader. */
  say(text) {
    byId("live").textContent = text;
  }

  #showBusy() {
    const { busy } = this.#session;
    byId("progress").classList.toggle("idle", !busy);
    byId("cancel").disabled = !busy;
    if (!busy) return;
    const bar = byId("progress-bar");
    if (busy.phase === "upload") bar.value = busy.share;
    else bar.removeAttribute("value"); // the bar moves, because nobody knows how long it takes
    byId("progress-text").textContent = PHASES[busy.phase](busy);
  }

  #showProblem() {
    const { problem } = this.#session;
    byId("problem").hidden = !problem;
    if (!problem) return;
    byId("problem").classList.toggle("problem", problem.type !== CANCELLED);
    byId("problem-title").textContent = problem.title;
    byId("problem-detail").textContent = problem.detail;
    this.#showRetry();
  }

  #showRetry() {
    const { info, queries, problem } = this.#session;
    byId("problem-retry").hidden = Boolean(info) && !(problem && queries.some((query) => query.state === "failed"));
  }

  #showWarnings() {
    const { recording, queries } = this.#session;
    const clip = recording?.warnings ?? [];
    const items = [
      ...clip.map((warning) => ["", warning]),
      ...queries.flatMap((query) => query.warnings.map((warning) => [`“${query.text}”: `, warning])),
    ].map(([about, warning]) => {
      const where = warning.onset_s === undefined ? "" : ` (${clock(warning.onset_s, 1)} to ${clock(warning.offset_s, 1)})`;
      return element("li", { textContent: about + warning.message + where });
    });
    byId("warnings").hidden = items.length === 0;
    byId("warning-list").replaceChildren(...items);
  }

  /** Says the result of each query that has just been searched. */
  #sayResults() {
    const { queries } = this.#session;
    const news = queries.filter((query) => query.state === "done" && !this.#saidOf.has(query));
    for (const query of news) this.#saidOf.set(query, true);
    if (news.length) this.say(news.map((query) => `${query.text}: ${describe(this.#session, query)}`).join(". "));
  }
}

const PHASES = {
  upload: ({ share }) => `Sending the recording, ${Math.floor(share * 100)} %`,
  search: () => "Listening…",
  wait: ({ seconds }) => `The service is busy. Trying again in ${Math.ceil(seconds)} s`,
};
