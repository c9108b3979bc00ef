"use strict";
// What a page does with its pictures: schemes are hidden, and values are read.
const pictures = (() => {
  const all = (what, of = document) => [...of.querySelectorAll(what)];
  const one = (what, of = document) => of.querySelector(what);
  const made = (name, props = {}, ...inside) => {
    const node = Object.assign(document.createElement(name), props);
    node.append(...inside);
    return node;
  };
  const tell = text => { one("#said").textContent = text; };

  // Legends: entries become buttons, which hide a scheme in all pictures.
  const hidden = new Set();
  const mark = (key, off) => {
    for (const other of all(`.key[data-key="${key}"]`)) other.setAttribute("aria-pressed", String(!off));
    for (const each of all(`.mark[data-k="${key}"]`)) each.classList.toggle("off", off);
  };
  const attachLegends = root => { for (const span of all("span.key[data-key]", root)) {
    const button = made("button", {type: "button", className: "key"}, ...span.childNodes);
    button.dataset.key = span.dataset.key;
    button.setAttribute("aria-pressed", "true");
    button.title = "Hide or show in all pictures";
    span.replaceWith(button);
    button.addEventListener("click", () => {
      const key = button.dataset.key, off = !hidden.has(key);
      if (off) hidden.add(key); else hidden.delete(key);
      mark(key, off);
      tell(`${button.textContent} ${off ? "hidden" : "shown"}`);
    });
  } for (const key of hidden) mark(key, true); };

  // Reading values: with a pointer, a finger, or the arrow keys.
  const digits = value => value === null || value === undefined ? "none"
    : value === 0 ? "0"
    : Math.abs(value) >= 1e5 || Math.abs(value) < 1e-4 ? value.toExponential(3)
    : String(Number(value.toPrecision(4)));
  const onScale = (axis, value) => {
    const of = axis.log ? Math.log : Number, [low, high] = axis.ends.map(of), [start, end] = axis.at;
    return start + (of(value) - low) / (high - low) * (end - start);
  };
  const offScale = (axis, place) => {
    const of = axis.log ? Math.log : Number, [low, high] = axis.ends.map(of), [start, end] = axis.at;
    const value = low + (place - start) / (end - start) * (high - low);
    return axis.log ? Math.exp(value) : value;
  };
  const short = label => label.replace(/\s*\([^()]*\)\s*$/, "");
  const unit = label => (/\(([^()]*)\)\s*$/.exec(label) || ["", ""])[1];
  const united = (value, label) => {
    const of = unit(label);
    return digits(value) + (of && of.length < 9 ? ` ${of}` : "");
  };

  // The value of a curve at x: on the line between two points, or the last step.
  const at = (curve, axis, x) => {
    const xs = curve.x, size = xs.length;
    let low = 0, high = size - 1;
    if (!size || x < xs[0] || x > xs[high] || xs[0] === null) return null;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] === null || xs[middle] <= x) low = middle; else high = middle;
    }
    const between = (name, scale) => {
      const a = curve[name][low], b = curve[name][high];
      if (a === null || b === null || a === undefined) return null;
      if (curve.steps || xs[high] === xs[low]) return x >= xs[high] ? b : a;
      const of = axis.x.log ? Math.log : Number, share = (of(x) - of(xs[low])) / (of(xs[high]) - of(xs[low]));
      const logs = scale.log && a > 0 && b > 0;
      return logs ? Math.exp(Math.log(a) + share * (Math.log(b) - Math.log(a))) : a + share * (b - a);
    };
    const y = between("y", axis.y);
    if (y === null) return null;
    const found = {y};
    if (curve.low && !curve.across) { found.low = between("low", axis.y); found.high = between("high", axis.y); }
    return found;
  };

  const nameAt = (axis, row) => axis.names?.[axis.places ? axis.places.indexOf(row) : row];
  const rowName = (axis, row) => {
    if (!axis.names) return `${short(axis.label)} ${row}`;
    const name = nameAt(axis, row);
    return name === undefined ? `row ${row + 1}` : axis.label ? `${short(axis.label)} ${name}` : name;
  };

  const readings = (panel, px, py) => {
    const x = offScale(panel.x, px), y = offScale(panel.y, py), lines = [], dots = [];
    const shown = panel.marks.filter(mark => !hidden.has(String(mark.k)));
    let head = `${short(panel.x.label)} ${united(x, panel.x.label)}`;
    for (const mark of shown) {
      if (mark.kind === "curve" && mark.t) {
        const found = at(mark, panel, x);
        if (!found) continue;
        const spread = found.low !== undefined && found.low !== null && (found.low !== found.y || found.high !== found.y)
          ? `${digits(found.low)} to ${digits(found.high)}` : "";
        lines.push({ink: mark.i, title: mark.t, text: digits(found.y), spread, y: found.y});
        dots.push([px, onScale(panel.y, found.y), mark.i]);
      } else if (mark.kind === "heat") {
        const rows = mark.v.length, columns = mark.v[0].length, [left, right] = mark.sides;
        const row = Math.round(y), column = Math.floor((x - left) / (right - left) * columns);
        if (row < 0 || row >= rows || column < 0 || column >= columns) return null;
        const middle = left + (column + .5) * (right - left) / columns;
        head = `${rowName(panel.y, row)}, ${short(panel.x.label)} ${mark.names?.[column] ?? digits(Math.round(middle))}`;
        lines.push({ink: "", title: mark.label || "value", text: digits(mark.v[row][column]), spread: ""});
      } else if (mark.kind === "bars") {
        mark.r.forEach((row, place) => {
          if (Math.abs(row - y) < .45 && mark.s[place] <= x && x <= mark.e[place]) {
            if (panel.y.names && panel.y.names.length) head = `${rowName(panel.y, row)}, ${head}`;
            lines.push({ink: mark.i, title: mark.t, text: united(mark.e[place] - mark.s[place], panel.x.label),
              spread: `${digits(mark.s[place])} to ${digits(mark.e[place])}`});
          }
        });
      }
    }
    let best = null, near = 30;
    for (const mark of shown) {
      if (mark.kind !== "points") continue;
      mark.x.forEach((vx, place) => {
        if (vx === null || mark.y[place] === null) return;
        const spot = [onScale(panel.x, vx), onScale(panel.y, mark.y[place])];
        const far = Math.hypot(spot[0] - px, spot[1] - py);
        if (far < near) { near = far; best = {mark, place, spot}; }
      });
    }
    if (lines.length && near > 9) { // a point under the pointer is meant, not the lines beside it
      lines.sort((a, b) => (b.y ?? 0) - (a.y ?? 0));
      return {head, lines, dots, hair: dots.length > 0};
    }
    if (!best) return null;
    const {mark, place, spot} = best;
    const line = (name, axis) => ({ink: "", title: short(axis.label), text: nameAt(axis, mark[name][place]) ?? united(mark[name][place], axis.label),
      spread: mark[`d${name}`] && mark[`d${name}`][0][place] !== mark[`d${name}`][1][place]
        ? `${digits(mark[`d${name}`][0][place])} to ${digits(mark[`d${name}`][1][place])}` : ""});
    return {head: mark.t || "point", lines: [line("x", panel.x), line("y", panel.y)], dots: [[...spot, mark.i]], hair: false};
  };

  const tip = made("div", {className: "tip", hidden: true});
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const svgNode = (name, attributes) => {
    const node = document.createElementNS(document.documentElement.querySelector("svg").namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  let overlay = null;
  const clear = () => { tip.hidden = true; overlay?.remove(); overlay = null; };
  const show = (svg, panel, px, py, aloud) => {
    const found = readings(panel, px, py);
    clear();
    if (!found) return;
    overlay = svgNode("g", {"aria-hidden": "true"});
    if (found.hair) overlay.append(svgNode("path", {class: "hair", d: `M${px} ${panel.y.at[0]}V${panel.y.at[1]}`}));
    for (const [x, y, ink] of found.dots) overlay.append(svgNode("circle", {class: `dot-on ${ink}`, cx: x, cy: y, r: 4}));
    svg.append(overlay);
    tip.replaceChildren(made("b", {}, found.head), ...found.lines.slice(0, 14).map(line => {
      const value = made("span", {}, line.text);
      if (line.spread) value.append(" ", made("small", {}, line.spread));
      return made("div", {}, made("i", {className: line.ink}), made("span", {}, line.title), value);
    }));
    if (found.lines.length > 14) tip.append(made("small", {}, `and ${found.lines.length - 14} more`));
    tip.hidden = false;
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    const x = box.left + px * scale, y = box.top + py * scale, wide = tip.offsetWidth, high = tip.offsetHeight;
    const left = x + 16 + wide < innerWidth ? x + 16 : Math.max(6, x - wide - 16);
    const top = Math.min(Math.max(6, y - high / 2), innerHeight - high - 6);
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${top + scrollY}px`;
    if (aloud) tell(`${found.head}. ${found.lines.map(line => `${line.title} ${line.text}`).join(". ")}`);
  };
  const sized = ([ident, panel]) => [[ident, panel], [`${ident}-narrow`, {...panel, ...panel.narrow}]];
  const attachPictures = values => { for (const [ident, panel] of Object.entries(values).flatMap(sized)) {
    const svg = document.getElementById(ident);
    if (!svg || !panel.marks.length) continue;
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("aria-roledescription", "picture; arrow keys read values");
    let spot = null;
    const inside = (x, y) => {
      const clamp = (value, [a, b]) => Math.min(Math.max(value, Math.min(a, b)), Math.max(a, b));
      return [clamp(x, panel.x.at), clamp(y, panel.y.at)];
    };
    const place = event => {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    };
    const move = event => {
      const [x, y] = place(event), [nx, ny] = inside(x, y);
      if (Math.hypot(nx - x, ny - y) > 14) { clear(); return; }
      spot = [nx, ny];
      show(svg, panel, nx, ny, false);
    };
    svg.addEventListener("pointermove", move);
    svg.addEventListener("pointerdown", move);
    svg.addEventListener("pointerleave", clear);
    svg.addEventListener("blur", clear);
    svg.addEventListener("keydown", event => {
      const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
      if (event.key === "Escape") { clear(); return; }
      if (!step) return;
      event.preventDefault();
      const width = Math.abs(panel.x.at[1] - panel.x.at[0]) / 40, height = Math.abs(panel.y.at[1] - panel.y.at[0]) / 20;
      const [x, y] = spot || [(panel.x.at[0] + panel.x.at[1]) / 2, (panel.y.at[0] + panel.y.at[1]) / 2];
      spot = inside(x + step[0] * width, y + step[1] * height);
      show(svg, panel, ...spot, true);
    });
  } };

  // Pictures are looked at closely, and kept as files: with the page's own styles, in light colours.
  const rules = list => [...list].map(rule => rule.media ? "" : rule.cssText).join("");
  const save = (name, link) => { const to = made("a", {href: link, download: name}); to.click(); };
  const asData = (text, kind) => `data:${kind};charset=utf-8,${encodeURIComponent(text)}`;
  const drawing = figure => {
    const frame = one(".panels", figure).getBoundingClientRect(), width = Math.ceil(frame.width), pad = 12;
    const whole = svgNode("svg", {width: width + 2 * pad, class: "panel whole"});
    const put = (text, x, y, kind) => { const node = svgNode("text", {x, y, class: kind}); node.textContent = text; whole.append(node); };
    const style = svgNode("style", {}), defs = svgNode("defs", {});
    style.textContent = [...document.styleSheets].map(sheet => rules(sheet.cssRules)).join("")
      + ".whole{font-family:sans-serif;background:#fff;height:auto}.whole text{overflow-wrap:normal}.whole .al,.whole .nm{fill:#1b1f24}.whole .nm.big{font-size:15px;font-weight:600}";
    defs.append(...all("svg.definitions defs > *").map(node => node.cloneNode(true)));
    whole.append(style, defs, svgNode("rect", {width: "100%", height: "100%", fill: "#fff"}));
    put(one("figcaption :is(h2,h3)", figure).textContent, pad, 24, "nm big");
    const top = 36 - frame.top;
    for (const svg of all("svg.panel", figure).filter(each => each.getClientRects().length)) {
      const box = svg.getBoundingClientRect(), copy = svg.cloneNode(true), title = one(".panel-title", svg.closest(".holder"));
      for (const [key, value] of Object.entries({x: box.left - frame.left + pad, y: box.top + top, width: box.width, height: box.height})) copy.setAttribute(key, value);
      whole.append(copy);
      if (title) put(title.innerText.replace(/\n/g, ", "), box.left - frame.left + pad, box.top + top - 4, "nm");
    }
    let x = pad, y = 36 + frame.height + 22;
    const common = figure.closest("section")?.querySelector(".common");
    const named = new Set(all(".mark[data-k]", figure).map(node => node.dataset.k));
    for (const key of [...(common ? all(".key", common).filter(each => named.has(each.dataset.key)) : []), ...all(".key", figure)]) {
      if (key.getAttribute("aria-pressed") === "false") continue;
      const text = key.textContent, wide = 50 + 7 * text.length;
      if (x > pad && x + wide > width) { x = pad; y += 22; }
      const swatch = one("svg", key).cloneNode(true);
      for (const [name, value] of Object.entries({x, y: y - 12, width: 28, height: 16})) swatch.setAttribute(name, value);
      whole.append(swatch);
      put(text, x + 36, y, "nm");
      x += wide;
    }
    whole.setAttribute("height", y + 16);
    return whole;
  };
  const asSvg = figure => new XMLSerializer().serializeToString(drawing(figure));
  const asPng = async figure => {
    const image = new Image(), canvas = made("canvas");
    image.src = asData(asSvg(figure), "image/svg+xml");
    await image.decode();
    canvas.width = 2 * image.width;
    canvas.height = 2 * image.height;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/png");
  };
  const cells = row => [...row.cells].map(cell => {
    const text = cell.textContent.trim().replace(/\u00a0/g, " ");
    return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  }).join(",");
  const button = (text, name, act) => {
    const node = made("button", {type: "button"}, text);
    node.setAttribute("aria-label", name);
    node.addEventListener("click", act);
    return node;
  };
  const attachTools = root => {
    for (const figure of all("figure", root)) {
      const title = one("figcaption :is(h2,h3)", figure).textContent, line = made("p", {className: "tools"});
      let scale = 1;
      const zoomed = on => {
        clear();
        scale = 1;
        figure.style.setProperty("--zoom", "1");
        figure.style.setProperty("--fit", "1");
        figure.classList.toggle("zoomed", on);
        const drawn = one(".panels, img", figure), high = drawn.offsetHeight; // the axis below is in view, too
        const room = Math.max(innerHeight - (figure.scrollHeight - high), innerHeight / 2);
        if (on) figure.style.setProperty("--fit", String(Math.min(1, room / high)));
        larger.textContent = on ? "Close" : "Zoom";
        larger.setAttribute("aria-pressed", String(on));
        larger.focus();
      };
      const by = factor => {
        scale = Math.min(8, Math.max(1, scale * factor));
        figure.style.setProperty("--zoom", String(scale));
      };
      const larger = button("Zoom", `Zoom: ${title}`, () => zoomed(!figure.classList.contains("zoomed")));
      larger.setAttribute("aria-pressed", "false");
      figure.addEventListener("keydown", event => {
        if (event.key === "Escape" && figure.classList.contains("zoomed")) zoomed(false);
      });
      const steps = [button("+", "Larger", () => by(1.5)), button("\u2212", "Smaller", () => by(1 / 1.5))];
      for (const step of steps) step.className = "scale";
      line.append(larger, ...steps);
      const image = one("img", figure);
      if (image) line.append(button("PNG", `PNG: ${title}`, () => save(`${figure.id}.png`, image.src)));
      else line.append(
        button("SVG", `SVG: ${title}`, () => save(`${figure.id}.svg`, asData(asSvg(figure), "image/svg+xml"))),
        button("PNG", `PNG: ${title}`, async () => save(`${figure.id}.png`, await asPng(figure))));
      one("figcaption", figure).append(line);
    }
    for (const holder of all(".table", root)) {
      const rows = () => all("tr", holder).map(cells).join("\r\n");
      one(".rows", holder).before(made("p", {className: "tools"},
        button("CSV", `CSV: ${holder.id}`, () => save(`${holder.id}.csv`, asData(`${rows()}\r\n`, "text/csv")))));
    }
  };

  return {
    all, one, made, tell, clear,
    attach(root, values) { attachLegends(root); attachTools(root); attachPictures(values); },
  };
})();
