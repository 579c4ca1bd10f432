// Charts along two axes, of areas, bars, lines and points in any mixture; and pies.
const ROLES_OF_DATA = new Set(["", "data", "domain"]);
const readSeries = (table) => {
  const series = [];
  const columns = range(table.getNumberOfColumns() - 1).map((number) => number + 1);
  for (const column of columns) {
    const role = table.getColumnRole(column);
    if (ROLES_OF_DATA.has(role)) series.push({ column, label: table.getColumnLabel(column), roles: {} });
    else if (series.length) (series.at(-1).roles[role] ??= []).push(column);
  }
  return series;
};
const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

class AxesChart extends Chart {
  kind = "line";
  orientation = "horizontal";

  // What is drawn: series with their values, colours and axes, stacked where they are.
  read(table, options) {
    const series = readSeries(table).map((entry, index) => {
      const own = options.series?.[index] ?? {};
      return {
        ...entry,
        own,
        kind: own.type === "bars" ? "bar" : own.type ?? this.kind,
        axis: own.targetAxisIndex ?? 0,
        colour: own.color ?? options.colors?.[index % (options.colors?.length || 1)] ?? PALETTE[index % PALETTE.length],
        values: range(table.getNumberOfRows()).map((row) => number(table.getValue(row, entry.column))),
      };
    });
    const stacks = options.isStacked && options.isStacked !== "false";
    const share = ["percent", "relative"].includes(options.isStacked);
    const stacked = series.filter(({ kind }) => stacks && ["bar", "area", "steppedArea"].includes(kind));
    range(table.getNumberOfRows()).forEach((row) => {
      const whole = share ? sum(stacked.map(({ values }) => Math.abs(values[row] ?? 0))) || 1 : 1;
      const ends = { up: 0, down: 0 };
      for (const entry of stacked) {
        const value = (entry.values[row] ?? 0) / whole;
        const side = value < 0 ? "down" : "up";
        (entry.from ??= [])[row] = ends[side];
        (entry.to ??= [])[row] = ends[side] += value;
      }
    });
    series.forEach((entry) => (entry.to ??= entry.values));
    return { series, share };
  }

  valueScale(entries, given, room, share, intervals) {
    const log = given.scaleType === "log" || given.logScale;
    const window = given.viewWindow ?? {};
    const values = entries.flatMap(({ to, from = [] }) => [...to, ...from]).concat(intervals).filter((value) => value !== null && (!log || value > 0));
    const filled = !log && entries.some(({ kind }) => kind !== "line" && kind !== "scatter");
    const wanted = [...(filled ? [0] : []), given.minValue, given.maxValue].filter((value) => value !== undefined && value !== null);
    const reach = values.length ? [...values, ...wanted] : [0, 1];
    const [low, high] = [window.min ?? data.min(reach), window.max ?? data.max(reach)];
    const ticks = given.ticks?.map((tick) => (typeof tick === "object" ? tick.v : tick));
    if (log) return logScale({ low: low > 0 ? low : data.min(values.length ? values : [1]), high, format: given.format, ticks });
    const format = given.format ?? (share ? "percent" : undefined);
    return linearScale({ low, high, count: room / 46, format, fixedLow: window.min !== undefined, fixedHigh: window.max !== undefined, ticks });
  }

  fill(picture, { table, options, width, height }) {
    const upright = (options.orientation ?? this.orientation) === "vertical"; // categories run down the side
    const { series, share } = this.read(table, options);
    const zoomed = (axis, name) => (this.zoom?.[name] ? { ...axis, viewWindow: this.zoom[name], ticks: undefined } : axis);
    const across = zoomed({ ...options.hAxis }, "h");
    const sides = [0, 1].map((index) => zoomed({ ...options.vAxis, ...options.vAxes?.[index] }, "v"));
    const [domainAxis, valueAxes] = upright ? [sides[0], [across, across]] : [across, sides];
    const rows = range(table.getNumberOfRows());
    const bars = series.some(({ kind }) => kind === "bar");
    const discrete = table.getColumnType(0) !== "number" || bars;
    const names = rows.map((row) => text(table.getFormattedValue(row, 0)));
    const second = series.some(({ axis }) => axis === 1);

    // Room: title above, legend beside or above, names of ticks and axes around the area.
    const area = options.chartArea ?? {};
    const bare = length(area.left, width) === 0; // XProf then wants the marks alone
    const legend = { position: series.length > 1 ? "right" : "none", ...(typeof options.legend === "string" ? { position: options.legend } : options.legend) };
    const entries = series.filter(({ own }) => own.visibleInLegend !== false).map(({ label, colour, kind }) => ({ label: label || "value", colour, line: kind === "line" }));
    const size = legend.textStyle?.fontSize ?? 12;
    const widest = Math.max(0, ...entries.map(({ label }) => textWidth(label, size))) + 28;
    let top = length(area.top, height) ?? (options.title ? 38 : 14);
    const valueLabelRoom = (axis) => (axis.textPosition === "none" || bare ? 0 : Math.max(...valueScaleOf(axis, series, 200).ticks.map((tick) => textWidth(valueScaleOf(axis, series, 200).label(tick)))) + 12);
    const intervals = series.flatMap(({ roles }) => (roles.interval ?? []).flatMap((column) => rows.map((row) => number(table.getValue(row, column)))));
    const valueScaleOf = (axis, of, room) => this.valueScale(of, axis, room, share, intervals);
    const own = (index) => series.filter(({ axis }) => axis === index);
    const sideRoom = upright ? Math.min(0.35 * width, Math.max(...names.map((name) => textWidth(name))) + 12) : valueLabelRoom(sides[0]);
    const titleRoom = sides[0].title && !bare ? 20 : 0;
    const left = bare ? 0 : Math.max(length(area.left, width) ?? 0, sideRoom + titleRoom);
    const legendAtSide = legend.position === "right" && entries.length > 0;
    const rightRoom = (second ? valueLabelRoom(sides[1]) + (sides[1].title ? 22 : 0) : 0) + (legendAtSide ? Math.min(widest, 0.4 * width) + 14 : 8);
    const wanted = length(area.width, width);
    const given = wanted !== undefined && area.width !== "100%" ? left + wanted : width - (length(area.right, width) ?? 0);
    const right = bare ? width : Math.max(left + 40, Math.min(given, width - rightRoom));
    const bottomRoom = bare || across.textPosition === "none" ? (across.title ? 22 : 4) : (across.title ? 42 : 24);
    const tall = length(area.height, height);
    if (legend.position === "top" && entries.length) {
      const shown = legendEntries(entries, { x: left, y: Math.max(2, top - (length(area.top, height) ? 26 : 8)), width: right - left, height: 60, size, rows: true });
      picture.append(shown.group);
      if (area.top === undefined) top += shown.height;
    }
    const bottom = bare ? height : Math.max(top + 20, Math.min(tall === undefined ? Infinity : top + tall, height - (length(area.bottom, height) ?? 0), height - bottomRoom));
    if (options.title) picture.append(words(cut(options.title, width - left, 14, true), left, 20, { size: 14, bold: options.titleTextStyle?.bold ?? true, fill: INK }));
    if (legendAtSide) {
      const x = right + (second ? valueLabelRoom(sides[1]) + (sides[1].title ? 22 : 0) : 0) + 14;
      picture.append(legendEntries(entries, { x, y: top, width: width - x, height: height - top, size }).group);
    }

    // Scales.
    const [from, to] = upright ? [left, right] : [bottom, top];
    const scales = [0, 1].map((index) => valueScaleOf(valueAxes[index], own(index).length ? own(index) : series, Math.abs(to - from)));
    const place = (value, index) => from + scales[index].share(value) * (to - from);
    const [start, end] = upright ? [top, bottom] : [left, right];
    const domain = discrete ? null : this.domainScale(table, rows, domainAxis, (end - start) / 1.6);
    const band = (end - start) / rows.length;
    const along = (row) => (discrete ? start + (row + 0.5) * band : start + domain.share(table.getValue(row, 0)) * (end - start));
    const at = (a, b) => (upright ? [b, a] : [a, b]);
    const plot = { left, right, top, bottom, band, along, place, at, rows, series, scales, table, options, upright, names, from, domain };

    this.axes(picture, plot, { across, sides, second, bare, discrete, domainAxis, valueAxes });
    const clip = `offline-clip-${(AxesChart.count = (AxesChart.count ?? 0) + 1)}`;
    picture.append(svgElement("clipPath", { id: clip }, svgElement("rect", { x: left - 4, y: top - 4, width: right - left + 8, height: bottom - top + 8 })));
    const marks = svgElement("g", { class: "marks", "clip-path": `url(#${clip})` });
    picture.append(marks);
    const layers = { bar: [], area: [], steppedArea: [], line: [], scatter: [] };
    series.forEach((entry, index) => (layers[entry.kind] ?? layers.line).push([entry, index]));
    this.bars(marks, layers.bar, plot);
    [...layers.area, ...layers.steppedArea].reverse().forEach(([entry, index]) => this.area(marks, entry, index, plot));
    layers.line.forEach(([entry, index]) => this.line(marks, entry, index, plot));
    layers.scatter.forEach(([entry, index]) => this.line(marks, entry, index, plot));
    if (options.tooltip?.trigger !== "none" || options.focusTarget === "category") this.listen(picture, plot);
    if (options.explorer && !discrete) this.explore(picture, plot);
  }

  domainScale(table, rows, axis, room) {
    const values = rows.map((row) => number(table.getValue(row, 0))).filter((value) => value !== null && (axis.scaleType !== "log" || value > 0));
    const window = axis.viewWindow ?? {};
    const low = window.min ?? data.min([...values, axis.minValue ?? Infinity]);
    const high = window.max ?? data.max([...values, axis.maxValue ?? -Infinity]);
    const ticks = axis.ticks?.map((tick) => (typeof tick === "object" ? tick.v : tick));
    if (axis.scaleType === "log") return logScale({ low, high, format: axis.format, ticks });
    return linearScale({ low, high, count: room / 50, format: axis.format, fixedLow: true, fixedHigh: true, ticks });
  }

  axes(picture, plot, { across, sides, second, bare, discrete, domainAxis, valueAxes }) {
    const { left, right, top, bottom, place, scales, upright, names, rows, band, along, from, domain } = plot;
    const grid = svgElement("g", { class: "axes" });
    picture.append(grid);
    const bold = (axis) => axis.textStyle?.bold;
    const rule = (x1, y1, x2, y2, stroke) => grid.append(svgElement("line", { x1, x2, y1, y2, stroke, "shape-rendering": "crispEdges" }));
    (second ? [0, 1] : [0]).forEach((index) => {
      const [axis, scale] = [valueAxes[index], scales[index]];
      scale.ticks.forEach((tick) => {
        const spot = place(tick, index);
        if (spot < Math.min(from, upright ? right : top) - 1 || spot > Math.max(from, upright ? right : top) + 1) return;
        const lineColour = axis.gridlines?.color ?? LINE;
        if (index === 0 && lineColour !== "transparent" && axis.baselineColor !== "transparent") upright ? rule(spot, top, spot, bottom, LINE) : rule(left, spot, right, spot, LINE);
        if (bare || axis.textPosition === "none") return;
        const label = scale.label(tick);
        if (upright) grid.append(words(label, spot, bottom + 16, { anchor: "middle", bold: bold(axis) }));
        else grid.append(words(label, index ? right + 7 : left - 7, spot + 4, { anchor: index ? "start" : "end", bold: bold(axis) }));
      });
    });
    if (domainAxis.baselineColor !== "transparent" && !bare) {
      const zero = Math.min(Math.max(0, scales[0].low), scales[0].high);
      const base = place(zero, 0);
      upright ? rule(base, top, base, bottom, AXIS) : rule(left, base, right, base, AXIS);
    }
    if (!bare && domainAxis.textPosition !== "none") {
      if (!discrete) {
        domain.ticks.forEach((tick) => {
          const spot = left + domain.share(tick) * (right - left);
          if (spot < left - 1 || spot > right + 1) return;
          rule(spot, top, spot, bottom, LINE);
          grid.append(words(domain.label(tick), spot, bottom + 16, { anchor: "middle", bold: bold(domainAxis) }));
        });
      } else if (upright) {
        names.forEach((name, row) => grid.append(words(cut(name, left - 14), left - 8, along(row) + 4, { anchor: "end", bold: bold(domainAxis) })));
      } else {
        const widest = Math.max(...names.map((name) => textWidth(name, 12, bold(domainAxis)))) + 10;
        const every = Math.max(domainAxis.showTextEvery ?? 1, Math.ceil(Math.min(widest, 130) / band));
        rows.filter((row) => row % every === 0).forEach((row) => grid.append(words(cut(names[row], Math.max(band * every - 6, 24)), along(row), bottom + 16, { anchor: "middle", bold: bold(domainAxis) })));
      }
    }
    if (bare) return;
    const italic = { anchor: "middle", "font-style": "italic", fill: INK };
    if (across.title) grid.append(words(cut(across.title, right - left), (left + right) / 2, Math.min(bottom + (across.textPosition === "none" ? 17 : 36), plot.bottom + 36), italic));
    sides.slice(0, second ? 2 : 1).forEach((axis, index) => {
      if (!axis.title) return;
      const x = index ? right + (Math.max(...scales[1].ticks.map((tick) => textWidth(scales[1].label(tick)))) + 24) : 13;
      grid.append(words(cut(axis.title, Math.max(60, bottom - top + 30)), 0, 0, { ...italic, transform: `translate(${x},${(top + bottom) / 2}) rotate(-90)` }));
    });
  }

  bars(marks, entries, plot) {
    const { rows, along, band, place, at, scales, options } = plot;
    const stacked = options.isStacked && options.isStacked !== "false";
    const group = band * (/%$/.test(options.bar?.groupWidth ?? "") ? parseFloat(options.bar.groupWidth) / 100 : 0.62);
    const thick = Math.max(0.5, stacked ? group : group / entries.length);
    entries.forEach(([entry, index], order) => {
      const styles = entry.roles.style?.[0];
      rows.forEach((row) => {
        if (entry.to[row] === null) return;
        const a = along(row) - group / 2 + (stacked ? 0 : order * thick);
        const base = Math.min(Math.max(0, scales[entry.axis].low), scales[entry.axis].high);
        const [b1, b2] = [place(entry.from?.[row] ?? base, entry.axis), place(entry.to[row], entry.axis)];
        const [[x1, y1], [x2, y2]] = [at(a, Math.min(b1, b2)), at(a + thick, Math.max(b1, b2))];
        const style = styles === undefined ? null : plot.table.getValue(row, styles);
        const rect = svgElement("rect", { x: x1, y: y1, width: Math.max(0, x2 - x1 - (thick > 6 && !plot.upright ? 1 : 0)), height: Math.max(0, y2 - y1 - (thick > 6 && plot.upright ? 1 : 0)), fill: /^#?\w+$/.test(style ?? "") ? style : entry.colour, stroke: "none", "data-place": `${row} ${entry.column}` });
        rect.addEventListener("mouseenter", () => events.trigger(this, "onmouseover", { row, column: entry.column }));
        rect.addEventListener("mouseleave", () => events.trigger(this, "onmouseout", { row, column: entry.column }));
        rect.addEventListener("click", () => this.choose(row, entry.column));
        marks.append(rect);
      });
      const annotations = entry.roles.annotation?.[0];
      if (annotations !== undefined) rows.forEach((row) => marks.append(words(text(plot.table.getFormattedValue(row, annotations)), along(row), place(entry.to[row] ?? 0, entry.axis) - 5, { anchor: "middle", bold: true, fill: INK })));
    });
  }

  area(marks, entry, index, plot) {
    const { rows, along, place, at, scales, options, band } = plot;
    const shown = rows.filter((row) => entry.to[row] !== null);
    if (!shown.length) return;
    const base = Math.min(Math.max(0, scales[entry.axis].low), scales[entry.axis].high);
    const flat = entry.kind === "steppedArea" || shown.length === 1; // a single point has no area: it gets a band's width
    const edge = (ends) => shown.flatMap((row) => {
      const height = place(ends?.[row] ?? base, entry.axis);
      const half = flat ? Math.min(band, 120) / 2 : 0;
      return flat ? [at(along(row) - half, height), at(along(row) + half, height)] : [at(along(row), height)];
    });
    const upper = edge(entry.to), lower = edge(entry.from);
    const path = (points) => `M${points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join("L")}`;
    marks.append(svgElement("path", { d: `${path([...upper, ...lower.reverse()])}Z`, fill: entry.colour, "fill-opacity": options.areaOpacity ?? (options.isStacked ? 0.55 : 0.25) }));
    const visible = shown.some((row) => entry.values[row]);
    if (visible && (entry.own.lineWidth ?? options.lineWidth ?? 2) > 0) marks.append(svgElement("path", { d: path(upper), fill: "none", stroke: entry.colour, "stroke-width": entry.own.lineWidth ?? options.lineWidth ?? 2, "stroke-linejoin": "round" }));
  }

  line(marks, entry, index, plot) {
    const { rows, along, place, at, options, table } = plot;
    const scatter = entry.kind === "scatter";
    const inside = (row) => entry.to[row] !== null && number(along(row)) !== null && number(place(entry.to[row], entry.axis)) !== null;
    const width = entry.own.lineWidth ?? options.lineWidth ?? (scatter ? 0 : 2);
    const dash = (entry.own.lineDashStyle ?? options.lineDashStyle)?.join(" ");
    (entry.roles.interval ?? []).forEach((_, pair, columns) => {
      if (pair % 2) return;
      rows.forEach((row) => {
        const [a, b] = [columns[pair], columns[pair + 1] ?? columns[pair]].map((column) => number(table.getValue(row, column)));
        if (a === null || b === null) return;
        const [[x1, y1], [x2, y2]] = [at(along(row), place(a, entry.axis)), at(along(row), place(b, entry.axis))];
        marks.append(svgElement("line", { x1, y1, x2, y2, stroke: options.intervals?.color ?? entry.colour, "stroke-width": options.intervals?.lineWidth ?? 2, "stroke-opacity": 0.5 }));
      });
    });
    let open = false;
    const path = rows.map((row) => {
      if (!inside(row)) {
        open = open && (options.interpolateNulls || scatter);
        return "";
      }
      const [x, y] = at(along(row), place(entry.to[row], entry.axis));
      const step = `${open ? "L" : "M"}${x.toFixed(2)},${y.toFixed(2)}`;
      open = true;
      return step;
    }).join("");
    if (width > 0 && path) marks.append(svgElement("path", { d: path, fill: "none", stroke: entry.colour, "stroke-width": width, "stroke-dasharray": dash, "stroke-linejoin": "round" }));
    const diameter = entry.own.pointSize ?? options.pointSize ?? (scatter ? 7 : rows.filter(inside).length === 1 ? 7 : 0);
    if (diameter > 0)
      rows.filter(inside).forEach((row) => {
        const [cx, cy] = at(along(row), place(entry.to[row], entry.axis));
        const point = svgElement("circle", { cx, cy, r: diameter / 2, fill: entry.colour, stroke: "none", "fill-opacity": scatter ? 0.8 : 1, "data-place": `${row} ${entry.column}` });
        marks.append(point);
      });
  }

  // The pointer finds the nearest row; of points that stand alone, the nearest point.
  listen(picture, plot) {
    const { left, right, top, bottom, rows, series, along, place, at, table, options, names, upright } = plot;
    const guide = svgElement("line", { stroke: AXIS, "stroke-dasharray": "3 3", visibility: "hidden", "pointer-events": "none" });
    picture.append(guide);
    const alone = series.every(({ kind }) => kind === "scatter");
    const find = (event) => {
      const box = picture.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      if (x < left - 5 || x > right + 5 || y < top - 5 || y > bottom + 5) return null;
      let best = null;
      for (const row of rows)
        for (const entry of series) {
          if (entry.to[row] === null) continue;
          const [px, py] = at(along(row), place(((entry.from?.[row] ?? entry.to[row]) + entry.to[row]) / 2, entry.axis));
          const [apart, beside] = upright ? [Math.abs(py - y), Math.abs(px - x)] : [Math.abs(px - x), Math.abs(py - y)];
          const distance = alone ? Math.hypot(apart, beside) : apart * 1000 + beside;
          if (!best || distance < best.distance) best = { distance, row, entry, px, py };
        }
      return best && (!alone || best.distance < 24) ? best : null;
    };
    picture.addEventListener("mousemove", (event) => {
      const found = find(event);
      if (!found) return this.leave(guide);
      const { row, entry } = found;
      if (!alone) {
        const [[x1, y1], [x2, y2]] = upright ? [[left, along(row)], [right, along(row)]] : [[along(row), top], [along(row), bottom]];
        for (const [name, value] of Object.entries({ x1, y1, x2, y2, visibility: "visible" })) guide.setAttribute(name, value);
      }
      if (options.tooltip?.trigger !== "none") showTooltip(event, this.tooltipOf(table, options, series, row, entry, names));
    });
    picture.addEventListener("mouseleave", () => this.leave(guide));
    picture.addEventListener("click", (event) => {
      const found = event.target.dataset?.place ? null : find(event);
      if (found) this.choose(found.row, found.entry.column);
    });
  }
  leave(guide) {
    guide.setAttribute("visibility", "hidden");
    hideTooltip();
  }
  tooltipOf(table, options, series, row, entry, names) {
    const column = entry.roles.tooltip?.[0] ?? series.find(({ roles }) => roles.tooltip)?.roles.tooltip[0];
    const own = column === undefined ? null : table.getValue(row, column);
    if (own) return options.tooltip?.isHtml || table.getColumnProperty(column, "html") ? cleanHtml(own) : `<pre>${escapeHtml(own)}</pre>`;
    const shown = entry.kind === "scatter" ? [entry] : series.filter(({ values }) => values[row] !== null && (series.length < 5 || values[row] !== 0));
    const lines = (shown.length ? shown : [entry]).map(({ colour, label, column }) => ({ colour, label, value: table.getFormattedValue(row, column) }));
    return tooltipRows(`${table.getColumnLabel(0) ? `${table.getColumnLabel(0)}: ` : ""}${names[row]}`, lines);
  }

  // A rectangle drawn by the pointer becomes the window; the right button gives the whole again.
  explore(picture, plot) {
    const { left, right, top, bottom, domain, scales } = plot;
    const spot = (event) => {
      const box = picture.getBoundingClientRect();
      return [Math.min(right, Math.max(left, event.clientX - box.left)), Math.min(bottom, Math.max(top, event.clientY - box.top))];
    };
    let begun = null;
    const frame = svgElement("rect", { fill: "#3366cc22", stroke: "#3366cc", visibility: "hidden", "pointer-events": "none" });
    picture.append(frame);
    picture.addEventListener("mousedown", (event) => event.button === 0 && (begun = spot(event)));
    picture.addEventListener("mousemove", (event) => {
      if (!begun) return;
      const now = spot(event);
      const box = { x: Math.min(begun[0], now[0]), y: Math.min(begun[1], now[1]), width: Math.abs(begun[0] - now[0]), height: Math.abs(begun[1] - now[1]), visibility: "visible" };
      for (const [name, value] of Object.entries(box)) frame.setAttribute(name, value);
    });
    picture.addEventListener("mouseup", (event) => {
      const [first, last] = [begun, spot(event)];
      begun = null;
      if (!first || Math.hypot(first[0] - last[0], first[1] - last[1]) < 8) return;
      const [x, y] = [[first[0], last[0]].sort((a, b) => a - b), [first[1], last[1]].sort((a, b) => b - a)];
      const h = x.map((value) => domain.value((value - left) / (right - left)));
      const v = y.map((value) => scales[0].value((bottom - value) / (bottom - top)));
      this.zoom = { h: { min: h[0], max: h[1] }, v: { min: v[0], max: v[1] } };
      this.paint();
    });
    picture.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      this.zoom = null;
      this.paint();
    });
  }
}
