/** Builds the page: the state, the client of the service, and what shows them. */

import { byId } from "./dom.js";
import { ExportBar } from "./export_bar.js";
import { Keys } from "./keys.js";
import { LibraryPage } from "./library_page.js";
import { readLibraryLink, readLink, writeLink } from "./link.js";
import { Messages } from "./messages.js";
import { PlaybackBar } from "./playback_bar.js";
import { Player } from "./player.js";
import { QueryBox } from "./query_box.js";
import { Recorder } from "./recorder.js";
import { RecordingInput } from "./recording_input.js";
import { SegmentList } from "./segment_list.js";
import { ServiceClient } from "./service_client.js";
import { Session } from "./session.js";
import { SettingsPanel } from "./settings_panel.js";
import { addShortcuts } from "./shortcuts.js";
import { readSound } from "./sound.js";
import { Timeline } from "./timeline.js";
import { clock } from "./times.js";

const client = new ServiceClient(new Keys());
const session = new Session(client);
const player = new Player(byId("waveform"), byId("minimap"));
const messages = new Messages(session);
const timeline = new Timeline(session, player);
const queryBox = new QueryBox(session);
const list = new SegmentList(session, player);
new SettingsPanel(session);
new PlaybackBar(player);
new RecordingInput(session);
new Recorder(session);
addShortcuts(session, player, list);

new ExportBar(
  session,
  () => player.view,
  () => picture,
  (text) => messages.say(text),
);

const library = new LibraryPage(
  session,
  client,
  (text) => messages.say(text),
  () => player.pause(),
);

window.addEventListener("themechange", () => {
  player.recolour();
  timeline.recolour();
  library.recolour();
});

let reading = null;
let shownFile = null;
let picture = null;

/** The length of the recording: as the service has decoded it, or else as the browser has. */
function durationS() {
  return session.recording.durationS ?? picture?.durationS ?? 0;
}

/** Says that nothing is drawn because the browser cannot read the recording, which is not silent. */
function showUnread(isUnread) {
  byId("spectrogram-row").classList.toggle("empty", isUnread);
  byId("waveform").classList.toggle("unread", isUnread);
  byId("no-waveform").hidden = !isUnread;
}

function show(newPicture, expectedS = 0) {
  picture = newPicture ?? picture;
  const length = session.recording.durationS ?? expectedS;
  if (length > 0) player.show(newPicture, length);
  timeline.setPicture(picture);
}

async function open({ file }) {
  reading?.abort();
  reading = new AbortController();
  const { signal } = reading;
  [shownFile, picture] = [file, null];
  document.body.classList.add("has-recording", "reading");
  showUnread(false); // the place of the spectrogram is kept, so that nothing moves when it is drawn
  player.open(file);
  timeline.setPicture(null);
  const read = await readSound(file, (part, expectedS) => signal.aborted || show(part, expectedS), signal);
  if (signal.aborted) return;
  document.body.classList.remove("reading");
  showUnread(!read);
  if (!read) messages.say(byId("no-waveform").textContent);
  if (read) show(read, read.durationS);
}

session.addEventListener("recording", () => {
  const { recording } = session;
  if (recording.file !== shownFile) {
    open(recording);
    byId("recording-name").textContent = recording.name;
    if (session.queries.length === 0) queryBox.focus();
    else byId("recording-name").focus({ preventScroll: true }); // the button that brought it is no longer there
  } else if (recording.durationS && recording.durationS !== player.durationS) show(null);
  byId("recording-name").textContent = recording.name;
  byId("recording-length").textContent = durationS() ? clock(durationS(), 1) : "";
});

session.addEventListener("info", () => {
  byId("model").textContent = `${session.info.model.name} ${session.info.model.version}`;
});

const link = readLink(readLibraryLink(location.hash) ? "" : location.hash);
session.addQueries(link.queries);
const keepLink = () => {
  if (!session.info) return;
  const text = library.isShown ? library.link : writeLink(session.queries.map((query) => query.text), session.settings, session.info && session.defaults);
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
};
for (const event of ["queries", "settings"]) session.addEventListener(event, keepLink);
library.addEventListener("view", keepLink);

const start = () => session.loadInfo(link.settings);
messages.onRetryStart(start);
for (const dialog of document.querySelectorAll("dialog")) {
  for (const button of dialog.querySelectorAll(".close")) button.addEventListener("click", () => dialog.close());
}
byId("help").addEventListener("click", () => byId("help-dialog").showModal());
start();
