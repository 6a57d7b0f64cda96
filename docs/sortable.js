// Sorts tables of the class "sortable" by the column whose header is clicked. Cells are compared by data-value or text.
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  table.querySelectorAll("thead th").forEach((header, column) => {
    const button = document.createElement("button");
    button.append(...header.childNodes);
    button.type = "button";
    button.style.cssText = "all: unset; cursor: pointer; font-weight: inherit";
    button.addEventListener("focus", () => (button.style.outline = "auto"));
    button.addEventListener("blur", () => (button.style.outline = ""));
    header.append(button);
    button.addEventListener("click", () => {
      const ascending = header.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) =>
        value(a, column).localeCompare(value(b, column), "en", { numeric: true }));
      body.append(...(ascending ? rows : rows.reverse()));
    });
  });
});
