import assert from "node:assert/strict";
import test from "node:test";

import { asLabelTracks, asMomentsCsv, asPackTable, packFiles } from "../../../service/web/static/library_exports.js";
import { peaksOf } from "../../../service/web/static/moment_view.js";
import { asWav } from "../../../service/web/static/wav.js";

const accepted = (id, onset, label = "a dog barks", name = "street.wav", metadata = {}) => ({
  recording: { id: id.repeat(32), name, metadata }, onset_s: onset, offset_s: onset + 1, peak_s: onset, score: 0.5, label,
});

test("CSV has a row for each moment, and no file name is a formula", () => {
  const text = asMomentsCsv([accepted("a", 1), accepted("b", 2.5, 'a "dog", barks', "=1+1.wav")]);
  assert.equal(
    text,
    "recording,id,query,onset_s,offset_s,score,peak_s\n" +
      `street.wav,${"a".repeat(32)},a dog barks,1,2,0.5,1\n` +
      `./=1+1.wav,${"b".repeat(32)},"a ""dog"", barks",2.5,3.5,0.5,2.5\n`,
  );
});

test("each recording has a label track in order of time, under a name that is not used twice", () => {
  const tracks = asLabelTracks([accepted("a", 5), accepted("b", 1), accepted("a", 2, "rain\nfalls"), accepted("c", 1, "x", "../=?.wav")]);
  assert.deepEqual([...tracks.keys()], ["street.labels.txt", "street-2.labels.txt", "moment.labels.txt"]);
  assert.equal(tracks.get("street.labels.txt"), "2.000000\t3.000000\train falls\n5.000000\t6.000000\ta dog barks\n");
});

test("the moments of a recording are in one split, each fifth recording is for validation, and paths differ", () => {
  const moments = ["a", "b", "c", "d", "e", "f", "e"].map((id, index) => accepted(id, index === 6 ? 4 : index));
  const files = packFiles(moments);
  assert.deepEqual(files.map((file) => file.split), ["train", "train", "train", "train", "val", "train", "val"]);
  assert.equal(new Set(files.map((file) => file.path)).size, files.length);
  for (const { path } of files) assert.match(path, /^clips\/[a-z0-9-]+\.wav$/);
});

test("the table of a pack names the author and the licence that the library knows", () => {
  const files = packFiles([accepted("a", 1, "rain, heavy", "Old street.wav", { author: "Ada", license: "CC0" }), accepted("b", 1)]);
  const [head, first, second] = asPackTable(files.map((file) => ({ ...file, durationS: 1, rate: 16_000 }))).split("\n");
  assert.equal(head, "path,label,split,source,group,title,author,licence,duration_s,rate_hz");
  assert.equal(first, `clips/rain-heavy-aaaaaaaa-1000.wav,"rain, heavy",train,library,${"a".repeat(32)},Old street,Ada,CC0,1.000,16000`);
  assert.ok(second.endsWith(",street,,,1.000,16000"));
});

test("a WAV file has its header and its samples, clipped", () => {
  const bytes = asWav(Float32Array.from([0, 1, -1, 2, 0.5]), 16_000);
  const view = new DataView(bytes.buffer);
  assert.equal(String.fromCharCode(...bytes.subarray(0, 4), ...bytes.subarray(8, 15)), "RIFFWAVEfmt");
  assert.deepEqual([view.getUint32(4, true), view.getUint32(24, true), view.getUint32(40, true), bytes.length], [46, 16_000, 10, 54]);
  assert.deepEqual([0, 1, 2, 3, 4].map((i) => view.getInt16(44 + 2 * i, true)), [0, 32_767, -32_767, 32_767, 16_384]);
});

test("the peaks of a waveform hold the loudest sample of each column", () => {
  const samples = new Float32Array(1000);
  samples[999] = 0.7;
  samples[10] = -0.9;
  const { top, bottom, loudest } = peaksOf(samples, 100);
  assert.deepEqual([top[99], bottom[1], loudest].map((value) => value.toFixed(3)), ["0.700", "-0.900", "0.900"]);
  assert.equal(peaksOf(new Float32Array(3), 100).top.length, 100);
});
