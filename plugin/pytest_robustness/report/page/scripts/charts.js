const PAINT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "font-size"];

/** An element of a chart; the name of its language is taken from a chart of the page, which names no address. */
function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(document.querySelector("svg").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Copies a part of a chart with its colours as attributes, because a file has no style sheet. */
function painted(element) {
  const copy = element.cloneNode(true);
  const originals = [element, ...element.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((part, index) => {
    const style = getComputedStyle(originals[index]);
    for (const name of PAINT) part.setAttribute(name, style.getPropertyValue(name));
    part.removeAttribute("class");
  });
  return copy;
}

/** A whole file: a title above, on the ground of the page. */
function svgFile(width, height, title, ...children) {
  const style = getComputedStyle(document.body);
  const file = makeSvg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "font-family": "system-ui, sans-serif", "font-size": 12 },
    makeSvg("rect", { width, height, fill: style.backgroundColor }),
    makeSvg("text", { x: 10, y: 20, "font-weight": 600, "font-size": 14, fill: style.color }, title), ...children);
  return new XMLSerializer().serializeToString(file);
}

function curveSvg(svg, caption) {
  const { width, height } = svg.viewBox.baseVal;
  const inner = makeSvg("g", { transform: "translate(0 28)" }, ...[...svg.children].map(painted));
  return svgFile(width, height + 28, caption, inner);
}

/** A chart of bars, which the page lays out as a table. */
function barsSvg(table) {
  const style = getComputedStyle(document.body);
  const [names, bar, column, line] = [230, 360, 90, 26];
  const text = (x, y, content, anchor = "start") => makeSvg("text", { x, y, "text-anchor": anchor, fill: style.color }, content);
  const heads = [...table.tHead.rows[0].cells].slice(2).map((cell, index) => text(names + bar + column * (index + 1), 46, cell.textContent.trim(), "end"));
  const rows = [...table.tBodies[0].rows].flatMap((row, number) => {
    const y = 56 + line * number;
    const chart = row.querySelector("svg");
    const scale = bar / chart.viewBox.baseVal.width;
    const parts = [...chart.children].map((part) => painted(part));
    for (const part of parts) part.setAttribute("vector-effect", "non-scaling-stroke");
    return [
      text(10, y + 14, row.cells[0].textContent.trim()),
      makeSvg("g", { transform: `translate(${names} ${y}) scale(${scale} 1.8)` }, ...parts),
      ...[...row.cells].slice(2).map((cell, index) => text(names + bar + column * (index + 1), y + 14, cell.textContent.trim(), "end")),
    ];
  });
  const width = names + bar + column * heads.length + 20;
  return svgFile(width, 66 + line * table.tBodies[0].rows.length, table.closest("figure").querySelector("h3").textContent, ...heads, ...rows);
}

/** Draws a chart at twice its size. */
async function pngOf(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = make("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
