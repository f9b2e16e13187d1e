/** The pointer in the lanes: click a segment to hear it, drag an edge to correct it, drag elsewhere to scroll. */

import { firstAfter } from "./track_view.js";

const EDGE_PX = 6;
const TOUCH_EDGE_PX = 14;
const CLICK_PX = 4;

/** The segment under a pointer, and which of its edges is near. */
export function hit(segments, timeS, toleranceS) {
  let best = null;
  for (let index = firstAfter(segments, timeS - toleranceS); index < segments.length; index += 1) {
    const { onset_s: onset, offset_s: offset } = segments[index];
    if (onset > timeS + toleranceS) break;
    const isInside = timeS >= onset && timeS < offset;
    // a short segment keeps a middle that can be clicked
    const reach = isInside ? Math.min(toleranceS, (offset - onset) / 3) : toleranceS;
    const edges = [
      ["onset_s", Math.abs(timeS - onset)],
      ["offset_s", Math.abs(timeS - offset)],
    ].filter(([, distance]) => distance <= reach);
    edges.sort((a, b) => a[1] - b[1]);
    const candidate = { index, edge: edges[0]?.[0] ?? null, distance: isInside ? 0 : (edges[0]?.[1] ?? Infinity) };
    if ((isInside || candidate.edge) && (!best || candidate.distance < best.distance)) best = candidate;
  }
  return best;
}

export class LanePointer {
  #session;
  #player;
  #lanes;
  #action = null;

  constructor(container, session, player, lanes) {
    this.#session = session;
    this.#player = player;
    this.#lanes = lanes;
    container.addEventListener("pointerdown", (event) => this.#down(event));
    container.addEventListener("pointermove", (event) => this.#move(event));
    container.addEventListener("pointerup", (event) => this.#up(event));
    container.addEventListener("pointercancel", () => this.#end());
  }

  #place(event) {
    const query = this.#lanes.queryAt(event.target);
    if (!query) return null;
    const { startS, pxPerS } = this.#player.view;
    const timeS = startS + (event.clientX - event.target.getBoundingClientRect().left) / pxPerS;
    const reach = event.pointerType === "touch" ? TOUCH_EDGE_PX : EDGE_PX;
    return { query, timeS, hit: hit(this.#session.segmentsOf(query), timeS, reach / pxPerS) };
  }

  #down(event) {
    const place = this.#place(event);
    if (!place || event.button !== 0) return;
    event.target.setPointerCapture(event.pointerId);
    const { startS } = this.#player.view;
    const edge = place.hit?.edge ?? null;
    const edgeS = edge && this.#session.segmentsOf(place.query)[place.hit.index][edge];
    this.#action = { ...place, x: event.clientX, scrollS: startS, hasMoved: false, edge, edgeS };
    if (place.hit) this.#session.select(place.query, place.hit.index);
  }

  #move(event) {
    const action = this.#action;
    if (!action) {
      const place = this.#place(event);
      event.target.style.cursor = place?.hit ? (place.hit.edge ? "ew-resize" : "pointer") : "";
      return;
    }
    const moved = event.clientX - action.x;
    if (!action.hasMoved && Math.abs(moved) < CLICK_PX) return;
    action.hasMoved = true;
    const { pxPerS } = this.#player.view;
    if (action.edge) {
      this.#session.moveSegment(action.query, action.hit.index, { [action.edge]: action.edgeS + moved / pxPerS }, false);
    } else if (event.pointerType !== "touch" || this.#player.isZoomed) {
      this.#player.scrollTo(action.scrollS - moved / pxPerS);
    }
  }

  #up(event) {
    const action = this.#action;
    if (!action) return;
    if (action.hasMoved) {
      const timeS = action.edgeS + (event.clientX - action.x) / this.#player.view.pxPerS;
      if (action.edge) this.#session.moveSegment(action.query, action.hit.index, { [action.edge]: timeS });
    } else if (action.hit) {
      const { onset_s: onset, offset_s: offset } = this.#session.segmentsOf(action.query)[action.hit.index];
      this.#player.playPart(onset, offset);
    } else this.#player.seek(action.timeS);
    this.#action = null;
  }

  /** Ends a drag that the browser took over, such as for scrolling the page. */
  #end() {
    const action = this.#action;
    this.#action = null;
    if (action?.hasMoved && action.edge) this.#session.moveSegment(action.query, action.hit.index, {});
  }
}
