"use strict";
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const { columns = [], data = [] } = read("rows");
const rows = data.map((row) => Object.fromEntries(row.map((value, number) => [columns[number], value])));
const points = read("points"), specs = read("specs"), look = read("look");
for (const row of rows) row.command += look.into;
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// Charts: each picture is drawn again, interactive.
const coloured = (spec) => {
  const text = JSON.stringify({ ...spec, config: look.config });
  return JSON.parse(text.replaceAll(look.colours.ink, "currentColor").replaceAll(look.colours.line, "var(--line)"));
};
const fitted = (spec, width) => {
  if (spec.facet) {
    const columns = width < 640 ? 2 : 4, side = Math.floor((width - 70) / columns - spec.spacing - (spec.resolve ? 24 : 0));
    return { ...spec, columns, spec: { ...spec.spec, width: side, height: Math.floor(0.6 * side) } };
  }
  if (width >= spec.width + 180) return { ...spec, width: Math.min(width - 200, 800) };
  return { ...spec, width: Math.max(140, width - 170), config: { ...spec.config, legend: { ...spec.config.legend, orient: "bottom", columns: 2 } } };
};
const draw = (place, spec) =>
  vegaEmbed(place, fitted(coloured(spec), place.clientWidth), { mode: "vega-lite", renderer: "svg", actions: false, ast: true, tooltip: { theme: "custom" } });
// What is folded is drawn when it is opened.
const places = [...document.querySelectorAll("figure .chart")];
const drawOpen = () =>
  Promise.all(places.map((place, number) => {
    if (place.dataset.drawn || place.closest("details:not([open])")) return null;
    place.dataset.drawn = "1";
    const picture = place.innerHTML;
    return draw(place, specs[number]).catch((error) => {
      place.innerHTML = picture;
      console.warn(`a chart stays a picture: ${error.message}`);
    });
  })).then(() => document.documentElement.setAttribute("data-drawn", document.querySelectorAll("[data-drawn='1']").length));

// Folds: a link into one opens it, and paper shows all of them.
const unfold = (element) => {
  for (let place = element; place; place = place.parentElement) if (place.tagName === "DETAILS") place.open = true;
};
const follow = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  unfold(target.querySelector("details.section") ?? target);
  target.scrollIntoView();
};
addEventListener("hashchange", follow);
document.querySelectorAll("details").forEach((fold) => fold.addEventListener("toggle", drawOpen));
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((fold) => { fold.open = true; });
});
addEventListener("afterprint", () => folded.forEach((fold) => { fold.open = false; }));

// Commands can be copied.
document.querySelectorAll(".again code").forEach((code) => {
  const button = make("button", { type: "button", className: "copy", title: "Copy the command" }, "copy");
  const select = () => getSelection().selectAllChildren(code);
  button.addEventListener("click", () => {
    (navigator.clipboard ? navigator.clipboard.writeText(code.textContent) : Promise.reject()).then(
      () => { button.textContent = "copied"; setTimeout(() => { button.textContent = "copy"; }, 1500); },
      () => { select(); document.execCommand("copy"); button.textContent = "copied"; },
    );
  });
  code.after(button);
});

// Tables: a heading sorts, a field filters.
const UNITS = { "µs": 1e-6, ms: 1e-3, s: 1, min: 60 };
const value = (cell) => {
  if ("value" in cell.dataset) return Number(cell.dataset.value);
  const text = cell.textContent;
  const figure = text.replaceAll(",", "").match(/^[+-]?\d+(\.\d+)?/);
  if (!figure) return text === "" || text === "n/a" ? Infinity : text.toLowerCase();
  const unit = text.match(/^[+-]?[\d.,]+ (µs|ms|s|min)\b/);
  return Number(figure[0]) * (unit ? UNITS[unit[1]] : 1);
};
const compare = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
const sortBy = (table, column, direction) => {
  const body = table.tBodies[0];
  const sorted = [...body.rows].sort((a, b) => direction * compare(value(a.cells[column]), value(b.cells[column])));
  body.append(...sorted);
  [...table.tHead.rows[0].cells].forEach((head, number) => {
    if (number === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  });
};
const makeSortable = (table) => {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.classList.contains("rate")) return;
    const button = make("button", { type: "button", title: "Sort" }, head.textContent);
    button.addEventListener("click", () => sortBy(table, column, head.getAttribute("aria-sort") === "ascending" ? -1 : 1));
    head.replaceChildren(button);
  });
  if (table.tBodies[0].rows.length < 8) return;
  const field = make("input", { type: "search", className: "filter", placeholder: "filter rows" });
  field.setAttribute("aria-label", "Filter rows");
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase().split(/\s+/);
    for (const row of table.tBodies[0].rows) {
      row.hidden = !wanted.every((word) => row.textContent.toLowerCase().includes(word));
    }
  });
  table.parentElement.before(field);
};

// Explorer: any axis against any axis.
const AXES = ["model", "pipeline", "batch", "px", "mode", "device", "precision", "backend", "host", "data"];
const PLACES = ["host", "device", "backend", "data"];
const METRICS = ["images/s", "ms a step", "first step, s", "MB", "GFLOP/s", "% of peak"];
const COSTS = ["million parameters", "GFLOPs an image"];
const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });
const choose = (form, name, options, chosen) => {
  const select = make("select", { name }, ...options.map((option) => make("option", { value: option, selected: option === chosen }, option)));
  form.append(make("label", {}, name, select));
  return select;
};
const middle = (values) => {
  const ordered = [...values].sort((a, b) => a - b), half = ordered.length >> 1;
  return ordered.length % 2 ? ordered[half] : (ordered[half - 1] + ordered[half]) / 2;
};
const explore = () => {
  const form = document.getElementById("pivot");
  if (!form) return;
  // Of one batch size unless the reader asks for all: a median over sizes that only some have compares nothing.
  const resident = points.filter((point) => point.pipeline === "resident");
  const sizes = [...new Set(points.map((point) => point.batch))].sort(compare);
  const most = (values, field, among) => {
    const times = (value) => among.filter((point) => point[field] === value).length;
    return values.reduce((best, value) => (times(value) > times(best) ? value : best), values[0]);
  };
  const selects = {
    rows: choose(form, "rows", AXES, "model"), columns: choose(form, "columns", AXES, "precision"),
    metric: choose(form, "metric", METRICS, "images/s"), of: choose(form, "of", ["training steps", "fed steps", "predictions", "pipelines alone", "all"], "training steps"),
    batch: choose(form, "batch", ["all", ...sizes], most(sizes, "batch", resident)),
  };
  // Likewise of one machine, device, backend and folder of data: those of most figures.
  const MOST = "most figures", valuesOf = (field, among) => [...new Set(among.map((point) => point[field]))].sort(compare);
  const places = PLACES.filter((field) => valuesOf(field, points).length > 1)
    .map((field) => [field, choose(form, field, [MOST, "all", ...valuesOf(field, points)], MOST)]);
  const wanted = {
    "training steps": (point) => point.model !== "none" && point.pipeline === "resident" && point.mode === "train",
    "fed steps": (point) => point.model !== "none" && point.pipeline !== "resident",
    predictions: (point) => point.model !== "none" && point.mode === "predict",
    "pipelines alone": (point) => point.model === "none",
    all: () => true,
  };
  const pivot = () => {
    const [down, across, metric] = [selects.rows.value, selects.columns.value, selects.metric.value];
    const size = [down, across].includes("batch") ? "all" : selects.batch.value;
    let chosen = points.filter(wanted[selects.of.value]).filter((point) => point[metric] != null && (size === "all" || point.batch === Number(size)));
    const fixed = [];
    for (const [field, select] of places.filter(([field, select]) => ![down, across].includes(field) && select.value !== "all")) {
      const values = valuesOf(field, chosen), value = select.value === MOST ? most(values, field, chosen) : select.value;
      if (values.length > 1) fixed.push(`${field} ${value}`);
      chosen = chosen.filter((point) => point[field] === value);
    }
    const heads = [...new Set(chosen.map((point) => point[across]))].sort(compare);
    const sides = [...new Set(chosen.map((point) => point[down]))].sort(compare);
    const cell = (side, head) => chosen.filter((point) => point[down] === side && point[across] === head).map((point) => point[metric]);
    const logs = chosen.map((point) => Math.log(point[metric])), [low, high] = [Math.min(...logs), Math.max(...logs)];
    const body = sides.map((side) => make("tr", {}, make("th", { scope: "row" }, String(side)), ...heads.map((head) => {
      const values = cell(side, head);
      if (!values.length) return make("td", { className: "figure" }, "");
      const shown = middle(values), heated = make("td", { className: "heat" }, number(shown) + (values.length > 1 ? ` (median of ${values.length})` : ""));
      heated.style.setProperty("--heat", `${high > low ? 5 + 55 * (Math.log(shown) - low) / (high - low) : 5}%`);
      return heated;
    })));
    const table = make("table", {}, make("thead", {}, make("tr", {}, make("th", {}, `${metric} by ${down}${fixed.length ? ` (${fixed.join(", ")})` : ""}`), ...heads.map((head) => make("th", { scope: "col", className: "figure" }, String(head))))), make("tbody", {}, ...body));
    document.getElementById("pivoted").replaceChildren(chosen.length ? table : make("p", {}, "No figures of this kind."));
  };
  form.addEventListener("change", pivot);
  pivot();
  const chart = document.getElementById("plot"), all = [...METRICS, ...COSTS, "batch", "px"];
  const axes = {
    x: choose(chart, "across", [...all, ...AXES], "MB"), y: choose(chart, "up", [...all, ...AXES], "images/s"),
    colour: choose(chart, "colour", AXES, "model"), shape: choose(chart, "shape", AXES, "precision"),
  };
  const plot = () => {
    const axis = (name) => all.includes(name)
      ? { field: name.replace(/([.[\]])/g, "\\$1"), type: "quantitative", scale: { type: "log", nice: false, padding: 12 }, title: `${name} (log)` }
      : { field: name, type: "nominal", title: name };
    draw(document.getElementById("plotted"), {
      data: { values: points.filter((point) => [axes.x, axes.y].every((axis) => point[axis.value] || !all.includes(axis.value))) }, width: 500, height: 320,
      mark: { type: "point", filled: true, size: 70, opacity: 0.85 },
      encoding: {
        x: axis(axes.x.value), y: axis(axes.y.value), color: { field: axes.colour.value, type: "nominal", legend: { title: null } },
        shape: { field: axes.shape.value, type: "nominal", legend: { title: null } },
        tooltip: [...AXES, ...METRICS, ...COSTS].map((field) => ({ field })),
      },
    });
  };
  chart.addEventListener("change", plot);
  plot();
};

// Downloads.
const download = (text, type, name) => {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
};
// A spreadsheet would run a text that begins as a formula.
const quoted = (value) => {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const csv = () => {
  const names = rows.length ? Object.keys(rows[0]) : [];
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => line.map(quoted).join(",")).join("\n");
};
document.getElementById("save-csv").addEventListener("click", () => download(csv(), "text/csv", "flowers-bench.csv"));
document.getElementById("save-json").addEventListener("click", () => download(JSON.stringify(rows), "application/json", "flowers-bench.json"));

document.querySelectorAll("section table").forEach(makeSortable);
explore();
follow();
drawOpen();
