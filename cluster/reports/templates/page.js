"use strict";
// Tables of class `sortable` can be sorted by their headers, and those with a box of class `tools` before them filtered.
const compare = new Intl.Collator("en", { numeric: true }).compare;
const keyOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
const textOf = (row) => [...row.cells].map((cell) => `${cell.textContent} ${cell.dataset.value ?? ""}`).join(" ").toLowerCase();

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], rows = [...body.rows];
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    if (header.classList.contains("picture")) return;
    const isNumber = header.classList.contains("number");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      // Numbers begin with the largest one.
      const isDown = header.ariaSort ? header.ariaSort === "ascending" : isNumber;
      for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
      header.ariaSort = isDown ? "descending" : "ascending";
      const order = isNumber
        ? (a, b) => (Number(keyOf(a, column)) || 0) - (Number(keyOf(b, column)) || 0)
        : (a, b) => compare(keyOf(a, column), keyOf(b, column));
      body.append(...rows.sort(isDown ? (a, b) => order(b, a) : order));
    });
  });
  const tools = table.closest(".table")?.querySelector(".tools");
  if (!tools) continue;
  const field = document.createElement("input"), count = document.createElement("output");
  field.type = "search";
  field.placeholder = "Filter";
  field.setAttribute("aria-label", `Filter: ${table.caption.textContent}`);
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of rows) row.hidden = !words.every((word) => textOf(row).includes(word));
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = shown < rows.length ? `${shown} of ${rows.length}` : "";
  });
  tools.prepend(field, count);
}

// Browsers that do not know `::details-content` print what is open.
const closed = new Set();
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    closed.add(details);
  }
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
  closed.clear();
});
