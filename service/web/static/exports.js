/** The segments of all queries in the formats of other programs. Pure functions of a `report`; see report.js. */

const DECIMALS = 1e6;

/** Seconds and scores as `earmark localize` writes them: at most six decimals, and at least one. */
function number(value) {
  const rounded = Math.round(value * DECIMALS) / DECIMALS;
  return Number.isInteger(rounded) ? rounded.toFixed(1) : String(rounded);
}

const round = (value) => Math.round(value * DECIMALS) / DECIMALS;
const oneLine = (text) => text.split(/\s+/u).filter(Boolean).join(" ");

/** All segments with their queries, in order of time. */
function byTime({ results }) {
  const all = results.flatMap(({ query, segments }) => segments.map((segment) => ({ ...segment, query: oneLine(query) })));
  return all.sort((a, b) => a.onset_s - b.onset_s || a.offset_s - b.offset_s || (a.query < b.query ? -1 : a.query > b.query ? 1 : 0));
}

/** CSV with a row for each segment, as `earmark localize --csv` writes it. */
export function asCsv({ results }) {
  const rows = results.flatMap(({ query, segments }) =>
    segments.map((each) => [quoted(query), ...[each.onset_s, each.offset_s, each.score, each.peak_s].map(number)]),
  );
  return [["query", "onset_s", "offset_s", "score", "peak_s"], ...rows].map((row) => `${row.join(",")}\n`).join("");
}

function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** JSON like an answer of POST /localize without curves, with the settings and whether segments were corrected. */
export function asJson({ clip, model, hopS, settings, results }) {
  const answer = {
    clip,
    model,
    hop_s: hopS,
    settings,
    results: results.map(({ query, warnings, present, clipScore, segments, corrected }) => ({
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
    })),
  };
  return `${JSON.stringify(answer, null, 2)}\n`;
}

/** A label track for Audacity (File, Import, Labels), as `earmark localize --audacity` writes it. */
export function asAudacity(report) {
  return byTime(report)
    .map((each) => `${each.onset_s.toFixed(6)}\t${each.offset_s.toFixed(6)}\t${each.query}\n`)
    .join("");
}

/** A selection table for Raven (File, Open Selection Table); a selection spans all frequencies that the model hears. */
export function asRaven(report) {
  const header = ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Annotation"];
  const rows = byTime(report).map((each, index) => [
    index + 1,
    "Spectrogram 1",
    1,
    each.onset_s.toFixed(6),
    each.offset_s.toFixed(6),
    "0.0",
    (report.sampleRate / 2).toFixed(1),
    each.query,
  ]);
  return [header, ...rows].map((row) => `${row.join("\t")}\n`).join("");
}

/** Subtitles for a video or audio player (WebVTT of the W3C). */
export function asWebVtt(report) {
  const cues = byTime(report).map((each) => {
    const text = each.query.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    return `\n${cueTime(each.onset_s)} --> ${cueTime(each.offset_s)}\n${text}\n`;
  });
  return `WEBVTT\n${cues.join("")}`;
}

function cueTime(seconds) {
  const total = Math.round(seconds * 1000);
  const [hours, minutes] = [Math.floor(total / 3_600_000), Math.floor(total / 60_000) % 60];
  const pad = (value, width) => String(value).padStart(width, "0");
  return `${pad(hours, 2)}:${pad(minutes, 2)}:${pad(Math.floor(total / 1000) % 60, 2)}.${pad(total % 1000, 3)}`;
}

/** A table of events as the DCASE challenges use it. */
export function asDcase(report) {
  const rows = byTime(report).map((each) => [oneLine(report.name), number(each.onset_s), number(each.offset_s), each.query]);
  return [["filename", "onset", "offset", "event_label"], ...rows].map((row) => `${row.join("\t")}\n`).join("");
}
