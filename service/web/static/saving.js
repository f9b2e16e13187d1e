/** Files that the page gives to the browser to save. */

import { element } from "./dom.js";

const KEPT_MS = 60_000;

/** Saves content as a file. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
