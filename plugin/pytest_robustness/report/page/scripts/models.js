/** One model: its tests under every condition, and under one of them the classes that fell most. */
class ModelPage {
  constructor(data) {
    this.data = data;
    this.select = document.getElementById("model");
    this.conditionSelect = document.getElementById("model-condition");
    this.models = [...new Set([...data.cells, ...data.errors].map(([model]) => model))].sort((a, b) => a - b);
    this.conditions = [...new Set([...data.cells, ...data.errors].map((row) => row[1]))].filter((c) => c >= 0).sort((a, b) => a - b);
    for (const model of this.models) this.select.append(make("option", { value: model }, data.models[model]));
    for (const condition of this.conditions) {
      this.conditionSelect.append(make("option", { value: condition }, data.conditions[condition].label));
    }
    this.select.addEventListener("input", () => this.choose(Number(this.select.value), this.condition));
    this.conditionSelect.addEventListener("input", () => this.choose(this.model, Number(this.conditionSelect.value)));
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
    document.getElementById("model-page").replaceChildren(...this.overview(), ...this.fallen());
  }

  change(condition) {
    const before = countsOf(this.data, this.model, -1);
    const after = countsOf(this.data, this.model, condition);
    return before && after ? accuracyOf(after) - accuracyOf(before) : NaN;
  }

  worst() {
    const known = this.conditions.filter((condition) => !Number.isNaN(this.change(condition)));
    return known.sort((a, b) => this.change(a) - this.change(b))[0] ?? this.conditions[0];
  }

  overview() {
    const tests = this.data.modelTests.filter((test) => test.model === this.model);
    const corrected = tests.some((test) => test.corrected !== null);
    const columns = [
      { title: "condition" },
      { title: "control", number: true, secondary: true },
      { title: "transformed", number: true, secondary: true },
      CHANGE,
      { title: "mean over classes", number: true },
      { title: "95 % interval", number: true },
      { title: "p", number: true },
      ...(corrected ? [{ title: "corrected p", number: true }] : []),
      { title: "effect size", number: true },
      { title: "result" },
    ];
    const rows = this.conditions.map((condition) => this.conditionRow(condition, tests.find((test) => test.condition === condition), corrected, columns.length));
    const table = make("table", { class: "wide", "aria-label": `${this.data.models[this.model]} under every condition` }, headRow(columns), make("tbody", {}, ...rows));
    const note = make("p", { class: "note" },
      "Control, transformed and change are of top-1 accuracy over all images. ", make("b", {}, "Mean over classes"),
      " is the change, in points, of the mean of the accuracies on the classes, each of which counts the same: the test is of it, and so are the interval, p and the effect size.");
    return [make("div", { class: "scroll", role: "region", "aria-label": "Conditions", tabindex: "0" }, table), ...(tests.length ? [note] : [])];
  }

  conditionRow(condition, test, corrected, width) {
    const button = make("button", { type: "button", class: "opens", "aria-pressed": String(condition === this.condition) }, ...breakable(this.data.conditions[condition].label));
    button.addEventListener("click", () => {
      this.choose(this.model, condition);
      document.querySelector('#model-page [aria-pressed="true"]').focus({ preventScroll: true });
    });
    const row = make("tr", condition === this.condition ? { class: "picked" } : {}, make("th", { scope: "row" }, button));
    const error = this.data.errors.find(([model, where]) => model === this.model && where === condition);
    if (error) {
      row.append(make("td", { colspan: width - 1 }, make("strong", {}, "Error. "), error[2]));
      return row;
    }
    const before = countsOf(this.data, this.model, -1);
    const after = countsOf(this.data, this.model, condition);
    const change = this.change(condition);
    row.append(
      numberCell(before ? percent(accuracyOf(before)) : "–", "secondary"), numberCell(after ? percent(accuracyOf(after)) : "–", "secondary"),
      numberCell(points(change), shadeOf(this.data.shadeSteps, change)));
    const mean = test ? numberOf(test.mean) : NaN;
    const interval = test ? `${points(numberOf(test.low))} to ${points(numberOf(test.high))}` : "–";
    row.append(numberCell(points(mean)), numberCell(interval), numberCell(test ? pValue(numberOf(test.p)) : "–"));
    if (corrected) row.append(numberCell(test ? pValue(numberOf(test.corrected ?? test.p)) : "–"));
    row.append(numberCell(test ? effect(numberOf(test.effect)) : "–"));
    row.append(make("td", test?.outcome === "FAIL" ? { class: "result sensitive-mark" } : { class: "result" }, test ? test.word : "not tested"));
    return row;
  }

  fallen() {
    const { data, model, condition } = this;
    const label = data.conditions[condition].label;
    const heading = make("h3", {}, `${data.models[model]} under ${label}: the classes that fell most`);
    const test = data.modelTests.find((found) => found.model === model && found.condition === condition);
    const verdict = test ? [make("p", { class: "note" }, `${test.outcome}: ${test.reason}.`)] : [];
    const found = data.fallen.find((row) => row[0] === model && row[1] === condition)?.[2] ?? [];
    if (!found.length) return [heading, ...verdict, make("p", {}, "No class fell.")];
    const rows = found.map((row) => this.fallenRow(...row));
    const table = make("table", { class: "wide" },
      headRow([{ title: "class" }, { title: "control", number: true, secondary: true }, { title: "transformed", number: true, secondary: true }, CHANGE, { title: "mistaken for (in control)" }]),
      make("tbody", {}, ...rows));
    return [heading, ...verdict, make("div", { class: "scroll", role: "region", "aria-label": "Classes that fell most", tabindex: "0" }, table)];
  }

  fallenRow(index, n, rightControl, rightTreated, mistakes) {
    const change = (100 * rightTreated) / n - (100 * rightControl) / n;
    const answers = mistakes.map(([name, control, treated]) =>
      make("span", {}, ...breakable(name), " ", make("b", {}, grouped(treated)), ` (${grouped(control)})`));
    return make("tr", {},
      make("th", { scope: "row", class: "name" }, ...breakable(this.data.classes[index])),
      countCell(rightControl, n, "secondary"), countCell(rightTreated, n, "secondary"),
      numberCell(points(change), shadeOf(this.data.shadeSteps, change)),
      make("td", { class: "mistakes" }, ...answers));
  }
}
