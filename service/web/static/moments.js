/** Moments of the library: their stretch, their name, and the search that finds others like them. Pure functions. */

import { clock } from "./times.js";

/** Longest stretch of a moment that is heard, exported or used as an example, in seconds, around its peak. */
export const LONGEST_S = 60;
const MAX_EXAMPLES = 100;

/** What tells a moment from all others, whatever was searched. */
export function keyOf({ recording, onset_s: onset, offset_s: offset }) {
  return `${recording.id}@${onset}-${offset}`;
}

/** The moment, or the part of a long one around its peak. */
export function stretchOf({ onset_s: onset, offset_s: offset, peak_s: peak }) {
  return { onsetS: Math.max(onset, peak - LONGEST_S / 2), offsetS: Math.min(offset, peak + LONGEST_S / 2) };
}

/** The moment as an example of POST /search. */
export function exampleOf(moment) {
  const { onsetS, offsetS } = stretchOf(moment);
  return `${moment.recording.id}@${onsetS.toFixed(6)}-${offsetS.toFixed(6)}`;
}

/** The newest examples, as many as a search takes. */
export function newest(likes, unlikes) {
  const half = MAX_EXAMPLES / 2;
  const nLikes = Math.min(likes.length, Math.max(half, MAX_EXAMPLES - unlikes.length));
  const nUnlikes = Math.min(unlikes.length, MAX_EXAMPLES - nLikes);
  return { likes: likes.slice(likes.length - nLikes), unlikes: unlikes.slice(unlikes.length - nUnlikes) };
}

/** The name of a recording; recordings that were sent have none. */
export function nameOf({ name, id }) {
  return name || `Recording ${id.slice(0, 8)}`;
}

/** The times of a moment, for people. */
export function timesOf({ onset_s: onset, offset_s: offset }) {
  return `${clock(onset, 1)} to ${clock(offset, 1)}`;
}

/** The name and the times of a moment, for people. */
export function placeOf(moment) {
  return `${nameOf(moment.recording)}, ${timesOf(moment)}`;
}

/** A number with its noun. */
export function counted(number, singular) {
  return `${number.toLocaleString("en")} ${singular}${number === 1 ? "" : "s"}`;
}

/**
 * The condition of a search: what a person wrote, and the chosen values of each column.
 *
 * @param {string} where
 * @param {Map<string, Set<string | number | null>>} chosen Values by column; `recording` stands for the id.
 */
export function conditionOf(where, chosen) {
  const parts = where.trim() ? [`(${where.trim()})`] : [];
  for (const [column, values] of chosen) {
    const name = `"${column === "recording" ? "id" : column}"`;
    const listed = [...values].filter((value) => value !== null).map(literal);
    const tests = listed.length ? [`${name} IN (${listed.join(", ")})`] : [];
    if (values.has(null)) tests.push(`${name} IS NULL`);
    if (tests.length) parts.push(tests.length > 1 ? `(${tests.join(" OR ")})` : tests[0]);
  }
  return parts.length === 1 && !chosen.size ? where.trim() : parts.join(" AND ");
}

const literal = (value) => (typeof value === "number" ? String(value) : `'${value.replaceAll("'", "''")}'`);
