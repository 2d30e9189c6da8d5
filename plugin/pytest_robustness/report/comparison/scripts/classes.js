const MOST_ROWS = 1000;
const COLUMNS = [
  { title: "class", key: "name" },
  { title: "images", key: "n", number: true },
  { title: "before", key: "before", number: true },
  { title: "now", key: "now", number: true },
  { title: "change", key: "change", number: true },
  { title: "harmful", key: "harmful", number: true },
  { title: "beneficial", key: "beneficial", number: true },
  { title: "other wrong", key: "other", number: true },
  { title: "corrected p", key: "p", number: true },
];

/** The classes of one model under one condition, in the order of a column. */
class ClassTable {
  constructor(data) {
    this.data = data;
    this.order = { key: "change", descending: false };
    this.table = document.getElementById("table");
    this.controls = ["model", "condition", "search", "changed"].map((id) => document.getElementById(id));
    for (const control of this.controls) control.addEventListener("input", () => this.show());
    this.show();
  }

  rows() {
    const [model, condition, search, changed] = this.controls;
    const cell = this.data.cells.find((one) => one.model === Number(model.value) && one.condition === Number(condition.value));
    if (!cell) return [];
    const sizes = this.data.sizes;
    const wanted = search.value.trim().toLowerCase();
    return this.data.classes
      .map((name, i) => {
        const nBefore = sizes[cell.sizeBefore][i];
        const n = sizes[cell.size][i];
        const [harmful, beneficial, other] = cell.churn ? cell.churn.map((counts) => counts[i]) : [NaN, NaN, NaN];
        const before = (100 * cell.right[i]) / nBefore;
        const right = cell.churn ? cell.right[i] - harmful + beneficial : cell.rightNow[i];
        const now = (100 * right) / n;
        return { name, n, before, now, change: now - before, harmful, beneficial, other, p: cell.p[i] ?? (cell.tested[i] ? 1 : NaN) };
      })
      .filter((row) => row.name.toLowerCase().includes(wanted))
      .filter((row) => !changed.checked || row.harmful + row.beneficial + row.other > 0 || (!cell.churn && row.change !== 0));
  }

  show() {
    const rows = this.rows();
    const { key, descending } = this.order;
    const sign = descending ? -1 : 1;
    rows.sort((one, other) => {
      if (key === "name") return sign * one.name.localeCompare(other.name);
      // What is not defined comes last in either order.
      if (Number.isNaN(one[key]) || Number.isNaN(other[key])) return Number.isNaN(one[key]) - Number.isNaN(other[key]);
      return sign * (one[key] - other[key]);
    });
    const shown = rows.slice(0, MOST_ROWS);
    document.getElementById("count").textContent = `${grouped(rows.length)} of ${grouped(this.data.classes.length)} classes`;
    const body = make("tbody", {}, ...shown.map((row) => this.row(row)));
    this.table.replaceChildren(this.head(), body);
  }

  head() {
    const cells = COLUMNS.map((column) => {
      const button = make("button", { type: "button" }, column.title);
      button.addEventListener("click", () => {
        this.order = { key: column.key, descending: this.order.key === column.key && !this.order.descending };
        this.show();
        this.table.querySelectorAll("thead button")[COLUMNS.indexOf(column)].focus();
      });
      const sorted = this.order.key === column.key ? { "aria-sort": this.order.descending ? "descending" : "ascending" } : {};
      return make("th", { scope: "col", class: classOf(column), ...sorted }, button);
    });
    return make("thead", {}, make("tr", {}, ...cells));
  }

  row(row) {
    const points = (value) => (Number.isNaN(value) ? "–" : `${value < 0 ? "−" : value > 0 ? "+" : ""}${Math.abs(value).toFixed(1)}`);
    const plain = (value) => (Number.isNaN(value) ? "–" : grouped(value));
    const percent = (value) => (Number.isNaN(value) ? "–" : value.toFixed(1));
    return make(
      "tr",
      {},
      make("th", { scope: "row", class: "name" }, ...breakable(row.name)),
      numberCell(plain(row.n)),
      numberCell(percent(row.before)),
      numberCell(percent(row.now)),
      numberCell(points(row.change), shadeOf(this.data.shadeSteps, row.change || 0)),
      ...[row.harmful, row.beneficial, row.other].map((count) => numberCell(plain(count))),
      numberCell(Number.isNaN(row.p) ? "–" : String(Number(row.p.toPrecision(2)))),
    );
  }
}

async function start() {
  startTheme();
  if (document.getElementById("table")) new ClassTable(await readData());
  for (const note of document.querySelectorAll("[data-without-script]")) note.hidden = true;
  document.documentElement.dataset.ready = "";
}

start();
