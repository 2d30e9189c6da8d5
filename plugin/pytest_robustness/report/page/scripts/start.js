async function start() {
  startTheme();
  const data = await readData();
  const explorer = data.classTests.length ? new Explorer(data) : null;
  const matrix = data.classTests.length ? new Matrix(data) : null;
  const models = data.cells.length ? new ModelPage(data) : null;
  startGallery(data);
  for (const table of document.querySelectorAll("table[data-sortable]")) makeSortable(table);
  addDownloads();
  const open = startTabs((name, [first, second]) => {
    if (name === "models" && first !== undefined) models?.choose(first, second);
    if (name === "classes" && first !== undefined) explorer?.chooseCondition(first, second);
    return { models, classes: explorer }[name]?.address();
  });
  if (matrix) {
    matrix.opened = (index) => {
      open("classes");
      explorer.chooseClass(index);
    };
  }
  for (const note of document.querySelectorAll("[data-without-script]")) note.hidden = true;
  document.documentElement.dataset.ready = "";
}

start();
