/** The size of a number, rounded as Python rounds: halfway between two, to the even one. */
function fixed(value, digits) {
  const size = Math.abs(value);
  const text = size.toFixed(digits);
  // Halves of a decimal are exact where this product, which is, is odd.
  const halfway = (size * 2 ** (digits + 1)) % 2 === 1;
  return halfway && Number(text.at(-1)) % 2 ? (size - 10 ** (-digits - 2)).toFixed(digits) : text;
}

/** Numbers as the rest of the page writes them (text.py). */
function points(value) {
  if (Number.isNaN(value)) return "–";
  const text = fixed(value, 1);
  return text === "0.0" ? text : (value < 0 ? "−" : "+") + text;
}

function percent(value) {
  return Number.isNaN(value) ? "–" : `${fixed(value, 1)}\u00a0%`;
}

function effect(value) {
  if (Number.isNaN(value)) return "–";
  const text = Number.isFinite(value) ? fixed(value, 2) : "∞";
  return text === "0.00" || value > 0 ? text : `−${text}`;
}

function pValue(value) {
  if (Number.isNaN(value)) return "–";
  const text = value.toExponential(1);
  const power = Number(text.split("e")[1]);
  return power < -4 ? text.replace(".0e", "e") : String(Number(fixed(value, 1 - power)));
}

function grouped(count) {
  return count.toLocaleString("en");
}

function shadeOf(steps, value) {
  const step = steps.filter((bound) => Math.abs(value) >= bound).length;
  return step ? `${value < 0 ? "fall" : "rise"}-${step}` : "level";
}

/** An element with attributes and children; text is never read as markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function numberCell(text, shade = "") {
  return make("td", { class: `number ${shade}`.trim() }, text);
}

/** An accuracy with the counts behind it. */
function countCell(right, all, kind = "") {
  const counts = make("span", { class: "secondary" }, ` (${grouped(right)} of ${grouped(all)})`);
  return make("td", { class: `number ${kind}`.trim() }, percent(all ? (100 * right) / all : NaN), counts);
}

/** A name that may break after underscores, plus signs and colons. */
function breakable(name) {
  return name.split(/(?<=[_+:])/).flatMap((part) => [part, make("wbr")]).slice(0, -1);
}

/** What a column's cells are: numbers, and left out where the screen is narrow. */
function classOf({ number, secondary }) {
  return [number && "number", secondary && "secondary"].filter(Boolean).join(" ");
}

const CHANGE = { title: ["change", make("span", { class: "secondary" }, ", points")], number: true };

function headRow(columns) {
  const cells = columns.map((column) => make("th", { scope: "col", class: classOf(column) }, ...[column.title].flat().map(copyOf)));
  return make("thead", {}, make("tr", {}, ...cells));
}

function copyOf(child) {
  return typeof child === "string" ? child : child.cloneNode(true);
}
