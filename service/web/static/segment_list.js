/** The segments of one query as a table, in which a keyboard can do all that a pointer does in the lanes. */

import { byId, element, icon } from "./dom.js";

const ROWS = 12;
const MORE_ROWS = 50;

export class SegmentList {
  #session;
  #player;
  #body = byId("segment-rows");
  #shown = ROWS;
  #query = null;

  constructor(session, player) {
    this.#session = session;
    this.#player = player;
    byId("segment-query").addEventListener("change", (event) => {
      session.select(session.queries[Number(event.target.value)]);
    });
    byId("more-segments").addEventListener("click", () => {
      this.#shown += MORE_ROWS;
      this.#show();
    });
    byId("undo").addEventListener("click", () => session.undo());
    byId("discard").addEventListener("click", () => session.discardEdits(this.query));
    for (const event of ["segments", "queries"]) session.addEventListener(event, () => this.#show());
    session.addEventListener("selection", () => this.#select());
  }

  /** The query whose segments are listed: the selected one, or the first. */
  get query() {
    const { queries, selected } = this.#session;
    if (selected) this.#query = selected.query;
    if (!queries.includes(this.#query)) this.#query = queries[0] ?? null;
    return this.#query;
  }

  #select() {
    const { index } = this.#session.selected ?? {};
    if (index >= this.#shown) this.#shown = index + ROWS;
    this.#show();
  }

  #show() {
    const { queries } = this.#session;
    const { query } = this;
    byId("segments-panel").hidden = !query;
    if (!query) return;
    const options = queries.map((each, index) =>
      element("option", { value: index, textContent: each.text, selected: each === query }),
    );
    byId("segment-query").replaceChildren(...options);
    byId("segments-panel").dataset.colour = query.colour;
    const segments = this.#session.segmentsOf(query);
    this.#rows(query, segments);
    byId("no-segments").hidden = segments.length > 0;
    byId("no-segments").textContent = EMPTY[query.state];
    byId("segment-table").hidden = segments.length === 0;
    byId("more-segments").hidden = segments.length <= this.#shown;
    byId("more-segments").textContent = `Show more (${segments.length - this.#shown} left)`;
    byId("undo").hidden = !this.#session.canUndo;
    byId("discard").hidden = !query.edited;
    byId("edited-note").hidden = !query.edited;
  }

  /** Keeps the rows that exist, so that a field keeps the focus while its value changes. */
  #rows(query, segments) {
    const number = Math.min(segments.length, this.#shown);
    while (this.#body.children.length > number) this.#body.lastChild.remove();
    while (this.#body.children.length < number) this.#body.append(this.#row(this.#body.children.length));
    const { selected } = this.#session;
    for (let index = 0; index < number; index += 1) {
      const row = this.#body.children[index];
      const { onset_s: onset, offset_s: offset, score } = segments[index];
      const [, start, end] = row.cells;
      for (const [cell, value] of [[start, onset], [end, offset]]) {
        const input = cell.firstChild;
        if (document.activeElement !== input || Math.abs(Number(input.value) - value) >= 0.005) input.value = value.toFixed(2);
      }
      row.cells[3].textContent = `${(offset - onset).toFixed(2)} s`;
      row.cells[4].textContent = score.toFixed(2);
      row.classList.toggle("selected", selected?.query === query && selected.index === index);
    }
  }

  #row(index) {
    const segment = () => this.#session.segmentsOf(this.query)[index];
    const play = () => {
      const { onset_s: onset, offset_s: offset } = segment();
      this.#session.select(this.query, index);
      this.#player.reveal(onset, offset);
      this.#player.playPart(onset, offset);
    };
    const edge = (name, label) => {
      const input = element("input", { type: "number", step: 0.01, min: 0, inputMode: "decimal" });
      input.setAttribute("aria-label", `${label} of segment ${index + 1}, in seconds`);
      input.addEventListener("change", () => {
        const value = Number.parseFloat(input.value);
        if (Number.isFinite(value)) this.#session.moveSegment(this.query, index, { [name]: value });
        input.value = segment()[name].toFixed(2);
      });
      return input;
    };
    const remove = () => {
      this.#session.deleteSegment(this.query, index);
      const next = this.#body.children[Math.min(index, this.#body.children.length - 1)];
      (next?.querySelector(".delete") ?? byId("undo")).focus();
    };
    return element(
      "tr",
      {},
      element("td", {}, button("play-segment", "play", `Play segment ${index + 1}`, play)),
      element("td", {}, edge("onset_s", "Start")),
      element("td", {}, edge("offset_s", "End")),
      element("td", { className: "number" }),
      element("td", { className: "number" }),
      element("td", {}, button("delete", "trash", `Delete segment ${index + 1}`, remove)),
    );
  }
}

function button(className, symbol, label, onclick) {
  const attributes = { "aria-label": label };
  return element("button", { type: "button", className: `icon-button ${className}`, onclick, title: label, attributes }, icon(symbol));
}

const EMPTY = {
  waiting: "Waiting for the search.",
  failed: "The search did not finish.",
  done: "Not heard under these settings. A lower threshold finds fainter sounds.",
};
