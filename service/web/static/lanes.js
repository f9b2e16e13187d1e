/** A lane for each query: its name, whether it is heard, and a canvas with its curve and segments. */

import { colour, element } from "./dom.js";
import { drawLane } from "./track_view.js";

export class Lanes {
  #container;
  #session;
  #lanes = new Map();

  constructor(container, session) {
    this.#container = container;
    this.#session = session;
    session.addEventListener("queries", () => this.#update());
    for (const event of ["segments", "selection", "recording"]) session.addEventListener(event, () => this.#describe());
  }

  #update() {
    const { queries } = this.#session;
    for (const [query, lane] of this.#lanes) {
      if (queries.includes(query)) continue;
      lane.row.remove();
      this.#lanes.delete(query);
    }
    for (const query of queries) if (!this.#lanes.has(query)) this.#add(query);
    this.#describe();
  }

  #add(query) {
    const canvas = element("canvas", { className: "lane-canvas", attributes: { "aria-hidden": "true" } });
    const state = element("span", { className: "lane-state" });
    const name = element(
      "button",
      { type: "button", className: "lane-name", onclick: () => this.#session.select(query) },
      element("span", { className: "dot", attributes: { "aria-hidden": "true" } }),
      element("span", { className: "lane-text", textContent: query.text, title: query.text }),
    );
    const row = element(
      "div",
      { className: "row lane", data: { colour: query.colour } },
      element("div", { className: "gutter" }, name, state),
      element("div", { className: "track" }, canvas),
    );
    this.#container.append(row);
    this.#lanes.set(query, { row, canvas, state, name, ink: colour("--colour", row) });
  }

  #describe() {
    const { selected } = this.#session;
    for (const [query, { row, state, name }] of this.#lanes) {
      state.textContent = describe(this.#session, query);
      row.classList.toggle("selected", selected?.query === query);
      row.classList.toggle("absent", query.state === "done" && !this.#session.isPresent(query));
      row.classList.toggle("searching", query.state === "waiting");
      name.setAttribute("aria-pressed", String(selected?.query === query));
    }
  }

  recolour() {
    for (const lane of this.#lanes.values()) lane.ink = colour("--colour", lane.row);
  }

  draw(view) {
    const { settings, selected, grid } = this.#session;
    if (!grid) return;
    const quiet = colour("--quiet");
    for (const [query, { canvas, ink }] of this.#lanes) {
      const lane = {
        extended: query.extended,
        segments: this.#session.segmentsOf(query),
        selected: selected?.query === query ? selected.index : null,
        threshold: settings.threshold,
        hopS: grid.hopSamples / grid.sampleRate,
        colour: ink,
      };
      drawLane(canvas, view, lane, { quiet });
    }
  }

  /** The query whose lane contains an element. */
  queryAt(target) {
    for (const [query, { canvas }] of this.#lanes) if (canvas === target) return query;
    return null;
  }
}

/** Whether and how often a query is heard, in words. */
export function describe(session, query) {
  if (query.state === "failed") return "not searched";
  if (query.state !== "done") return session.recording ? "searching…" : "";
  const number = session.segmentsOf(query).length;
  const edited = query.edited ? ", corrected" : "";
  if (!session.isPresent(query)) return (number ? `perhaps ${count(number)}` : "not heard") + edited;
  return count(number) + edited;
}

const count = (number) => (number === 1 ? "heard once" : number === 2 ? "heard twice" : `heard ${number} times`);
