/** A link that carries queries and settings, after the `#`, so that no server ever sees it. Pure functions. */

const NUMBERS = {
  threshold: [0, 1],
  median_filter_s: [0, 5],
  extent_ratio: [0.1, 1],
  min_duration_s: [0, 3600],
  merge_gap_s: [0, 3600],
};
const MAX_QUERIES = 64;

/** The part of a link after `#`; settings that are the defaults are left out. */
export function writeLink(queries, settings, defaults) {
  const parameters = new URLSearchParams();
  for (const query of queries) parameters.append("q", query);
  for (const name of Object.keys(NUMBERS)) {
    if (settings && settings[name] !== defaults[name]) parameters.set(name, String(settings[name]));
  }
  return parameters.toString();
}

/** The part of a link after `#` for a search of the library. */
export function writeLibraryLink(text, where) {
  const parameters = new URLSearchParams({ view: "library" });
  if (text) parameters.set("q", text);
  if (where) parameters.set("where", where);
  return parameters.toString();
}

/** The search of the library in the part of a link after `#`; null if the link is about a recording. */
export function readLibraryLink(hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  if (parameters.get("view") !== "library") return null;
  return { text: (parameters.get("q") ?? "").trim(), where: (parameters.get("where") ?? "").trim() };
}

/** Reads the part of a link after `#`; what is not a query or a number in its range is ignored. */
export function readLink(text) {
  const parameters = new URLSearchParams(text.replace(/^#/, ""));
  const settings = {};
  for (const [name, [low, high]] of Object.entries(NUMBERS)) {
    const value = parameters.has(name) && parameters.get(name).trim() ? Number(parameters.get(name)) : NaN;
    if (value >= low && value <= high) settings[name] = value;
  }
  const queries = parameters.getAll("q").map((query) => query.trim());
  return { queries: queries.filter((query) => query).slice(0, MAX_QUERIES), settings };
}
