/** Classes as rows, conditions as columns: what to expect of each class under each. */
class Matrix extends PagedTable {
  constructor(data) {
    super({ scroll: "matrix-scroll", unit: "class", units: "classes" });
    this.data = data;
    this.tests = data.classTests;
    this.rows = this.makeRows();
    this.table = document.querySelector("table.class-matrix");
    this.columns = [
      { key: "name", title: "class" },
      { key: "worst", title: "worst", number: true },
      ...this.tests.map((test, at) => ({ key: at, title: testLabel(data, test), number: true })),
    ];
    this.order = { column: this.columns[1], down: false };
    this.makeHead();
    this.makeControls();
    this.update();
  }

  makeRows() {
    const ranks = ranksOf(this.data.classes);
    return this.data.classes.map((shown, index) => {
      const values = this.tests.map(({ numbers }) => numberOf(numbers.expected[index] ?? null));
      const known = values.filter((value) => !Number.isNaN(value));
      const found = this.tests.some((test) => test.sensitive[index] || test.beyond[index]);
      return { index, found, ...values, lower: shown.toLowerCase(), name: ranks.get(index), worst: known.length ? Math.min(...known) : NaN };
    });
  }

  makeHead() {
    for (const column of this.columns) {
      const button = make("button", { type: "button" }, ...breakable(column.title));
      button.addEventListener("click", () => {
        this.order = { column, down: this.order.column === column && !this.order.down };
        this.restart();
      });
      column.cell = make("th", { scope: "col", class: classOf(column) }, button);
      this.table.tHead.rows[0].append(column.cell);
    }
  }

  makeControls() {
    const find = (id) => document.getElementById(`matrix-${id}`);
    this.controls = Object.fromEntries(["name", "found", "count", "before", "after", "where"].map((id) => [id, find(id)]));
    for (const id of ["name", "found"]) this.controls[id].addEventListener("input", () => this.restart());
    find("filters").addEventListener("submit", (event) => event.preventDefault());
    this.controls.before.addEventListener("click", () => this.turn(-1));
    this.controls.after.addEventListener("click", () => this.turn(1));
    find("save").addEventListener("click", () => save(this.csv(), "text/csv;charset=utf-8", fileName("class-matrix", "csv")));
    for (const id of ["filters", "scroll", "pages"]) find(id).hidden = false;
  }

  update() {
    const { name, found } = this.controls;
    const wanted = name.value.trim().toLowerCase();
    this.shown = this.rows.filter((row) => row.lower.includes(wanted) && (!found.checked || row.found));
    sortRows(this.shown, this.order, (row) => row.index);
    this.render();
  }

  makeRow(row) {
    const { data } = this;
    const button = make("button", { type: "button", class: "leads", "data-index": row.index }, ...breakable(data.classes[row.index]));
    button.addEventListener("click", () => this.opened(row.index));
    const lowest = this.tests.findIndex((_, at) => row[at] === row.worst);
    const worst = lowest < 0 ? "–" : this.tests[lowest].texts.expected[row.index];
    return make("tr", {}, make("th", { scope: "row", class: "name" }, button), numberCell(worst), ...this.tests.map((test, at) => this.makeCell(test, row, at)));
  }

  makeCell({ texts, sensitive, beyond }, row, at) {
    const text = texts.expected[row.index];
    if (text === null || text === undefined) return numberCell("–");
    const marks = [sensitive[row.index] && ["*", "sensitive"], beyond[row.index] && ["!", "beyond the margin"]].filter(Boolean);
    const cell = numberCell(text, shadeOf(this.data.shadeSteps, row[at]));
    cell.append(make("span", { class: "mark", "aria-hidden": "true" }, marks.map(([sign]) => sign).join("")));
    if (marks.length) cell.append(make("span", { class: "unseen" }, `, ${marks.map(([, words]) => words).join(", ")}`));
    return cell;
  }

  filters() {
    const { name, found } = this.controls;
    const typed = name.value.trim();
    return [...(typed ? [`class contains ${typed}`] : []), ...(found.checked ? [found.parentElement.textContent.trim()] : [])];
  }

  /** Shows a class in the table of classes; `start` says how. */
  opened() {}

  csv() {
    const head = ["class_index", "class_name", ...this.tests.flatMap((test) => [`${testLabel(this.data, test)} expected change`, `${testLabel(this.data, test)} mark`])];
    const lines = this.shown.map((row) => [
      row.index, this.data.classes[row.index],
      ...this.tests.flatMap((test, at) => [row[at], `${test.sensitive[row.index] ? "*" : ""}${test.beyond[row.index] ? "!" : ""}`]),
    ]);
    return `${[head, ...lines].map((line) => line.map(csvField).join(",")).join("\n")}\n`;
  }
}
