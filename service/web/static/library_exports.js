/** The accepted moments as a data set pack, as training/data/pack.py reads it, and as annotations. Pure functions. */

import { oneLine, quoted, stem } from "./file_text.js";
import { nameOf, stretchOf } from "./moments.js";

const PACK_COLUMNS = ["path", "label", "split", "source", "group", "title", "author", "licence", "duration_s", "rate_hz"];
const CSV_COLUMNS = ["recording", "id", "query", "onset_s", "offset_s", "score", "peak_s"];
/** One recording of this many is for validation. */
export const VALIDATION_SHARE = 5;
const SOURCE = "library";

function csv(rows) {
  return rows.map((row) => `${row.map((value) => quoted(String(value))).join(",")}\n`).join("");
}

/** A file name that spreadsheets would compute as a formula begins with "./". */
const safe = (name) => (/^[=+\-@\t\r]/.test(name) ? `./${name}` : name);

/** CSV with a row for each accepted moment. */
export function asMomentsCsv(accepted) {
  const rows = accepted.map(({ recording, label, ...each }) => [
    safe(oneLine(nameOf(recording))),
    recording.id,
    label,
    ...[each.onset_s, each.offset_s, each.score, each.peak_s],
  ]);
  return csv([CSV_COLUMNS, ...rows]);
}

/** Label tracks for Audacity (File, Import, Labels): the text for each recording, by the name of the file. */
export function asLabelTracks(accepted) {
  const byRecording = Map.groupBy(accepted, (moment) => moment.recording.id);
  const names = new Set();
  const tracks = new Map();
  for (const moments of byRecording.values()) {
    const sorted = moments.toSorted((a, b) => a.onset_s - b.onset_s || a.offset_s - b.offset_s);
    const lines = sorted.map((each) => `${each.onset_s.toFixed(6)}\t${each.offset_s.toFixed(6)}\t${oneLine(each.label)}\n`);
    tracks.set(`${unique(fileName(stem(nameOf(moments[0].recording))), names)}.labels.txt`, lines.join(""));
  }
  return tracks;
}

/**
 * The files of a pack: for each accepted moment the path of its audio and its stretch.
 *
 * All moments of a recording are in the same split, and each fifth recording is for validation.
 *
 * @returns {{path: string, split: string, moment: object, onsetS: number, offsetS: number}[]}
 */
export function packFiles(accepted) {
  const recordings = [...new Set(accepted.map((moment) => moment.recording.id))];
  const names = new Set();
  return accepted.map((moment) => {
    const { onsetS, offsetS } = stretchOf(moment);
    const isValidation = recordings.indexOf(moment.recording.id) % VALIDATION_SHARE === VALIDATION_SHARE - 1;
    const name = `${fileName(moment.label)}-${moment.recording.id.slice(0, 8)}-${Math.round(1000 * onsetS)}`;
    return { path: `clips/${unique(name, names)}.wav`, split: isValidation ? "val" : "train", moment, onsetS, offsetS };
  });
}

/** The table of a pack. @param {{path: string, split: string, moment: object, durationS: number, rate: number}[]} files */
export function asPackTable(files) {
  const rows = files.map(({ path, split, moment, durationS, rate }) => {
    const { recording, label } = moment;
    const { author = "", licence = recording.metadata.license } = recording.metadata;
    return [path, oneLine(label), split, SOURCE, recording.id, stem(nameOf(recording)), author ?? "", licence ?? "", durationS.toFixed(3), rate];
  });
  return csv([PACK_COLUMNS, ...rows]);
}

/** A name of a file that every system accepts. */
function fileName(text) {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "").slice(0, 60) || "moment";
}

function unique(name, names) {
  let result = name;
  for (let number = 2; names.has(result); number += 1) result = `${name}-${number}`;
  names.add(result);
  return result;
}
