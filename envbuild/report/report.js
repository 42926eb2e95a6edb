"use strict";
// All that is shown here stands in the table; nothing is fetched, and nothing is ever read as markup.
(() => {
  const chosen = document.getElementById("chosen");
  const table = document.getElementById("table");
  const rows = [...table.tBodies[0].rows];
  const line = (name, ...values) => {
    const p = document.createElement("p");
    p.append(`${name}: `, ...values);
    return p;
  };
  const names = (cell, none) => (cell.textContent ? [...cell.cloneNode(true).childNodes] : [none]);
  const show = (number) => {
    const row = document.getElementById(`p${number}`);
    const cell = (at) => row.cells[at].textContent;
    const title = document.createElement("h3");
    title.textContent = `${cell(0)} ${cell(1)}`;
    const wanted = row.dataset.requested ? "the definition asks for it" : "no one but other packages asks for it";
    const lines = [line("size", `${cell(3)}, layer ${cell(2)}`), line("licence", cell(4)), line("needs", ...names(row.cells[5], "nothing")),
      line("needed by", ...names(row.cells[6], wanted)), line("from", row.dataset.place || "unknown"), line("hash", row.dataset.digest || "none")];
    const link = document.createElement("a");
    link.href = `#p${number}`;
    link.textContent = "its row";
    chosen.replaceChildren(title, ...lines, link);
    for (const box of boxes) box.classList.toggle("on", box.dataset.number === number);
    // from package to package, without leaving the picture; the last link leads to the row
    for (const one of chosen.querySelectorAll("p a")) one.addEventListener("click", (event) => choose(event, one.hash.slice(2)));
  };
  const choose = (event, number) => {
    event.preventDefault();
    show(number);
  };
  const boxes = [...document.querySelectorAll(".treemap a")];
  for (const box of boxes) box.addEventListener("click", (event) => choose(event, box.dataset.number));
  const filter = document.getElementById("filter");
  filter.parentElement.hidden = false;
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  const value = (row, at) => {
    const cell = row.cells[at];
    return cell.dataset.value === undefined ? cell.textContent.toLowerCase() : Number(cell.dataset.value);
  };
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      [...table.tHead.rows[0].cells].forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (value(a, at) < value(b, at) ? -1 : value(a, at) > value(b, at) ? 1 : 0);
      table.tBodies[0].append(...[...rows].sort((a, b) => (down ? order(b, a) : order(a, b))));
    });
  });
})();
