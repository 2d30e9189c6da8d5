async function start() {
  startTheme();
  const data = await readData();
  const explorer = data.classTests.length ? new Explorer(data) : null;
  const models = data.cells.length ? new ModelPage(data) : null;
  startTabs((name, [first, second]) => {
    if (name === "models" && first !== undefined) models?.choose(first, second);
    if (name === "classes" && first !== undefined) explorer?.chooseCondition(first);
  });
  for (const note of document.querySelectorAll("[data-without-script]")) note.hidden = true;
  document.documentElement.dataset.ready = "";
}

start();
