/** The name of a file that is saved: what it holds, of which data. */
function fileName(what, ending) {
  const plain = (text) => text.normalize("NFKD").replace(/[^\w.-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  return `${[plain(document.title), plain(what)].filter(Boolean).join("-").toLowerCase()}.${ending}`;
}

/** Saves a file that was made here; nothing is requested. */
function save(content, type, name) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** The text of a cell as a program reads it: its own number where it has one, else what is shown; the name of a row as it is. */
function cellText(cell) {
  if (cell.dataset.value !== undefined) return cell.dataset.value;
  const copy = cell.cloneNode(true);
  for (const unseen of copy.querySelectorAll(".unseen, svg")) unseen.remove();
  for (const part of copy.querySelectorAll(".range")) part.prepend(" ");
  if (cell.matches('[scope^="row"]')) return copy.textContent;
  const text = copy.textContent.replace(/\s+/g, " ").trim();
  if (!cell.matches("td.number, td.figure, .heat td")) return text === "–" ? "" : text;
  const number = text.replace("−", "-").replace(/ %$/, "").replace(/(?<=\d),(?=\d{3})/g, "");
  if (/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/.test(number)) return number.replace("+", "");
  return text === "–" ? "" : text;
}

function tableCsv(table) {
  const rows = [...table.rows].filter((row) => !row.classList.contains("detail"));
  return rows.map((row) => `${[...row.cells].map((cell) => csvField(cellText(cell))).join(",")}\n`).join("");
}

function saveButton(label, what, action) {
  const button = make("button", { type: "button" }, label, make("span", { class: "unseen" }, ` of ${what.replaceAll("-", " ")}`));
  button.addEventListener("click", action);
  return button;
}

function csvButton(table, what) {
  return saveButton("CSV", what, () => save(tableCsv(table), "text/csv;charset=utf-8", fileName(what, "csv")));
}

/** Puts buttons below a table, or below the region in which it scrolls. */
function putBelow(table, ...buttons) {
  (table.closest(".scroll") ?? table).after(make("p", { class: "downloads" }, ...buttons));
}

function chartButtons(what, draw) {
  return [
    saveButton("SVG", what, () => save(draw(), "image/svg+xml", fileName(what, "svg"))),
    saveButton("PNG", what, async () => save(await pngOf(draw()), "image/png", fileName(what, "png"))),
  ];
}

function addDownloads() {
  for (const table of document.querySelectorAll("table[data-csv]")) {
    const what = table.dataset.csv;
    const charts = table.matches(".bars") ? chartButtons(what, () => barsSvg(table)) : [];
    putBelow(table, ...charts, csvButton(table, what));
  }
  for (const svg of document.querySelectorAll("svg.curve")) {
    const caption = svg.closest("figure").querySelector("figcaption").textContent.trim();
    svg.after(make("p", { class: "downloads" }, ...chartButtons(`${caption} curve`, () => curveSvg(svg, caption))));
  }
}
