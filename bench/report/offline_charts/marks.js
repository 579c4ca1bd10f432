// What all charts share: SVG, text that is cut where it would not fit, scales, legends, tooltips, HTML made harmless.
const PALETTE = ["#3366cc", "#e8710a", "#12a378", "#b4359f", "#c5221f", "#0097b2", "#f2a600", "#6750a4", "#5f7c1a", "#8d5b3f"];
const INK = "#202124", SOFT = "#5f6368", LINE = "#e3e6ea", AXIS = "#80868b";
const FONT = "Roboto, 'Helvetica Neue', Arial, sans-serif";

const escapeHtml = (value) => text(value).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
// Cells and tooltips of XProf hold markup, and beside it names that come from traces: scripts and handlers are taken out.
const SAFE_TAGS = new Set("A B BR DIV EM FONT I LI P PRE SMALL SPAN STRONG SUB SUP TABLE TBODY TD TH THEAD TR U UL OL CODE".split(" "));
const SAFE_ATTRIBUTES = new Set(["class", "color", "href", "rel", "style", "target", "title"]);
const cleanHtml = (markup) => {
  const body = new DOMParser().parseFromString(text(markup), "text/html").body;
  for (const element of [...body.querySelectorAll("*")]) {
    if (!SAFE_TAGS.has(element.tagName)) element.replaceWith(document.createTextNode(element.textContent));
    for (const { name, value } of [...element.attributes]) {
      const scripted = name === "href" && !/^(https?:|[/?#.])/i.test(value.trim());
      const loading = name === "style" && /url|expression|import/i.test(value);
      if (!SAFE_ATTRIBUTES.has(name) || scripted || loading) element.removeAttribute(name);
    }
  }
  return body.innerHTML;
};

const svgElement = (tag, attributes = {}, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const htmlElement = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const measuring = document.createElement("canvas").getContext("2d");
const textWidth = (words, size = 12, bold = false) => {
  measuring.font = `${bold ? "bold " : ""}${size}px ${FONT}`;
  return measuring.measureText(words).width;
};
const cut = (words, width, size = 12, bold = false) => {
  if (textWidth(words, size, bold) <= width) return words;
  const path = words.includes("/"); // of the name of an operation the end tells it from others
  const ellipsis = (kept) => (path ? `…${kept}` : `${kept}…`);
  let kept = words;
  while (kept && textWidth(ellipsis(kept), size, bold) > width) kept = path ? kept.slice(1) : kept.slice(0, -1);
  return kept ? ellipsis(kept) : "";
};
const words = (content, x, y, { size = 12, bold = false, anchor = "start", fill = SOFT, ...more } = {}) =>
  svgElement("text", { x, y, "font-size": size, "font-weight": bold ? "bold" : undefined, "text-anchor": anchor, fill, ...more }, content);

// A length of the options: pixels, or a share of the whole.
const length = (given, whole) => {
  if (given === undefined || given === null || given === "") return undefined;
  return /%$/.test(given) ? (whole * parseFloat(given)) / 100 : parseFloat(given);
};

// Scales: from values to pixels, with the ticks of an axis.
const niceStep = (span, count) => {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
};
const decimals = (step) => Math.max(0, Math.min(10, -Math.floor(Math.log10(step) + 1e-9) + (/^2\.?5/.test(String(step / 10 ** Math.floor(Math.log10(step)))) ? 1 : 0)));
const tickText = (step, format) => {
  if (format) return (value) => formatNumber(value, format);
  const digits = decimals(step);
  return (value) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
};
const linearScale = ({ low, high, count, format, fixedLow, fixedHigh, ticks }) => {
  if (!(high > low)) high = low + (Math.abs(low) || 1);
  const step = niceStep(high - low, count);
  const first = fixedLow ? low : Math.floor(low / step + 1e-9) * step;
  const last = fixedHigh ? high : Math.ceil(high / step - 1e-9) * step;
  const start = Math.ceil(first / step - 1e-9);
  const even = range(Math.floor(last / step + 1e-9) - start + 1).map((number) => (start + number) * step);
  const value = (share) => first + share * (last - first);
  return { low: first, high: last, value, share: (given) => (given - first) / (last - first), ticks: ticks ?? even, label: tickText(step, format) };
};
const logScale = ({ low, high, format, ticks }) => {
  const [first, last] = [Math.log10(low), Math.log10(high)];
  const shown = (value) => (format ? formatNumber(value, format) : value >= 1e6 || value < 1e-3 ? value.toExponential(0) : value.toLocaleString("en-US"));
  const powers = range(Math.floor(last) - Math.ceil(first) + 1).map((number) => 10 ** (Math.ceil(first) + number));
  const inside = (ticks ?? powers).filter((value) => value >= low && value <= high);
  const value = (share) => 10 ** (first + share * (last - first));
  return { low, high, value, share: (given) => (Math.log10(Math.max(given, low)) - first) / (last - first || 1), ticks: inside, label: shown };
};

// Legends: swatches and names, below each other at the right or in rows at the top or bottom.
const legendEntries = (entries, { x, y, width, height, size = 12, rows = false }) => {
  const group = svgElement("g", { class: "legend" });
  const line = size + 8;
  let [left, top] = [x, y];
  const most = rows ? entries.length : Math.max(1, Math.floor((height + 8) / line));
  const listed = entries.length > most ? entries.slice(0, most - 1) : entries;
  listed.forEach(({ label, note, colour, line: isLine }) => {
    const aside = note ? `${note}  ` : "";
    const room = rows ? Math.min(width - 20, textWidth(label, size) + 1) : width - 20;
    if (rows && left > x && left + 20 + room > x + width) [left, top] = [x, top + line];
    if (top + size > y + height) return;
    const swatch = isLine
      ? svgElement("line", { x1: left, x2: left + 13, y1: top + size / 2, y2: top + size / 2, stroke: colour, "stroke-width": 2.5 })
      : svgElement("rect", { x: left, y: top, width: size, height: size, rx: 2, fill: colour });
    group.append(svgElement("g", {}, svgElement("title", {}, aside + label), swatch, words(aside + cut(label, room - textWidth(aside, size), size), left + size + 6, top + size - 2, { size, fill: INK })));
    if (rows) left += 20 + room + 14;
    else top += line;
  });
  if (listed.length < entries.length) group.append(words(`and ${entries.length - listed.length} more`, left + size + 6, top + size - 2, { size }));
  return { group, height: top - y + line };
};

// One tooltip for the page, beside the pointer and inside the window.
const tooltip = htmlElement("div", { className: "offline-chart-tooltip" });
const showTooltip = (event, markup) => {
  if (!tooltip.isConnected) document.body.append(tooltip);
  tooltip.innerHTML = markup;
  tooltip.style.display = "block";
  const { width, height } = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.max(4, event.clientX + 16 + width > innerWidth ? event.clientX - width - 12 : event.clientX + 16)}px`;
  tooltip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 4))}px`;
};
const hideTooltip = () => {
  tooltip.style.display = "none";
};
const tooltipRows = (head, rows) =>
  (head ? `<b>${escapeHtml(head)}</b>` : "") +
  rows.map(({ colour, label, value }) => `<div><i style="background:${escapeHtml(colour)}"></i>${label ? `${escapeHtml(label)}: ` : ""}<b>${escapeHtml(value)}</b></div>`).join("");

// A chart lives in an element; it is drawn again when the element gets another width.
class Chart {
  constructor(element) {
    this.element = element;
    this.selection = [];
    this.watcher = new ResizeObserver(() => {
      const width = this.element.clientWidth;
      if (this.drawn && width && width !== this.drawn.width && !this.drawn.options.width) this.paint();
    });
    this.watcher.observe(element);
  }
  draw(table, options = {}) {
    this.drawn = { table, options: { ...options } };
    this.selection = [];
    this.zoom = null;
    this.paint();
    setTimeout(() => events.trigger(this, "ready"));
  }
  paint() {
    const { table, options } = this.drawn;
    const number = (given, otherwise) => length(given, otherwise) || otherwise;
    const width = number(options.width, this.element.clientWidth || 400);
    const height = number(options.height, this.element.clientHeight || 200);
    this.drawn.width = this.element.clientWidth;
    hideTooltip();
    const picture = svgElement("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": options.title ?? "", class: "offline-chart", "font-family": FONT });
    this.element.replaceChildren(picture);
    if (table.getNumberOfRows() && table.getNumberOfColumns() > 1) this.fill(picture, { table, options, width, height });
    else picture.append(words("No data", width / 2, height / 2, { anchor: "middle", size: 13 }));
  }
  choose(row, column) {
    this.selection = [{ row, column }];
    events.trigger(this, "select");
    events.trigger(this, "click", { targetID: `point#${column - 1}#${row}` });
  }
  getSelection() { return this.selection; }
  setSelection(selection) {
    this.selection = selection ?? [];
    this.element.querySelectorAll("[data-place]").forEach((mark) => {
      const chosen = this.selection.some(({ row, column }) => mark.dataset.place === `${row ?? 0} ${column}`);
      mark.setAttribute("stroke", chosen ? INK : "none");
    });
  }
  clearChart() {
    this.drawn = undefined;
    hideTooltip();
    this.element.replaceChildren();
  }
}
