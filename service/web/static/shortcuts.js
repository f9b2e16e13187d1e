/** Keys that work everywhere but in fields: play, seek, zoom, next segment, undo. */

import { byId } from "./dom.js";

const SEEK_S = 5;
const ZOOM_STEP = 1.6;

export function addShortcuts(session, player, list) {
  const step = (direction) => {
    const { query } = list;
    if (!query) return;
    const segments = session.segmentsOf(query);
    if (!segments.length) return;
    const current = session.selected?.query === query ? session.selected.index : null;
    const first = direction > 0 ? 0 : segments.length - 1;
    const index = current === null ? first : (current + direction + segments.length) % segments.length;
    session.select(query, index);
    player.reveal(segments[index].onset_s, segments[index].offset_s);
    player.playPart(segments[index].onset_s, segments[index].offset_s);
  };
  const actions = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.seek(player.timeS - SEEK_S),
    ArrowRight: () => player.seek(player.timeS + SEEK_S),
    Home: () => player.seek(0),
    "+": () => player.zoom(ZOOM_STEP),
    "=": () => player.zoom(ZOOM_STEP),
    "-": () => player.zoom(1 / ZOOM_STEP),
    0: () => player.fit(),
    n: () => step(1),
    p: () => step(-1),
    Delete: () => {
      const { selected } = session;
      if (selected && selected.index !== null) session.deleteSegment(selected.query, selected.index);
    },
    "/": () => byId("query").focus(),
    "?": () => byId("help-dialog").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !event.shiftKey) {
      event.preventDefault();
      session.undo();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !session.recording || document.body.classList.contains("library-view")) return;
    if (event.key === " " && event.target.closest("button, a, select, summary")) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function isTyping(target) {
  return target.matches?.("input, textarea, select, [contenteditable]") ?? false;
}
