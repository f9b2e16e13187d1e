import assert from "node:assert/strict";
import test from "node:test";

import { oneLine, quoted, stem } from "../../../service/web/static/file_text.js";

test("a text on one line has single spaces", () => {
  assert.equal(oneLine(" a dog\n barks\t"), "a dog barks");
});

test("only values with commas, quotation marks or line breaks are quoted", () => {
  assert.deepEqual(["a dog", 'a "dog"', "dog, cat", "a\nb"].map(quoted), ["a dog", '"a ""dog"""', '"dog, cat"', '"a\nb"']);
});

test("a name loses its ending, but is never empty", () => {
  assert.deepEqual(["street.wav", "a.b.flac", "v1. take", ".wav"].map(stem), ["street", "a.b", "v1. take", ".wav"]);
});
