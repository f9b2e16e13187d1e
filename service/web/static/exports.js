/** The segments of all queries in the formats of other programs, as service/formats writes them. Pure functions of a report; see report.js. */

import { oneLine, quoted } from "./file_text.js";
import { roundHalfEven } from "./segments.js";

const DECIMALS = 1e6;

/** Seconds and scores as the service writes them: at most six decimals, and at least one. */
function number(value) {
  const rounded = Math.round(value * DECIMALS) / DECIMALS;
  return Number.isInteger(rounded) ? rounded.toFixed(1) : String(rounded);
}

const round = (value) => Math.round(value * DECIMALS) / DECIMALS;

/** All segments with their queries, in order of time. */
function byTime({ results }) {
  const all = results.flatMap(({ query, segments }) =>
    segments.map((segment) => ({ ...segment, query: oneLine(query), originalQuery: query })),
  );
  return all.sort((a, b) => a.onset_s - b.onset_s || a.offset_s - b.offset_s || (a.query < b.query ? -1 : a.query > b.query ? 1 : 0));
}

/** CSV with a row for each segment. */
export function asCsv({ results }) {
  const rows = results.flatMap(({ query, segments }) =>
    segments.map((each) => [quoted(query), ...[each.onset_s, each.offset_s, each.score, each.peak_s].map(number)]),
  );
  return [["query", "onset_s", "offset_s", "score", "peak_s"], ...rows].map((row) => `${row.join(",")}\n`).join("");
}

/** JSON like an answer of POST /localize without curves, with the settings and whether segments were corrected. */
export function asJson(report) {
  return `${JSON.stringify({ ...head(report), results: report.results.map(resultOf) }, null, 2)}\n`;
}

/** A line of JSON for each query, with the members of the answer and of its result. */
export function asNdjson(report) {
  return report.results.map((result) => `${JSON.stringify({ ...head(report), ...resultOf(result) })}\n`).join("");
}

function head({ clip, model, hopS, settings }) {
  return { clip, model, hop_s: hopS, settings };
}

function resultOf({ query, warnings, present, clipScore, segments, corrected }) {
  return {
    query,
    warnings,
    present,
    clip_score: round(clipScore),
    segments: segments.map((each) => ({
      onset_s: round(each.onset_s),
      offset_s: round(each.offset_s),
      score: round(each.score),
      peak_s: round(each.peak_s),
    })),
    corrected,
  };
}

/** A label track for Audacity (File, Import, Labels). */
export function asAudacity(report) {
  return tabbed(byTime(report).map((each) => [each.onset_s.toFixed(6), each.offset_s.toFixed(6), each.query]));
}

const RAVEN_COLUMNS = [
  "Selection",
  "View",
  "Channel",
  "Begin Time (s)",
  "End Time (s)",
  "Low Freq (Hz)",
  "High Freq (Hz)",
  "Begin File",
  "Annotation",
  "Score",
];

/** A selection table for Raven (File, Open Selection Table); a selection spans all frequencies that the model hears. */
export function asRaven(report) {
  const highest = (report.sampleRate / 2).toFixed(3);
  const rows = byTime(report).map((each, index) => [
    index + 1,
    "Spectrogram 1",
    1,
    each.onset_s.toFixed(6),
    each.offset_s.toFixed(6),
    "0.000",
    highest,
    cell(report.name),
    cell(each.query),
    number(each.score),
  ]);
  return tabbed([RAVEN_COLUMNS, ...rows]);
}

/** Subtitles for web pages (WebVTT of the W3C). */
export function asWebVtt(report) {
  const cues = byTime(report).map((each, index) => {
    const text = each.query.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    return `${index + 1}\n${cueTimes(each, ".")}\n${text}\n\n`;
  });
  return `WEBVTT\n\n${cues.join("")}`;
}

/** Subtitles for players (SubRip); a long arrow in a query would be a line of times. */
export function asSrt(report) {
  return byTime(report)
    .map((each, index) => `${index + 1}\n${cueTimes(each, ",")}\n${each.query.replaceAll(/--+>/g, "->")}\n\n`)
    .join("");
}

/** The times of a cue, which lasts at least 1 ms because players drop shorter ones. */
function cueTimes(segment, mark) {
  const onsetMs = roundHalfEven(1000 * segment.onset_s);
  const offsetMs = Math.max(roundHalfEven(1000 * segment.offset_s), onsetMs + 1);
  return `${cueTime(onsetMs, mark)} --> ${cueTime(offsetMs, mark)}`;
}

function cueTime(milliseconds, mark) {
  const pad = (value, width) => String(value).padStart(width, "0");
  const seconds = Math.floor(milliseconds / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${pad(hours, 2)}:${pad(minutes, 2)}:${pad(seconds % 60, 2)}${mark}${pad(milliseconds % 1000, 3)}`;
}

const JAMS_VERSION = "0.3.4";

/** Annotations for research tools: JAMS (Humphrey et al., ISMIR 2014) with the namespace `tag_open`. */
export function asJams(report) {
  const { clip, model } = report;
  const annotation = {
    namespace: "tag_open",
    time: 0,
    duration: clip.duration_s,
    data: byTime(report).map((each) => ({
      time: round(each.onset_s),
      duration: round(each.offset_s - each.onset_s),
      value: each.originalQuery,
      confidence: round(each.score),
    })),
    annotation_metadata: {
      curator: { name: "", email: "" },
      annotator: {},
      version: model.version,
      corpus: "",
      annotation_tools: `Earmark, model ${model.name}`,
      annotation_rules: "",
      validation: "",
      data_source: "program",
    },
    sandbox: {},
  };
  const fileMetadata = {
    title: report.name,
    artist: "",
    release: "",
    duration: clip.duration_s,
    identifiers: { earmark_clip_id: clip.id },
    jams_version: JAMS_VERSION,
  };
  return `${JSON.stringify({ annotations: [annotation], file_metadata: fileMetadata, sandbox: {} }, null, 2)}\n`;
}

/** A table of events as the DCASE challenges use it. */
export function asDcase(report) {
  const rows = byTime(report).map((each) => [cell(report.name), number(each.onset_s), number(each.offset_s), cell(each.query)]);
  return tabbed([["filename", "onset", "offset", "event_label"], ...rows]);
}

/** Text for a table: on one line, with ' for ", because some readers take " as the start of a quotation. */
function cell(text) {
  return oneLine(text).replaceAll('"', "'");
}

function tabbed(rows) {
  return rows.map((row) => `${row.join("\t")}\n`).join("");
}
