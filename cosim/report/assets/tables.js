// Tables that sort: a click on a heading, once more for the other way round.

function makeSortable(table) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = el("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      sortRows(table.tBodies[0], column, rising);
    });
  });
}

function sortRows(body, column, rising) {
  const key = (row) => {
    const cell = row.cells[column];
    if (cell.dataset.sort === "") return null;
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    // "55.27 ± 0.82" sorts by its number.
    const number = Number.parseFloat(cell.textContent.replace(/,/g, ""));
    return Number.isNaN(number) ? cell.textContent : number;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return rising ? order : -order;
  };
  const rows = [...body.rows].map((row) => [key(row), row]);
  rows.sort((a, b) => compare(a[0], b[0]));
  body.append(...rows.map(([, row]) => row));
}
