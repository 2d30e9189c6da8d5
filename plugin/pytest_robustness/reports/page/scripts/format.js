/** Numbers as the rest of the page writes them (text.py). */
function points(value) {
  if (Number.isNaN(value)) return "–";
  const text = Math.abs(value).toFixed(1);
  return text === "0.0" ? text : (value < 0 ? "−" : "+") + text;
}

function percent(value) {
  return Number.isNaN(value) ? "–" : `${value.toFixed(1)}\u00a0%`;
}

function effect(value) {
  if (Number.isNaN(value)) return "–";
  const size = Number.isFinite(value) ? Math.abs(value).toFixed(2) : "∞";
  return (value < 0 ? "−" : "") + size;
}

function pValue(value) {
  if (Number.isNaN(value)) return "–";
  return value !== 0 && value < 1e-4 ? value.toExponential(1).replace(".0e", "e") : String(Number(value.toPrecision(2)));
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
function countCell(right, all) {
  const counts = make("span", { class: "secondary" }, ` (${grouped(right)} of ${grouped(all)})`);
  return make("td", { class: "number" }, percent(all ? (100 * right) / all : NaN), counts);
}

function headRow(titles) {
  const cells = titles.map(([title, number]) => make("th", number ? { scope: "col", class: "number" } : { scope: "col" }, title));
  return make("thead", {}, make("tr", {}, ...cells));
}
