/** A table whose rows are sorted, filtered, and shown a page at a time; `shown` are the rows that the filters leave. */
const PAGE = 50;

class PagedTable {
  page = 0;

  /** `scroll` is the id of what scrolls; `unit` is what a row is, `units` several. */
  constructor({ scroll, unit, units }) {
    this.scroll = document.getElementById(scroll);
    this.paper = make("p", { class: "note on-paper" });
    this.scroll.before(this.paper);
    this.unit = unit;
    this.units = units;
  }

  restart() {
    this.page = 0;
    this.update();
  }

  turn(step) {
    this.page += step;
    this.update();
    this.scroll.scrollTop = 0;
  }

  /** Says on paper which rows are printed, of a table that is not whole there; `filters` names what leaves rows out. */
  notePaper(where, printed) {
    const filters = this.filters();
    const left = this.rows.length - this.shown.length;
    const leftOut = left ? `, of ${grouped(this.rows.length)} in all` : "";
    this.paper.textContent = `On paper: ${[`${where}${leftOut}`, ...filters].join("; ")}; tests.csv has all.`;
    this.paper.hidden = printed === this.rows.length;
  }

  /** What the filters ask for, in words. */
  filters() {
    return [];
  }

  render() {
    for (const column of this.columns) {
      if (column !== this.order.column) column.cell.removeAttribute("aria-sort");
      else column.cell.setAttribute("aria-sort", this.order.down ? "descending" : "ascending");
    }
    const start = this.page * PAGE;
    const visible = this.shown.slice(start, start + PAGE);
    this.table.tBodies[0].replaceChildren(...visible.map((row) => this.makeRow(row)));
    const { count, before, after, where } = this.controls;
    count.textContent = `${grouped(this.shown.length)} of ${grouped(this.rows.length)} ${this.units}`;
    where.textContent = visible.length ? `${grouped(start + 1)} to ${grouped(start + visible.length)}` : `no ${this.unit}`;
    before.disabled = this.page === 0;
    after.disabled = start + PAGE >= this.shown.length;
    this.notePaper(visible.length ? `rows ${where.textContent} of ${grouped(this.shown.length)}` : `no ${this.unit}`, visible.length);
  }
}
