// Pies, and what they leave together: slices too small to be seen. Of two tables the ring outside is the new one.
class PieChart extends Chart {
  computeDiff(before, after) {
    const table = after.toDataTable();
    const old = table.addColumn({ type: "number", role: "old-data", p: {} });
    const values = new Map(range(before.getNumberOfRows()).map((row) => [before.getValue(row, 0), before.getValue(row, 1)]));
    range(table.getNumberOfRows()).forEach((row) => table.setValue(row, old, values.get(table.getValue(row, 0)) ?? 0));
    return table;
  }

  slices(table, options, column) {
    const rows = range(table.getNumberOfRows()).map((row) => ({ row, label: text(table.getFormattedValue(row, 0)), value: Math.max(0, table.getValue(row, column) ?? 0) }));
    const whole = sum(rows.map(({ value }) => value));
    const least = options.sliceVisibilityThreshold ?? 1 / 720;
    const coloured = rows.map((slice) => ({ ...slice, colour: options.slices?.[slice.row]?.color ?? (options.colors ?? PALETTE)[slice.row % (options.colors ?? PALETTE).length], share: whole ? slice.value / whole : 0 }));
    const small = coloured.filter(({ share }) => share < least);
    const rest = sum(small.map(({ value }) => value));
    const shown = coloured.filter(({ share }) => share >= least);
    if (rest > 0) shown.push({ row: null, label: `Other (${small.length})`, value: rest, share: rest / whole, colour: options.pieResidueSliceColor ?? "#bdc1c6" });
    return shown;
  }

  fill(picture, { table, options, width, height }) {
    const old = range(table.getNumberOfColumns()).find((column) => table.getColumnRole(column) === "old-data");
    const shown = this.slices(table, options, 1);
    const title = options.title ? 26 : 0;
    if (title) picture.append(words(cut(options.title, width - 8, 14, true), 4, 18, { size: 14, bold: true, fill: INK }));
    const tall = (length(options.chartArea?.height, height) ?? height - 20) - title;
    const size = options.legend?.textStyle?.fontSize ?? 12;
    const legend = options.legend !== "none" && options.legend?.position !== "none";
    const radius = Math.max(20, Math.min(tall / 2, (width * (legend ? 0.5 : 0.94)) / 2));
    const left = length(options.chartArea?.left, width) ?? 8;
    const [x, y] = [legend ? left + radius + 2 : width / 2, title + (height - title) / 2];
    const sizes = old === undefined ? [[radius * (options.pieHole ?? 0), radius, shown]] : [[radius * 0.62, radius, shown], [0, radius * 0.58, this.slices(table, options, old)]];
    sizes.forEach(([inner, outer, slices]) => this.ring(picture, { x, y, inner, outer, slices, options, table }));
    if (!legend) return;
    const entries = shown.map(({ label, colour, share }) => ({ label, note: formatNumber(share, "#0.0%"), colour }));
    const from = left + 2 * radius + 18;
    const room = Math.min(tall, entries.length * (size + 8) - 8);
    picture.append(legendEntries(entries, { x: from, y: y - room / 2, width: width - from, height: room, size }).group);
  }

  ring(picture, { x, y, inner, outer, slices, options }) {
    const point = (turn, radius) => [x + radius * Math.sin(2 * Math.PI * turn), y - radius * Math.cos(2 * Math.PI * turn)].map((value) => value.toFixed(3)).join(",");
    let turned = 0;
    if (!slices.length) picture.append(words("No data", x, y, { anchor: "middle" }));
    slices.forEach((slice) => {
      const [from, to] = [turned, turned + Math.min(slice.share, 0.99999)];
      turned += slice.share;
      const wide = to - from > 0.5 ? 1 : 0;
      const hole = inner > 0 ? `L${point(to, inner)}A${inner},${inner} 0 ${wide} 0 ${point(from, inner)}` : `L${x},${y}`;
      const d = `M${point(from, outer)}A${outer},${outer} 0 ${wide} 1 ${point(to, outer)}${hole}Z`;
      const wedge = svgElement("path", { d, fill: slice.colour, stroke: "#fff", "stroke-width": 1 });
      wedge.addEventListener("mousemove", (event) => showTooltip(event, tooltipRows("", [{ colour: slice.colour, label: slice.label, value: `${formatNumber(slice.value)} (${formatNumber(slice.share, "#0.0%")})` }])));
      wedge.addEventListener("mouseleave", hideTooltip);
      if (slice.row !== null) wedge.addEventListener("click", () => this.choose(slice.row, null));
      picture.append(wedge);
      const label = formatNumber(slice.share, slice.share < 0.1 ? "#0.0%" : "#0%");
      const middle = (inner + outer) / 2 + (inner ? 0 : outer * 0.14);
      if (options.pieSliceText !== "none" && slice.share * 2 * Math.PI * middle > textWidth(label, 11) + 4) {
        const [cx, cy] = point((from + Math.min(to, turned)) / 2, middle).split(",");
        picture.append(words(label, cx, Number(cy) + 4, { anchor: "middle", size: 11, fill: darkness(slice.colour) ? "#fff" : INK, "pointer-events": "none" }));
      }
    });
  }
}
const darkness = (colour) => {
  measuring.fillStyle = colour;
  const [r, g, b] = (measuring.fillStyle.match(/[0-9a-f]{2}/gi) ?? ["80", "80", "80"]).map((part) => parseInt(part, 16));
  return 0.3 * r + 0.59 * g + 0.11 * b < 150;
};

// XProf names these kinds and draws none of them.
class UndrawnChart extends Chart {
  fill(picture, { width, height }) {
    picture.append(words("This kind of chart is not drawn without a network.", width / 2, height / 2, { anchor: "middle" }));
  }
}
