/** Creation of elements. */

/** Creates an element; properties are set on it, `data` and `attributes` become attributes, children are appended. */
export function element(name, properties = {}, ...children) {
  const { data = {}, attributes = {}, ...others } = properties;
  const created = Object.assign(document.createElement(name), others);
  for (const [key, value] of Object.entries(data)) created.dataset[key] = value;
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
  created.append(...children);
  return created;
}

/** An icon of the symbols in index.html, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export const byId = (id) => document.getElementById(id);

/** A colour of the style sheet, such as `--ink`. */
export function colour(name, at = document.documentElement) {
  return getComputedStyle(at).getPropertyValue(name).trim();
}

/** Calls a function at most once per frame of the screen. */
export function perFrame(draw) {
  let isPending = false;
  return () => {
    if (isPending) return;
    isPending = true;
    requestAnimationFrame(() => {
      isPending = false;
      draw();
    });
  };
}

/** Fits a canvas to its size on the screen; returns its context, with lengths in CSS pixels, or null if it is hidden. */
export function fitted(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return null;
  const ratio = window.devicePixelRatio || 1;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) Object.assign(canvas, { width: pixelWidth, height: pixelHeight });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
