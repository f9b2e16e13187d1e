/** The field in which queries are typed, with a chip for each query and examples. */

import { EXAMPLES } from "./examples.js";
import { byId, element, icon } from "./dom.js";

const N_EXAMPLES = 6;

export class QueryBox {
  #session;
  #input = byId("query");
  #chips = byId("chips");
  #examples = byId("examples");

  constructor(session) {
    this.#session = session;
    byId("query-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take();
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Backspace" && !this.#input.value && !event.repeat) this.#removeLast();
    });
    byId("query-field").addEventListener("click", (event) => {
      if (!event.target.closest("button, .chip")) this.#input.focus();
    });
    for (const event of ["queries", "info"]) session.addEventListener(event, () => this.#show());
    this.#show();
  }

  focus() {
    this.#input.focus();
  }

  #take() {
    const text = this.#input.value;
    if (!text.trim()) return;
    this.#session.addQueries([text]);
    this.#input.value = "";
  }

  #removeLast() {
    const last = this.#session.queries.at(-1);
    if (!last) return;
    this.#session.removeQuery(last);
    this.#input.value = last.text; // to be corrected
  }

  #show() {
    const { queries, info } = this.#session;
    if (info) this.#input.maxLength = info.limits.max_query_chars;
    this.#chips.replaceChildren(...queries.map((query) => this.#chip(query)));
    this.#input.placeholder = queries.length ? "Add another sound" : "Describe a sound, such as “a dog barks”";
    const texts = new Set(queries.map((query) => query.text));
    const rest = EXAMPLES.filter((text) => !texts.has(text)).slice(0, N_EXAMPLES);
    const buttons = rest.map((text) =>
      element("button", { type: "button", className: "example", textContent: text, onclick: () => this.#example(text) }),
    );
    this.#examples.replaceChildren(...buttons);
  }

  #example(text) {
    this.#session.addQueries([text]);
    this.#input.focus();
  }

  #chip(query) {
    const remove = element(
      "button",
      {
        type: "button",
        className: "chip-remove",
        attributes: { "aria-label": `Remove ${query.text}` },
        onclick: () => {
          this.#session.removeQuery(query);
          this.#input.focus();
        },
      },
      icon("close"),
    );
    const dot = element("span", { className: "dot", attributes: { "aria-hidden": "true" } });
    const text = element("span", { className: "chip-text", textContent: query.text, title: query.text });
    return element("li", { className: "chip", data: { colour: query.colour } }, dot, text, remove);
  }
}
