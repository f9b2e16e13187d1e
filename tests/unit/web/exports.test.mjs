// Exports are the texts that service.formats writes: EXPORT_VECTORS names a file of reports and expected texts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { asAudacity, asCsv, asDcase, asJams, asJson, asNdjson, asRaven, asSrt, asWebVtt } from "../../../service/web/static/exports.js";
import { asSvg } from "../../../service/web/static/picture.js";
import { PICTURE_COLOURS, reportOf } from "../../../service/web/static/report.js";

const vectors = JSON.parse(readFileSync(process.env.EXPORT_VECTORS, "utf8"));
const segment = (onset, offset, score = 0.5) => ({ onset_s: onset, offset_s: offset, score, peak_s: onset });
const result = (query, ...segments) => ({
  query, segments, warnings: [], present: segments.length > 0, clipScore: Math.fround(0.7), corrected: false,
  extended: Float32Array.from([0.1, 0.7, 0.2]), colour: "#2466d1",
});
const REPORT = {
  name: "street.wav",
  clip: { id: "ab", duration_s: 4000, cached: true, warnings: [] },
  model: { name: "m", version: "1" },
  hopS: 0.04,
  sampleRate: 16_000,
  settings: { threshold: 0.5 },
  results: [result("a dog & <cat>", segment(3661.5, 3662), segment(1, 2.25)), result("say \"hi\",\nnow", segment(0.1 + 0.2, 1)), result("absent")],
};

const WRITERS = { csv: asCsv, dcase: asDcase, audacity: asAudacity, raven: asRaven, webvtt: asWebVtt, srt: asSrt };

for (const [name, write] of Object.entries(WRITERS)) {
  test(`${name} is what the service writes`, () => {
    assert.ok(vectors.length >= 100);
    vectors.forEach(({ report, texts }, index) => assert.equal(write(report), texts[name], `vector ${index}`));
  });
}

test("jams has the values that the service writes", () => {
  vectors.forEach(({ report, texts }, index) => {
    assert.deepEqual(JSON.parse(asJams(report)), JSON.parse(texts.jams), `vector ${index}`);
  });
});

test("a hand-worked table for Raven", () => {
  const raven = asRaven({ ...REPORT, results: [result("a dog", segment(1, 2.25))] });
  assert.equal(
    raven,
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File\tAnnotation\tScore\n" +
      "1\tSpectrogram 1\t1\t1.000000\t2.250000\t0.000\t8000.000\tstreet.wav\ta dog\t0.5\n",
  );
});

test("JSON is an answer without curves, with the settings", () => {
  const answer = JSON.parse(asJson(REPORT));
  assert.deepEqual(Object.keys(answer), ["clip", "model", "hop_s", "settings", "results"]);
  const [first, second, third] = answer.results;
  assert.deepEqual(first.segments[0], { onset_s: 3661.5, offset_s: 3662, score: 0.5, peak_s: 3661.5 });
  assert.equal(second.segments[0].onset_s, 0.3);
  assert.deepEqual([third.present, third.segments, third.clip_score, third.corrected], [false, [], 0.7, false]);
});

test("NDJSON has the members of the answer and of the result on each line", () => {
  const { results, ...head } = JSON.parse(asJson(REPORT));
  const lines = asNdjson(REPORT).split("\n");
  assert.equal(lines.pop(), "");
  assert.deepEqual(lines.map((line) => JSON.parse(line)), results.map((result) => ({ ...head, ...result })));
});

test("exports without segments are valid", () => {
  const empty = { ...REPORT, results: [result("absent")] };
  assert.equal(asCsv(empty), "query,onset_s,offset_s,score,peak_s\n");
  assert.equal(asAudacity(empty), "");
  assert.equal(asWebVtt(empty), "WEBVTT\n\n");
  assert.equal(asSrt(empty), "");
});

test("the picture shows the visible segments, and no query is markup in it", () => {
  const sound = { top: new Float32Array(100).fill(0.5), bottom: new Float32Array(100).fill(-0.5), peaksPerS: 25 };
  const svg = asSvg({ ...REPORT, name: "a < b & \u0000c" }, { startS: 0, endS: 4 }, sound);
  assert.equal(svg.match(/class="segment"/g).length, 2);
  assert.ok(svg.includes("a dog &amp; &lt;cat&gt;") && svg.includes("a &lt; b &amp; c"));
  assert.ok(!svg.includes("NaN") && !svg.includes("undefined") && !svg.includes("\u0000"));
  assert.ok(!asSvg(REPORT, { startS: 0, endS: 4000 }, null).includes("NaN"));
});

test("pictures have the colours of the light theme", () => {
  const css = readFileSync(new URL("../../../service/web/static/tokens.css", import.meta.url), "utf8");
  PICTURE_COLOURS.forEach((colour, index) => assert.ok(css.includes(`\n[data-colour="${index}"] { --colour: ${colour}; }`)));
});

test("a report has the corrected segments, and only the queries that were searched", () => {
  const query = { text: "a", state: "done", warnings: [], extended: Float32Array.from([0.2, 0.9]), edited: [segment(1, 2)], colour: 1 };
  const report = reportOf({
    recording: { name: "x", clip: { id: "i", duration_s: 3, cached: false, warnings: [], other: 1 } },
    info: { model: { name: "m", version: "1", licences: [] } },
    grid: { sampleRate: 16_000, hopSamples: 640 },
    settings: {},
    queries: [query, { ...query, text: "b", state: "failed" }],
    isPresent: () => true,
    segmentsOf: (each) => each.edited,
  });
  assert.deepEqual(report.results.map((each) => each.query), ["a"]);
  assert.deepEqual([report.results[0].corrected, report.results[0].clipScore, report.hopS], [true, Math.fround(0.9), 0.04]);
  assert.deepEqual(report.clip, { id: "i", duration_s: 3, cached: false, warnings: [] });
});
