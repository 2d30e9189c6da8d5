/** Opens, or closes, below a row what each model makes of the class. */
function toggleDetail(explorer, row, line, button) {
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  if (open) line.nextElementSibling.remove();
  else line.after(makeDetail(explorer, row));
}

function makeDetail({ data, columns }, row) {
  const { test, index } = row;
  const name = data.classes[index];
  const interval = `${points(numberOf(test.low[index]))} to ${points(numberOf(test.high[index]))}`;
  const body = make("tbody");
  for (const model of test.models) {
    const before = countsOf(data, model, -1);
    const after = countsOf(data, model, test.condition);
    if (!before || !after) continue;
    const share = ({ n, correct }) => (n[index] ? (100 * correct[index]) / n[index] : NaN);
    const change = share(after) - share(before);
    body.append(make("tr", {},
      make("th", { scope: "row" }, ...breakable(data.models[model])),
      countCell(before.correct[index], before.n[index]), countCell(after.correct[index], after.n[index]),
      numberCell(points(change), shadeOf(data.shadeSteps, change))));
  }
  const label = `${name} under ${data.conditions[test.condition].label}, by model`;
  const table = make("table", { class: "wide", "aria-label": label },
    headRow([{ title: "model" }, { title: "control", number: true }, { title: "transformed", number: true }, CHANGE]), body);
  const summary = make("p", {}, `Change ${points(row.change)} points, 95 % interval ${interval}.`);
  return make("tr", { class: "detail" }, make("td", { colspan: columns.length }, make("div", {}, summary, table)));
}
