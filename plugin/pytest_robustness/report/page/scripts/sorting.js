/** Makes the heads of a table buttons that sort its rows; cells that hold no figure come last in either order. */
function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const collator = new Intl.Collator("en", { numeric: true });

  /** What a cell is sorted by: its number, or else its text; null where it has neither. */
  function valueOf(cell) {
    const text = cellText(cell);
    if (text === "") return null;
    const number = Number(text);
    return Number.isNaN(number) ? text : number;
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return collator.compare(String(a), String(b));
  }

  heads.forEach((head, column) => {
    const button = make("button", { type: "button" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const keyed = rows.map((row, number) => ({ row, number, value: valueOf(row.cells[column]) }));
      keyed.sort((a, b) => (a.value === null) - (b.value === null)
        || (a.value === null ? 0 : (ascending ? 1 : -1) * compare(a.value, b.value)) || a.number - b.number);
      table.tBodies[0].append(...keyed.map(({ row }) => row));
    });
  });
}
