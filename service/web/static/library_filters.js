/** The filters of the library view: the most frequent values of each column among the best moments. */

import { byId, element } from "./dom.js";
import { nameOf } from "./moments.js";

const VALUES = 8;

export class LibraryFilters {
  #search;
  #names = new Map();

  constructor(search) {
    this.#search = search;
    byId("filters").addEventListener("toggle", (event) => event.target.open && search.loadFacets());
    search.addEventListener("facets", () => this.#show());
  }

  #show() {
    const { facets, chosen } = this.#search;
    const groups = new Map(Object.entries(facets ?? {}));
    for (const column of chosen.keys()) if (!groups.has(column)) groups.set(column, []); // a chosen value can always be taken back
    byId("facets").replaceChildren(...[...groups].map(([column, counts]) => this.#group(column, counts)));
    byId("no-facets").hidden = groups.size > 0;
    byId("filter-count").textContent = chosen.size ? ` (${[...chosen.values()].reduce((sum, values) => sum + values.size, 0)} chosen)` : "";
  }

  #group(column, counts) {
    const chosen = this.#search.chosen.get(column) ?? new Set();
    for (const { value, name } of counts) if (name !== undefined) this.#names.set(value, nameOf({ id: value, name }));
    const known = new Map(counts.slice(0, VALUES).map(({ value, count }) => [value, count]));
    for (const value of chosen) if (!known.has(value)) known.set(value, null);
    const boxes = [...known].map(([value, count]) => this.#box(column, value, count, chosen.has(value)));
    return element("fieldset", {}, element("legend", { textContent: column }), ...boxes);
  }

  #box(column, value, count, checked) {
    const input = element("input", { type: "checkbox", checked, onchange: () => this.#search.choose(column, value, input.checked) });
    const name = value === null ? "no value" : (this.#names.get(value) ?? String(value));
    const number = element("span", { className: "fine", textContent: count === null ? "" : count });
    return element("label", { className: "facet" }, input, element("span", { className: "facet-name", textContent: name, title: name }), number);
  }
}
