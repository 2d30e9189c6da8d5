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
    `Its own change: ${change[index]} points; t-test: 95 % interval ${interval[index]}, p = ${(test.texts.corrected ?? p)[index]}, effect size ${effect[index]}; images: p = ${pImages[index]}.`,
  ].map((text) => make("p", {}, text));
  return make("tr", { class: "detail" }, make("td", { colspan: columns.length }, make("div", {}, ...summary, table)));
}

function detailRow(data, model, index, before, after) {
  const [control, treated] = [before, after].map(({ size, correct }) => ({ n: data.sizes[size][index], right: correct[index] }));
  const change = (100 * treated.right) / treated.n - (100 * control.right) / control.n;
  const counts = ({ n, right }) => countCell(data.percents[n][right], right, n);
  return make("tr", {},
    make("th", { scope: "row" }, ...breakable(model)), counts(control), counts(treated),
    numberCell(data.changes[after.changes[index]], shadeOf(data.shadeSteps, change)));
}
