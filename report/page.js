// Sorting of tables, and opening what is folded before it is printed. The page says everything without it.
for (const table of document.querySelectorAll("table.sortable")) {
  table.classList.add("live");
  table.querySelectorAll("thead th").forEach((th, i) => {
    const sort = () => {
      const up = th.getAttribute("aria-sort") !== "ascending";
      const key = row => {
        const cell = row.cells[i], text = cell.dataset.s || cell.textContent.trim();
        const n = parseFloat(text.replace(/,/g, ""));
        return cell.classList.contains("n") ? (isNaN(n) ? -Infinity : n) : text;
      };
      table.querySelectorAll("th[aria-sort]").forEach(o => o.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b), d = typeof x === "number" ? x - y : x.localeCompare(y);
        return up ? d : -d;
      }).forEach(row => body.append(row));
    };
    th.tabIndex = 0;
    th.addEventListener("click", sort);
    th.addEventListener("keydown", e => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); sort(); } });
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("section > details").forEach(d => { d.dataset.was = d.open; d.open = true; }));
addEventListener("afterprint", () => document.querySelectorAll("section > details").forEach(d => { d.open = d.dataset.was === "true"; }));
