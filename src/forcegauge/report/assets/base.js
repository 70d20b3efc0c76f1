// The scripts of this folder are joined to one function, in the order that page.py names. Text from outside the page is
// only ever set as textContent, or escaped where Plotly would read markup.
const root = document.documentElement;
const json = (id) => JSON.parse(document.getElementById(id).textContent);
const styles = json("styles");
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme || (prefersDark.matches ? "dark" : "light")) === "dark";
const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;");
const drawn = new Set(); // what to draw again when the theme changes

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** As the tables do: four digits, and two of the distance from the ideal, so that 1.0003 does not read 1. */
function read(number, ideal = 0, least = 4) {
  if (Number.isNaN(number)) return "–";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  const [size, off] = [Math.abs(number), Math.abs(number - ideal)];
  const digits = off > 1e-6 && off < size ? Math.max(least, 2 + Math.floor(Math.log10(size)) - Math.floor(Math.log10(off))) : least;
  const text = size >= 1e6 || (size > 0 && size < 1e-4) ? number.toExponential(2) : String(Number(number.toPrecision(digits)));
  return text.replace(/-/g, "−").replace("e+", "e");
}

function bytes(text) {
  const raw = atob(text);
  const found = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at += 1) found[at] = raw.charCodeAt(at);
  return found;
}

const floats = (text) => new Float32Array(bytes(text).buffer);

function swatch(style) {
  const mark = make("span", { className: "swatch" });
  mark.style.setProperty("--colour", style.colour);
  mark.dataset.dash = style.dash;
  return mark;
}

const modelName = (name) => make("span", { className: "model" }, swatch(styles[name]), make("span", { className: "text", textContent: name, title: name }));

/** Draws an element when it comes near the screen, again with the theme, and before the page is printed. */
function whenNear(element, draw) {
  const first = () => { observer.disconnect(); drawn.add(draw); draw(); };
  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) first();
  }, { rootMargin: "800px" });
  observer.observe(element);
  addEventListener("beforeprint", () => { if (!drawn.has(draw)) first(); });
}
