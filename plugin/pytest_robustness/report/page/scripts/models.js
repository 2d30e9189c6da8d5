const EXPECTED = "Expected change: what to expect on other images, with its 90 % interval. Of many classes the worst look worse than they are, so each one's own change is drawn towards that of the others, unless it stands apart from them.";

/** What the images of all classes show of a model. */
function imagesText({ n, lost, gained, p }) {
  return `Of ${grouped(n)} images ${grouped(lost)} were lost and ${grouped(gained)} gained (McNemar's exact test: p = ${p}).`;
}

/** An outcome as a badge, with its marks. */
function resultOf({ outcome, mark, known, earlier }) {
  const word = known ? "KNOWN" : outcome;
  const badge = make("span", { class: `badge ${word.toLowerCase()}` }, word);
  return [badge, ...(mark && mark !== "?" ? [` ${mark}`] : []), ...(earlier ? [make("span", { class: "range" }, `earlier run, of ${earlier}`)] : [])];
}

/** One model: its tests under every condition, and under one of them the classes that fell most. */
class ModelPage {
  constructor(data) {
    this.data = data;
    this.select = document.getElementById("model");
    this.conditionSelect = document.getElementById("model-condition");
    const places = [...data.cells, ...data.errors];
    this.models = [...new Set(places.map(({ model }) => model))].sort((a, b) => a - b);
    this.conditions = [...new Set(places.map(({ condition }) => condition))].filter((c) => c >= 0).sort((a, b) => a - b);
    for (const model of this.models) this.select.append(make("option", { value: model }, data.models[model]));
    for (const condition of this.conditions) {
      this.conditionSelect.append(make("option", { value: condition }, data.conditions[condition].label));
    }
    this.select.addEventListener("input", () => this.chooseByHand(Number(this.select.value), this.condition));
    this.conditionSelect.addEventListener("input", () => this.chooseByHand(this.model, Number(this.conditionSelect.value)));
    document.getElementById("model-controls").hidden = false;
    this.choose(this.models[0]);
  }

  /** Shows a model; without a condition that under which it fell most. */
  choose(model, condition) {
    if (!this.models.includes(model)) return;
    this.model = model;
    this.condition = this.conditions.includes(condition) ? condition : this.worst();
    this.select.value = String(this.model);
    this.conditionSelect.value = String(this.condition);
    this.namePaper();
    document.getElementById("model-page").replaceChildren(...this.overview(), ...this.confusions());
  }

  chooseByHand(model, condition) {
    this.choose(model, condition);
    setAddress(this.address());
  }

  address() {
    return `models/${this.model}/${this.condition}`;
  }

  /** Names the model on paper, where no control says which it is. */
  namePaper() {
    const others = this.models.length > 1 ? `: on paper stands this model alone, one of ${grouped(this.models.length)}; results.json has all.` : "";
    document.getElementById("model-on-paper").replaceChildren(make("strong", {}, ...breakable(this.data.models[this.model])), others);
  }

  /** What `rows` hold of the model that is shown, under a condition. */
  of(rows, condition) {
    return rows.find((row) => row.model === this.model && row.condition === condition);
  }

  /** Whether the model has more outputs than five, so that top-5 accuracy says something. */
  hasTop5() {
    return this.data.cells.some(({ model, top5 }) => model === this.model && top5 !== undefined);
  }

  /** The condition under which the model fell most. */
  worst() {
    const change = (condition) => this.of(this.data.cells, condition)?.judged ?? null;
    const known = this.conditions.filter((condition) => change(condition) !== null);
    return known.sort((a, b) => change(a) - change(b))[0] ?? this.conditions[0];
  }

  overview() {
    const tests = this.data.modelTests.filter((test) => test.model === this.model);
    const corrected = tests.some((test) => test.corrected !== null);
    const columns = [
      { title: "condition" },
      { title: "control", number: true, secondary: true },
      { title: "transformed", number: true, secondary: true },
      ...(this.hasTop5() ? [{ title: "top-5: transformed", number: true, secondary: true }] : []),
      CHANGE,
      { title: "mean over classes", number: true },
      { title: `${tests[0]?.level ?? 90} % interval`, number: true },
      { title: "t-test: 95 % interval", number: true },
      { title: "t-test: p", number: true },
      ...(corrected ? [{ title: "t-test: corrected p", number: true }] : []),
      { title: "t-test: effect size", number: true },
      { title: "result" },
    ];
    const bodies = this.conditions.map((condition) => this.conditionRows(condition, corrected, columns.length));
    const table = make("table", { class: "wide", "aria-label": `${this.data.models[this.model]} under every condition` }, headRow(columns), ...bodies);
    const note = make("p", { class: "note" },
      "Control, transformed and change are of top-1 accuracy over all images. ", make("b", {}, "Mean over classes"),
      " is the change, in points, of the mean of the accuracies on the classes, each of which counts the same. The interval beside it comes from the images: it decides whether the change lies within the margin. The t-test takes the classes for its observations.");
    const download = make("p", { class: "downloads" }, csvButton(table, `${this.data.models[this.model]}-conditions`));
    return [make("div", { class: "scroll", role: "region", "aria-label": "Conditions", tabindex: "0" }, table), download, ...(tests.length ? [note] : [])];
  }

  /** A condition's figures, and below them the reason of its verdict. */
  conditionRows(condition, corrected, width) {
    const button = make("button", { type: "button", class: "opens", "aria-pressed": String(condition === this.condition) }, ...breakable(this.data.conditions[condition].label));
    button.addEventListener("click", () => {
      this.chooseByHand(this.model, condition);
      document.querySelector('#model-page [aria-pressed="true"]').focus({ preventScroll: true });
    });
    const test = this.of(this.data.modelTests, condition);
    const failed = this.of(this.data.errors, condition);
    const row = make("tr", {}, make("th", { scope: "rowgroup", rowspan: 1 + Boolean(test) + Boolean(test && failed) }, button));
    const body = make("tbody", condition === this.condition ? { class: "picked" } : {}, row);
    if (failed && !test) row.append(make("td", { colspan: width - 1 }, make("strong", {}, "Error. "), failed.error));
    else row.append(...this.accuracyCells(condition), ...this.testCells(test, corrected));
    if (test) body.append(make("tr", {}, make("td", { class: "why", colspan: width - 1 }, test.reason)));
    if (test && failed) body.append(make("tr", {}, make("td", { class: "why", colspan: width - 1 }, make("strong", {}, "Error. "), failed.error)));
    return body;
  }

  accuracyCells(condition) {
    const before = this.of(this.data.cells, -1);
    const after = this.of(this.data.cells, condition);
    return [
      numberCell(before?.accuracy ?? "–", "secondary"),
      numberCell(after?.accuracy ?? "–", "secondary"),
      ...(this.hasTop5() ? [numberCell(after?.top5 ?? "–", "secondary quiet")] : []),
      numberCell(after?.changeText ?? "–", shadeOf(this.data.shadeSteps, after?.change ?? 0)),
    ];
  }

  testCells(test, corrected) {
    const figures = [test?.mean, test?.deciding, test?.interval, test?.p, ...(corrected ? [test?.corrected ?? test?.p] : []), test?.effect];
    const result = make("td", { class: "result" }, ...(test ? resultOf(test) : ["not tested"]));
    return [...figures.map((text) => numberCell(text ?? "–")), result];
  }

  confusions() {
    const { data, model, condition } = this;
    const label = data.conditions[condition].label;
    const heading = make("h3", {}, `${data.models[model]} under ${label}: the classes that fell most`);
    const test = this.of(data.modelTests, condition);
    const verdict = test ? [make("p", { class: "note" }, imagesText(test.images)), make("p", { class: "note" }, EXPECTED)] : [];
    const classes = this.of(data.confusions, condition)?.classes ?? [];
    if (!classes.length) return [heading, ...verdict, make("p", {}, "No class fell.")];
    const rows = classes.map((found) => this.confusionRow(found));
    const table = make("table", { class: "wide" },
      headRow([{ title: "class" }, { title: "control", number: true, secondary: true }, { title: "transformed", number: true, secondary: true }, { title: "expected change", number: true }, CHANGE, { title: "mistaken for (in control)" }]),
      make("tbody", {}, ...rows));
    const download = make("p", { class: "downloads" }, csvButton(table, `${data.models[model]}-${label}-classes`));
    return [heading, ...verdict, download, make("div", { class: "scroll", role: "region", "aria-label": "Classes that fell most", tabindex: "0" }, table)];
  }

  confusionRow({ index, n, right, percents, change, changeText, expected, expectedText, pooled, confusions }) {
    const answers = confusions.map(([name, control, treated]) =>
      make("span", {}, ...breakable(name), " ", make("b", {}, grouped(treated)), ` (${grouped(control)})`));
    return make("tr", {},
      make("th", { scope: "row", class: "name" }, ...breakable(this.data.classes[index])),
      ...right.map((count, side) => countCell(percents[side], count, n, "secondary")),
      pooledCell(expectedText, pooled, shadeOf(this.data.shadeSteps, expected)),
      numberCell(changeText, shadeOf(this.data.shadeSteps, change)),
      make("td", { class: "confusions" }, ...answers));
  }
}
