/** Opens or closes, below a row, the accuracy of each model on the class. */
function toggleDetail(explorer, row, line, button) {
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  if (open) line.nextElementSibling.remove();
  else line.after(makeDetail(explorer, row));
}

function makeDetail({ data, columns }, { test, index }) {
  const name = data.classes[index];
  const body = make("tbody");
  for (const model of test.models) {
    const before = cellOf(data, model, -1);
    const after = cellOf(data, model, test.condition);
    if (before && after) body.append(detailRow(data, data.models[model], index, before, after));
  }
  const label = `${name} under ${data.conditions[test.condition].label}, by model`;
  const table = make("table", { class: "wide", "aria-label": label },
    headRow([{ title: "model" }, { title: "control", number: true }, { title: "transformed", number: true }, CHANGE]), body);
  const { change, interval, expected, pooled, p, pImages, effect } = test.texts;
  const summary = [
    `Expected on other images: ${expected[index]} points, 90 % interval ${pooled[index]}.`,
    `Its own change: ${change[index]} points; ${test.kind}: 95 % interval ${interval[index]}, p = ${(test.texts.corrected ?? p)[index]}, effect size ${effect[index]}; images: p = ${pImages[index]}.`,
    ...(test.alone ?? []).filter(([of]) => of === index).map(([, model, fall]) => `Shown in ${model} alone: ${fall} points.`),
  ].map((text) => make("p", {}, text));
  const parts = [...summary, table, ...mistakes(data, test, index), ...pictured(data, test, index)];
  return make("tr", { class: "detail" }, make("td", { colspan: columns.length }, make("div", {}, ...parts)));
}

/** What the models took the class for: each wrong answer with its number of answers, and that in control. */
function mistakes(data, test, index) {
  const found = test.mistakes?.[index];
  if (!found?.length) return [make("p", { class: "quiet" }, "No model took an image of it for something else.")];
  const answers = found.map(([answer, control, treated]) =>
    make("span", {}, ...breakable(typeof answer === "number" ? data.classes[answer] : answer), " ", make("b", {}, grouped(treated)), ` (${grouped(control)})`));
  return [make("p", { class: "confusions" }, "Mistaken for, by all models (in control): ", ...answers.flatMap((answer) => [answer, " "]))];
}

function pictured(data, test, index) {
  const found = picturesOf(index, test.condition);
  if (!found.length) return [make("p", { class: "quiet" }, "The gallery has no image of it.")];
  return [make("div", { class: "copied" }, ...found)];
}

function detailRow(data, model, index, before, after) {
  const [control, treated] = [before, after].map(({ size, correct }) => ({ n: data.sizes[size][index], right: correct[index] }));
  const change = (100 * treated.right) / treated.n - (100 * control.right) / control.n;
  const counts = ({ n, right }) => countCell(data.percents[n][right], right, n);
  return make("tr", {},
    make("th", { scope: "row" }, ...breakable(model)), counts(control), counts(treated),
    numberCell(data.changes[after.changes[index]], shadeOf(data.shadeSteps, change)));
}
