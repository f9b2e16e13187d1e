import assert from "node:assert/strict";
import test from "node:test";

import { readLibraryLink, readLink, writeLibraryLink, writeLink } from "../../../service/web/static/link.js";

const DEFAULTS = { threshold: 0.31, threshold_off: 0.31, median_filter_s: 0.36, extent_ratio: 0.4, min_duration_s: 0.1, merge_gap_s: 0.2 };

test("what is written is read again", () => {
  const queries = ["a dog barks", "rain & thunder = storm #1 + 100 %", "Türglocke 🔔"];
  const settings = { ...DEFAULTS, threshold: 0.5, merge_gap_s: 0 };
  const text = writeLink(queries, settings, DEFAULTS);
  assert.deepEqual(readLink(`#${text}`), { queries, settings: { threshold: 0.5, merge_gap_s: 0 } });
});

test("defaults are left out", () => {
  assert.equal(writeLink(["a"], DEFAULTS, DEFAULTS), "q=a");
  assert.equal(writeLink([], DEFAULTS, DEFAULTS), "");
});

test("what is out of range or no number is ignored", () => {
  for (const value of ["", " ", "x", "NaN", "-0.1", "1.1", "Infinity"]) {
    assert.deepEqual(readLink(`threshold=${encodeURIComponent(value)}`), { queries: [], settings: {} }, value);
  }
  assert.deepEqual(readLink("#q=&q=%20&other=1&threshold_off=0.2"), { queries: [], settings: {} });
  assert.deepEqual(readLink("%%%&q=%ff"), { queries: ["\ufffd"], settings: {} });
});

test("a link cannot bring any number of queries", () => {
  assert.equal(readLink("q=a&".repeat(1000)).queries.length, 64);
});

test("a link to a search of the library has its words and its condition", () => {
  const link = writeLibraryLink("a dog & cat", "site = 'x'");
  assert.deepEqual(readLibraryLink(`#${link}`), { text: "a dog & cat", where: "site = 'x'" });
  assert.deepEqual(readLibraryLink("#view=library"), { text: "", where: "" });
  assert.equal(readLibraryLink("#q=a&view=other"), null);
});
