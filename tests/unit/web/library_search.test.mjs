import assert from "node:assert/strict";
import test from "node:test";

import { LibrarySearch } from "../../../service/web/static/library_search.js";
import { Cancelled, Problem } from "../../../service/web/static/service_client.js";

const moment = (id, onset) => ({ recording: { id, name: "", metadata: {} }, onset_s: onset, offset_s: onset + 1, peak_s: onset, score: 0.5 });
const answer = (moments, next_cursor = null) => ({ moments, next_cursor, facets: {}, warnings: [], searched_s: 1, n_recordings: 1, exact: false });

/** A client that answers what `reply` returns, and remembers what was asked. */
class Client {
  requests = [];
  reply = () => answer([moment("a", 1), moment("b", 2)]);

  async library() {
    return { n_recordings: 2, duration_s: 9, audio: true, columns: { site: "text" } };
  }

  async searchLibrary(request, { signal }) {
    this.requests.push(request);
    const reply = await this.reply(request, signal);
    if (signal.aborted) throw new Cancelled();
    return reply;
  }
}

test("pages are appended with the cursor of the last answer", async () => {
  const client = new Client();
  const search = new LibrarySearch(client);
  client.reply = ({ cursor }) => (cursor ? answer([moment("c", 3)]) : answer([moment("a", 1)], "next"));
  await search.searchWords("rain", "site = 'x'", true);
  await search.more();
  await search.more();
  assert.deepEqual(search.moments.map((each) => each.recording.id), ["a", "c"]);
  assert.equal(client.requests.length, 2);
  assert.deepEqual([client.requests[1].cursor, client.requests[1].where, client.requests[1].exact], ["next", "site = 'x'", true]);
});

test("the answer to an old search never replaces that of a new one", async () => {
  const client = new Client();
  const search = new LibrarySearch(client);
  let release;
  client.reply = ({ query }) => (query === "slow" ? new Promise((resolve) => (release = resolve)) : answer([moment("new", 1)]));
  const slow = search.searchWords("slow", "", false);
  await search.searchWords("fast", "", false);
  release(answer([moment("old", 1)]));
  await slow;
  assert.deepEqual(search.moments.map((each) => each.recording.id), ["new"]);
  assert.deepEqual([search.busy, search.problem], [null, null]);
});

test("verdicts become examples of their own sound alone, and can be taken back", async () => {
  const client = new Client();
  const search = new LibrarySearch(client);
  await search.searchWords("rain", "", false);
  const [first, second] = search.moments;
  search.judge(first, "accepted");
  search.judge(second, "rejected");
  await search.refine();
  assert.deepEqual(client.requests.at(-1).like, ["a@1.000000-2.000000"]);
  assert.deepEqual(client.requests.at(-1).unlike, ["b@2.000000-3.000000"]);
  await search.searchWords("wind", "", false);
  assert.deepEqual([client.requests.at(-1).like, search.counts], [[], { accepted: 0, rejected: 0 }]);
  assert.deepEqual(search.accepted.map((each) => each.label), ["rain"]);
  await search.searchWords("rain", "", false);
  search.judge(first, "accepted");
  assert.deepEqual([search.verdictOf(first), search.accepted], [null, []]);
});

test("an example search keeps the sound that is looked for, and words can be added to it", async () => {
  const client = new Client();
  const search = new LibrarySearch(client);
  await search.searchWords("rain", "", false);
  await search.moreLike(search.moments[0]);
  assert.equal("query" in client.requests.at(-1), false);
  search.judge(search.moments[0], "accepted");
  assert.equal(search.accepted[0].label, "rain");
  await search.searchWords("heavy rain", "", false);
  assert.deepEqual([client.requests.at(-1).query, client.requests.at(-1).like.length], ["heavy rain", 1]);
});

test("a failed search is reported and can be done again", async () => {
  const client = new Client();
  const search = new LibrarySearch(client);
  client.reply = () => Promise.reject(new Problem({ title: "no" }));
  await search.searchWords("rain", "", false);
  assert.deepEqual([search.problem.title, search.busy, search.answer], ["no", null, null]);
  client.reply = () => answer([moment("a", 1)]);
  await search.retry();
  assert.deepEqual([search.problem, search.moments.length], [null, 1]);
});

test("facets are asked for only once they are wanted, without curves", async () => {
  const client = new Client();
  const search = new LibrarySearch(client);
  await search.open();
  await search.searchWords("rain", "", false);
  assert.equal(client.requests.length, 1);
  await search.loadFacets();
  assert.deepEqual([client.requests[1].facets, client.requests[1].limit], [["recording", "site"], 1]);
  await search.choose("site", "north", true);
  assert.equal(client.requests.at(-2).where, "\"site\" IN ('north')");
  await search.choose("site", "north", false);
  assert.equal(client.requests.at(-2).where, "");
});
