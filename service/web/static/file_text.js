/** Texts in saved files and in the names of files. Pure functions. */

/** A text on one line, with single spaces between its words. */
export const oneLine = (text) => text.split(/\s+/u).filter(Boolean).join(" ");

/** A text as a value of a CSV row. */
export function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The name of a file without its ending; a name that is nothing but an ending stays. */
export const stem = (name) => name.replace(/\.[^.\s]{1,5}$/, "") || name;
