/** The sliders that change how score curves become segments. */

import { byId, element } from "./dom.js";

/** The value exactly as it is applied, with at least two decimals. */
export function exact(value) {
  const text = String(Number(value.toFixed(6)));
  return text.length > value.toFixed(2).length ? text : value.toFixed(2);
}

const seconds = (value) => `${exact(value)} s`;

const SLIDERS = [
  ["threshold", "Threshold", 0.01, 0.99, 0.01, exact, "Raise it if too much is reported, lower it if something is missed."],
  ["median_filter_s", "Smoothing", 0, 3, 0.04, seconds, "Removes short peaks and short gaps of the curve."],
  ["extent_ratio", "Extent", 0.1, 1, 0.02, exact, "Lower values let a segment reach further around its peak; short peaks reach less far."],
  ["min_duration_s", "Minimum duration", 0, 5, 0.05, seconds, "Shorter segments are dropped."],
  ["merge_gap_s", "Merge gap", 0, 5, 0.05, seconds, "Segments at most this far apart become one."],
];

export class SettingsPanel {
  #session;
  #rows = new Map();

  constructor(session) {
    this.#session = session;
    byId("sliders").replaceChildren(...SLIDERS.map((slider) => this.#row(...slider)));
    byId("reset").addEventListener("click", () => session.resetSettings());
    session.addEventListener("settings", () => this.#show());
  }

  #row(name, label, min, max, step, format, help) {
    const id = `setting-${name}`;
    const input = element("input", { type: "range", id, min, max, step, disabled: true });
    input.setAttribute("aria-describedby", `${id}-help`);
    input.addEventListener("input", () => this.#session.set(name, Number(input.value)));
    const value = element("output", { htmlFor: id });
    this.#rows.set(name, { input, value, format });
    return element(
      "div",
      { className: "slider" },
      element("label", { htmlFor: id, textContent: label }),
      value,
      input,
      element("p", { id: `${id}-help`, className: "help", textContent: help }),
    );
  }

  #show() {
    const { settings, defaults } = this.#session;
    for (const [name, { input, value, format }] of this.#rows) {
      input.disabled = false;
      if (document.activeElement !== input || Number(input.value) !== settings[name]) input.value = settings[name];
      const text = format(settings[name]);
      value.textContent = text;
      input.setAttribute("aria-valuetext", text);
      const share = (Number(input.value) - input.min) / (input.max - input.min);
      input.style.setProperty("--share", `${share * 100}%`);
    }
    byId("reset").hidden = Object.keys(defaults).every((name) => defaults[name] === settings[name]);
  }
}
