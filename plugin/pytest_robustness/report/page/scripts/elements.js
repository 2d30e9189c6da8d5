/** A count with its thousands set apart; every other figure comes as text from Python. */
function grouped(count) {
  return count.toLocaleString("en");
}

/** The class of the heat scale for a change in points. */
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

/** A change to expect on other images with its interval. */
function pooledCell(text, interval, shade) {
  return make("td", { class: `number ${shade}` }, text, make("span", { class: "range" }, interval));
}

/** An accuracy with the counts behind it. */
function countCell(percent, right, all, kind = "") {
  const counts = make("span", { class: "secondary" }, ` (${grouped(right)} of ${grouped(all)})`);
  return make("td", { class: `number ${kind}`.trim() }, percent, counts);
}

/** A name that may break after underscores, plus signs and colons. */
function breakable(name) {
  return name.split(/(?<=[_+:])/).flatMap((part) => [part, make("wbr")]).slice(0, -1);
}

/** The classes of a column's cells: numbers are flush right; some columns are left out on narrow screens, or on paper. */
function classOf({ number, secondary, wideOnly }) {
  return [number && "number", secondary && "secondary", wideOnly && "wide-only"].filter(Boolean).join(" ");
}

const CHANGE = { title: ["change", make("span", { class: "secondary" }, ", points")], number: true };

function headRow(columns) {
  const cells = columns.map((column) => make("th", { scope: "col", class: classOf(column) }, ...[column.title].flat().map(copyOf)));
  return make("thead", {}, make("tr", {}, ...cells));
}

function copyOf(child) {
  return typeof child === "string" ? child : child.cloneNode(true);
}
