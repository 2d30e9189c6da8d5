/** The name of a test of the classes: a condition tested over different models has more than one. */
function testLabel(data, test) {
  const label = data.conditions[test.condition].label;
  const several = data.classTests.filter((other) => other.condition === test.condition).length > 1;
  return several ? `${label} (${test.models.length === 1 ? data.models[test.models[0]] : `${test.models.length} models`})` : label;
}

/** The models in which alone a class fell, by the number of the class. */
function fallsAlone(test) {
  const found = new Map();
  for (const [index, model] of test.alone ?? []) found.set(index, [...(found.get(index) ?? []), model]);
  return found;
}

/** The place of each class by name, numbers within names by their value. */
function ranksOf(names) {
  const collator = new Intl.Collator("en", { numeric: true });
  const sorted = names.map((_, index) => index).sort((a, b) => collator.compare(names[a], names[b]) || a - b);
  return new Map(sorted.map((index, rank) => [index, rank]));
}

/** Sorts rows by the value of a column; NaN comes last in either order. */
function sortRows(rows, { column: { key }, down }, place) {
  const sign = down ? -1 : 1;
  rows.sort((a, b) => Number.isNaN(a[key]) - Number.isNaN(b[key]) || sign * (a[key] - b[key]) || place(a) - place(b));
}

/** All classes under all conditions in one table; `only` is the number of the class that is shown alone, if one is. */
class Explorer extends PagedTable {
  only = null;

  constructor(data) {
    super({ scroll: "explorer", unit: "row", units: "rows" });
    this.data = data;
    this.columns = this.makeColumns();
    this.rows = this.makeRows();
    this.order = { column: this.columns.find((column) => column.key === "expected"), down: false };
    this.table = document.querySelector("table.explorer");
    this.makeHead();
    this.makeControls();
    this.update();
  }

  makeColumns() {
    const columns = [
      { key: "name", title: "class" },
      { key: "condition", title: "condition" },
      { key: "control", title: "control", number: true, secondary: true },
      { key: "treated", title: "transformed", number: true, secondary: true },
      { key: "expected", title: "expected change", number: true },
      { key: "change", ...CHANGE },
      { key: "p", title: "p", number: true },
      { key: "corrected", title: "corrected p", number: true },
      { key: "effect", title: "effect size", number: true, wideOnly: true },
      { key: "pImages", title: "p (images)", number: true, wideOnly: true },
      { key: "sensitive", title: "sensitive" },
      { key: "beyond", title: "beyond" },
    ];
    return columns.filter((column) => this.data.corrected || column.key !== "corrected");
  }

  makeRows() {
    const names = this.data.classes;
    const ranks = ranksOf(names);
    const twice = names.map((name) => names.indexOf(name) !== names.lastIndexOf(name));
    const lower = names.map((name) => name.toLowerCase());
    const rows = [];
    this.data.classTests.forEach((test, number) => {
      const { numbers } = test;
      const blind = new Set(test.blind);
      const alone = fallsAlone(test);
      for (let index = 0; index < names.length; index++) {
        if (test.sensitive[index] === null) continue;
        rows.push({
          test, index,
          number: rows.length,
          twice: twice[index],
          lower: lower[index],
          name: ranks.get(index),
          condition: number,
          control: numberOf(numbers.control[index]),
          treated: numberOf(numbers.treated[index]),
          expected: numberOf(numbers.expected[index]),
          change: numberOf(numbers.change[index]),
          p: numberOf(numbers.p[index]),
          corrected: numberOf((numbers.corrected ?? numbers.p)[index]),
          effect: numberOf(numbers.effect[index]),
          pImages: numberOf(numbers.pImages[index]),
          sensitive: test.sensitive[index],
          beyond: test.beyond[index],
          alone: alone.get(index) ?? [],
          blind: blind.has(index),
        });
      }
    });
    return rows;
  }

  makeHead() {
    const head = this.table.tHead.rows[0];
    for (const column of this.columns) {
      const button = make("button", { type: "button" }, ...[column.title].flat().map(copyOf));
      button.addEventListener("click", () => this.sortBy(column));
      column.cell = make("th", { scope: "col", class: classOf(column) }, button);
      head.append(column.cell);
    }
  }

  makeControls() {
    const find = (id) => document.getElementById(id);
    this.controls = {
      name: find("filter-name"), condition: find("filter-condition"), sensitive: find("filter-sensitive"), beyond: find("filter-beyond"),
      count: find("found"), before: find("page-before"), after: find("page-after"), where: find("page-where"),
    };
    this.data.classTests.forEach((test, number) => {
      this.controls.condition.append(make("option", { value: number }, this.label(test)));
    });
    this.controls.name.addEventListener("input", () => (this.only = null));
    for (const control of [this.controls.name, this.controls.condition, this.controls.sensitive, this.controls.beyond]) {
      control.addEventListener("input", () => this.restart());
    }
    this.controls.condition.addEventListener("input", () => setAddress(this.address()));
    find("filters").addEventListener("submit", (event) => event.preventDefault());
    this.controls.before.addEventListener("click", () => this.turn(-1));
    this.controls.after.addEventListener("click", () => this.turn(1));
    find("copy").addEventListener("click", async () => {
      const copied = await copyText(explorerCsv(this));
      this.controls.count.textContent = copied ? `${grouped(this.shown.length)} rows copied` : "The browser does not let this page copy.";
    });
    find("save").addEventListener("click", () => save(explorerCsv(this), "text/csv;charset=utf-8", fileName("classes", "csv")));
    for (const id of ["filters", "explorer", "pages"]) find(id).hidden = false;
  }

  filters() {
    const { name, condition, sensitive, beyond } = this.controls;
    const typed = name.value.trim();
    return [
      ...(this.only !== null ? [`class ${this.data.classes[this.only]}`] : typed ? [`class contains ${typed}`] : []),
      ...(condition.value === "" ? [] : [`condition ${condition.selectedOptions[0].text}`]),
      ...[sensitive, beyond].filter((box) => box.checked).map((box) => box.parentElement.textContent.trim()),
    ];
  }

  label(test) {
    return testLabel(this.data, test);
  }

  /** Shows one test of the classes; a condition that was tested over different models has several. */
  chooseCondition(condition, which = 0) {
    const test = this.data.classTests.filter((one) => one.condition === condition)[which];
    this.controls.condition.value = test ? String(this.data.classTests.indexOf(test)) : "";
    this.restart();
  }

  address() {
    const test = this.data.classTests[this.controls.condition.value || -1];
    if (!test) return "classes";
    const which = this.data.classTests.filter((one) => one.condition === test.condition).indexOf(test);
    return `classes/${test.condition}${which ? `/${which}` : ""}`;
  }

  /** Shows the rows of one class alone until the reader types, and opens the first: names may be part of others, or twins. */
  chooseClass(index) {
    const { condition, sensitive, beyond } = this.controls;
    this.only = index;
    this.controls.name.value = this.data.classes[index];
    condition.value = "";
    sensitive.checked = beyond.checked = false;
    setAddress(this.address());
    this.restart();
    this.table.querySelector("tbody .opens")?.click();
  }

  sortBy(column) {
    const again = this.order.column === column;
    this.order = { column, down: again ? !this.order.down : ["sensitive", "beyond"].includes(column.key) };
    this.restart();
  }

  update() {
    const name = this.controls.name.value.trim().toLowerCase();
    const { condition, sensitive, beyond } = this.controls;
    const wanted = condition.value === "" ? null : Number(condition.value);
    this.shown = this.rows.filter((row) =>
      (wanted === null || row.condition === wanted) && (!sensitive.checked || row.sensitive) && (!beyond.checked || row.beyond) && (this.only === null ? row.lower.includes(name) : row.index === this.only));
    sortRows(this.shown, this.order, (row) => row.number);
    this.render();
  }

  makeRow(row) {
    const { test, index } = row;
    const button = make("button", { type: "button", class: "opens", "aria-expanded": "false" }, ...breakable(this.data.classes[index]));
    const text = (key, kind = "") => numberCell(test.texts[key][index], kind);
    const answer = (found, sign, no) => make("td", found ? { class: "found-mark" } : {}, found ? `yes ${sign}` : no);
    const cells = {
      name: () => make("th", { scope: "row", class: "name" }, button, ...(row.twice ? [make("span", { class: "index" }, `#${index}`)] : [])),
      condition: () => make("td", {}, ...breakable(this.label(test)), ...(test.earlier ? [make("span", { class: "range" }, `earlier run, of ${test.earlier}`)] : [])),
      control: () => text("control", "secondary"),
      treated: () => text("treated", "secondary"),
      expected: () => pooledCell(test.texts.expected[index], test.texts.pooled[index], shadeOf(this.data.shadeSteps, row.expected)),
      change: () => text("change", shadeOf(this.data.shadeSteps, row.change)),
      p: () => text("p"),
      corrected: () => text("corrected"),
      effect: () => text("effect", "wide-only"),
      pImages: () => text("pImages", "wide-only"),
      sensitive: () => answer(row.sensitive, "*", Number.isNaN(row.p) ? "not tested" : "no"),
      beyond: () => row.alone.length
        ? make("td", { class: "found-mark" }, `in ${row.alone.length > 2 ? `${row.alone.length} models` : row.alone.join(", ")} alone !`)
        : answer(row.beyond, "!", row.blind ? "blind" : "no"),
    };
    const line = make("tr", {}, ...this.columns.map((column) => cells[column.key]()));
    button.addEventListener("click", () => toggleDetail(this, row, line, button));
    return line;
  }
}
