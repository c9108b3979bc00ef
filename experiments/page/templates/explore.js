// Draws anew while a slider moves: one request at a time, the newest values next.
(() => {
  const {all, one, tell} = pictures;
  const form = one("#controls"), shown = one("#shown"), error = one("#error");
  const page = String(Math.random()).slice(2);
  let busy = false, again = false, first = true, began = 0;
  // The load that was asked for; the slider stands at the nearest one that divides the workers.
  let load = Number(one("#d").value), before = load;
  const snapped = moved => {
    const d = one("#d"), n = Number(one("#n").value);
    if (moved) load = Number(d.value);
    const fits = Array.from({length: Number(d.max)}, (_, i) => i + 1).filter(each => each < n && n % each === 0);
    const onward = moved ? fits.filter(each => load > before ? each >= load : each <= load) : fits;
    const near = onward.length ? onward : fits;
    before = near.reduce((best, each) => Math.abs(each - load) < Math.abs(best - load) ? each : best);
    d.value = String(before);
  };
  const labelled = () => {
    one("#r").setAttribute("max", one("#n").value);
    for (const range of all("input[type=range]", form)) {
      one(`#${range.id}-value`).textContent = String(Number(range.value));
    }
  };
  // Where the keyboard is, to go back to when new pictures have taken the old ones' place.
  const focused = () => {
    const at = document.activeElement;
    if (!at || !one("#pictures").contains(at)) return "";
    return at.id ? `#${at.id}` : at.dataset.key ? `#pictures .key[data-key="${at.dataset.key}"]` : "";
  };
  // While a slider moves, the simulation alone; closed forms that are not known yet follow at rest.
  const draw = async patient => {
    if (busy) { again = true; return; }
    busy = true;
    again = false;
    shown.setAttribute("aria-busy", "true");
    let more = false;
    const asked = began, query = new URLSearchParams(new FormData(form));
    query.set("page", page);
    if (patient) query.set("patient", "1");
    try {
      const answer = await fetch(`draw?${query}`);
      const found = await answer.json();
      error.hidden = !found.error;
      shown.classList.toggle("stale", Boolean(found.error));
      error.textContent = found.error || "";
      if (!found.error) {
        const back = focused();
        pictures.clear();
        one("#inks").textContent = found.inks;
        one("#definitions").innerHTML = found.definitions;
        one("#pictures").innerHTML = found.html;
        one("#config").textContent = found.config;
        for (const row of all("#numbers tbody tr")) { // it hides with its scheme's marks
          const key = all("#pictures .key").find(each => each.textContent.trim() === row.cells[0].textContent);
          Object.assign(row, {className: "mark"}).dataset.k = key.dataset.key;
        }
        pictures.attach(one("#pictures"), found.values);
        if (back) one(back)?.focus({preventScroll: true});
        more = found.more;
        if (!patient) {
          const took = Math.round(performance.now() - asked);
          one("#took").textContent = `Drawn in ${took} ms: 8 replications of 40 iterations of 5 schemes.`;
          shown.dataset.took = String(took);
          if (!first) tell("Drawn anew");
          first = false;
        }
      }
    } catch {
      error.hidden = false;
      error.textContent = "The program behind this page has ended; start erasurehead explore again.";
      shown.classList.add("stale");
    }
    if (!patient) shown.dataset.drawn = String(Number(shown.dataset.drawn || 0) + 1);
    busy = false;
    if (again) draw(false);
    else if (more) draw(true);
    else shown.setAttribute("aria-busy", "false");
  };
  const changed = event => {
    snapped(event?.target === one("#d"));
    labelled();
    began = performance.now();
    draw(false);
  };
  document.body.classList.toggle("big", new URLSearchParams(location.search).has("big"));
  form.addEventListener("input", changed);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => {
    one("#r").setAttribute("max", one("#n").max); // sliders go back after this, no further than allowed
    setTimeout(() => { before = load = Number(one("#d").value); changed(); });
  });
  changed();
})();
