// What a report does besides: tables sort, commands are copied, and all is printed.
(() => {
  const {all, one, made, tell} = pictures;
  pictures.attach(document, JSON.parse(one("#values").textContent));

  // Tables: headings sort, and a field filters.
  const compared = (a, b) => a.v === null ? (b.v === null ? 0 : 1) : b.v === null ? -1
    : typeof a.v === "number" && typeof b.v === "number" ? a.v - b.v
    : String(a.v).localeCompare(String(b.v), undefined, {numeric: true});
  for (const holder of all(".table")) {
    const body = one("tbody", holder), rows = [...body.rows], heads = all("thead th", holder);
    heads.forEach((head, column) => {
      const button = made("button", {type: "button"}, head.textContent);
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const read = row => {
          const cell = row.cells[column], number = cell.dataset.v;
          return {row, v: number === undefined ? cell.textContent : number === "nan" ? null : Number(number)};
        };
        const sign = down ? -1 : 1;
        const order = rows.map(read).sort((a, b) =>
          a.v === null || b.v === null ? compared(a, b) : sign * compared(a, b));
        body.append(...order.map(each => each.row));
        tell(`Sorted by ${button.textContent}, ${down ? "descending" : "ascending"}`);
      });
    });
    const box = one(".rows", holder), hint = made("span", {className: "more"});
    box.before(hint);
    const hidden = () => {
      const edge = box.getBoundingClientRect().right;
      const more = heads.filter(head => head.getBoundingClientRect().right > edge + 1).length;
      hint.textContent = more ? `${more} more column${more > 1 ? "s" : ""} to the right: scroll the table sideways →` : "";
    };
    box.addEventListener("scroll", hidden, {passive: true});
    new ResizeObserver(hidden).observe(box);
    const line = one(".filter", holder), field = one("input", line), count = one("span", line);
    line.hidden = rows.length < 5;
    const texts = rows.map(row => row.textContent.toLowerCase());
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, place) => {
        row.hidden = !words.every(word => texts[place].includes(word));
        shown += !row.hidden;
      });
      count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
  }

  // Copying, also where a file has no clipboard.
  const copied = async text => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* the old way */ }
    const area = made("textarea", {value: text, className: "unseen"});
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  for (const button of all(".copy")) {
    button.hidden = false;
    button.setAttribute("aria-label", `Copy ${button.dataset.copy}`);
    button.addEventListener("click", async () => {
      const done = await copied(button.dataset.copy);
      button.textContent = done ? "Copied" : "Select and copy";
      tell(button.textContent);
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // What is folded away is printed too.
  const folded = () => all("details:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => { opened = folded(); for (const each of opened) each.open = true; });
  addEventListener("afterprint", () => { for (const each of opened) each.open = false; opened = []; });
})();
