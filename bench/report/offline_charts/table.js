// Tables of cells, sorted by their headings, in pages; and the names under which XProf finds all of this.
class Table {
  constructor(element) {
    this.element = element;
    this.selection = [];
    this.page = 0;
  }
  draw(table, options = {}) {
    if (this.table !== table) this.page = 0;
    [this.table, this.options] = [table, { ...options }];
    this.order ??= null;
    if (options.sortColumn !== undefined && options.sort === "event") this.order = options.sortColumn >= 0 ? { column: options.sortColumn, desc: options.sortAscending === false } : null;
    this.paint();
    setTimeout(() => events.trigger(this, "ready"));
  }
  paint() {
    const { table, options } = this;
    const length = table.getNumberOfRows();
    const sorted = this.order && options.sort !== "event" && options.sort !== "disable" && this.order.column < table.getNumberOfColumns() ? table.getSortedRows(this.order) : range(length);
    const size = options.page && options.page !== "disable" ? options.pageSize || 10 : length || 1;
    const pages = Math.max(1, Math.ceil(length / size));
    this.page = Math.min(this.page, pages - 1);
    const shown = sorted.slice(this.page * size, (this.page + 1) * size);
    const classes = options.cssClassNames ?? {};
    const columns = range(table.getNumberOfColumns()).filter((column) => !ROLES_OF_NOTES.has(table.getColumnRole(column)));
    const head = htmlElement("tr", {}, ...(options.showRowNumber ? [htmlElement("th", { className: classes.headerCell ?? "" })] : []), ...columns.map((column) => this.heading(column, classes)));
    const body = shown.map((row, place) => this.row(row, this.page * size + place, columns, classes));
    const drawn = htmlElement("table", { className: "google-visualization-table-table" }, htmlElement("thead", {}, head), htmlElement("tbody", {}, ...body));
    const around = htmlElement("div", { className: "google-visualization-table" }, drawn);
    const css = (given) => (typeof given === "number" || /^\d+$/.test(given) ? `${given}px` : given ?? "");
    columns.forEach((column, place) => {
      if (table.getColumnType(column) !== "string") return;
      const longest = Math.max(0, ...shown.map((row) => textWidth(text(table.getFormattedValue(row, column)).replace(/<[^>]*>/g, ""), 13)));
      head.cells[place + (options.showRowNumber ? 1 : 0)].style.minWidth = `${Math.min(230, longest)}px`; // XProf lets names break anywhere
    });
    Object.assign(around.style, { width: css(options.width), maxHeight: css(options.height) });
    this.element.replaceChildren(around);
    if (pages > 1) this.element.append(this.pager(pages, length, size));
  }
  heading(column, classes) {
    const { table, options } = this;
    const sortable = options.sort !== "disable";
    const sorted = this.order?.column === column;
    const cell = htmlElement("th", { className: `google-visualization-table-th google-visualization-table-type-${table.getColumnType(column)} ${classes.headerCell ?? ""}`, textContent: table.getColumnLabel(column) || table.getColumnId(column) });
    cell.setAttribute("aria-sort", sorted ? (this.order.desc ? "descending" : "ascending") : "none");
    if (!sortable) return cell;
    cell.tabIndex = 0;
    cell.append(htmlElement("span", { className: "offline-sort", textContent: sorted ? (this.order.desc ? "▼" : "▲") : "" }));
    const sort = () => {
      this.order = { column, desc: sorted && !this.order.desc };
      this.page = 0;
      if (options.sort !== "event") this.paint();
      events.trigger(this, "sort", { column, ascending: !this.order.desc, sortedIndexes: table.getSortedRows(this.order) });
    };
    cell.addEventListener("click", sort);
    cell.addEventListener("keydown", (event) => event.key === "Enter" && sort());
    return cell;
  }
  row(row, place, columns, classes) {
    const { table, options } = this;
    const cells = columns.map((column) => {
      const type = table.getColumnType(column);
      const own = table.getProperty(row, column, "className") ?? "";
      const cell = htmlElement("td", { className: `google-visualization-table-td google-visualization-table-type-${type} ${classes.tableCell ?? ""} ${own}` });
      const style = table.getProperty(row, column, "style");
      if (style) cell.style.cssText = style;
      const shown = type === "boolean" && table.formatted(row, column) === undefined ? { true: "✔", false: "✗" }[table.getValue(row, column)] ?? "" : table.getFormattedValue(row, column);
      if (options.allowHtml && /[<&]/.test(shown)) cell.innerHTML = cleanHtml(shown);
      else cell.textContent = shown;
      return cell;
    });
    if (options.showRowNumber) cells.unshift(htmlElement("td", { className: `google-visualization-table-type-number ${classes.tableCell ?? ""}`, textContent: String(place + (options.firstRowNumber ?? 1)) }));
    const line = htmlElement("tr", { className: this.selection.some((chosen) => chosen.row === row) ? "selected" : "" }, ...cells);
    line.addEventListener("click", () => {
      this.setSelection(line.classList.contains("selected") ? [] : [{ row, column: null }]);
      line.parentElement.querySelectorAll("tr").forEach((other) => other.classList.toggle("selected", other === line && this.selection.length > 0));
      events.trigger(this, "select");
    });
    return line;
  }
  pager(pages, length, size) {
    const button = (label, page, title) => {
      const made = htmlElement("button", { type: "button", textContent: label, title, disabled: page < 0 || page >= pages });
      made.addEventListener("click", () => {
        this.page = page;
        this.paint();
        events.trigger(this, "page", { page });
      });
      return made;
    };
    const last = Math.min(length, (this.page + 1) * size);
    return htmlElement("div", { className: "offline-pager" }, button("‹", this.page - 1, "Previous page"), htmlElement("span", { textContent: `${this.page * size + 1}–${last} of ${length.toLocaleString("en-US")}` }), button("›", this.page + 1, "Next page"));
  }
  getSelection() { return this.selection; }
  setSelection(selection) { this.selection = selection ?? []; }
  getSortInfo() { return { column: this.order?.column ?? -1, ascending: !this.order?.desc, sortedIndexes: this.order ? this.table.getSortedRows(this.order) : null }; }
  clearChart() { this.element.replaceChildren(); }
}
const ROLES_OF_NOTES = new Set(["tooltip", "annotation", "annotationText", "style", "interval", "certainty", "emphasis", "scope", "old-data"]);

const STYLE = `
.google-visualization-table { overflow: auto; font: 13px ${FONT}; max-width: 100%; }
.google-visualization-table-table { border-collapse: separate; border-spacing: 0; width: 100%; color: ${INK}; background: #fff; }
.google-visualization-table-table th { position: sticky; top: 0; z-index: 1; background: #f8f9fa; color: ${INK}; font-weight: 500; text-align: left; padding: 8px 10px; border-bottom: 1px solid #c7cbd1; vertical-align: bottom; }
.google-visualization-table-table th[tabindex] { cursor: pointer; }
.google-visualization-table-table th[tabindex]:hover { background: #eef1f5; }
.google-visualization-table-table td { padding: 5px 10px; border-bottom: 1px solid ${LINE}; vertical-align: top; }
.google-visualization-table-table tbody tr:hover { background: #f3f6fb; }
.google-visualization-table-table tbody tr.selected { background: #e1ebfd; }
.google-visualization-table-table .google-visualization-table-type-number { text-align: right; font-variant-numeric: tabular-nums; word-break: normal; }
.offline-sort { font-size: 9px; margin-left: 4px; color: ${SOFT}; }
.offline-pager { display: flex; gap: 10px; align-items: center; padding: 8px 2px; font: 12px ${FONT}; color: ${SOFT}; }
.offline-pager button { border: 1px solid #c7cbd1; border-radius: 4px; background: #fff; width: 28px; height: 26px; cursor: pointer; }
.offline-chart { display: block; overflow: visible; }
.offline-chart-tooltip { position: fixed; z-index: 10000; display: none; pointer-events: none; max-width: 460px; padding: 7px 10px; background: #fff; color: ${INK}; border: 1px solid #c7cbd1; border-radius: 4px; box-shadow: 0 2px 8px #0003; font: 12px/1.5 ${FONT}; }
.offline-chart-tooltip pre { margin: 0; font: inherit; white-space: pre-wrap; }
.offline-chart-tooltip i { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 6px; }
`;
document.head.append(htmlElement("style", { textContent: STYLE }));

const axesChart = (kind, orientation = "horizontal") =>
  class extends AxesChart {
    kind = kind;
    orientation = orientation;
  };
const visualization = {
  DataTable, DataView, NumberFormat, PatternFormat, arrayToDataTable, data, events, Table, PieChart,
  AreaChart: axesChart("area"),
  BarChart: axesChart("bar", "vertical"),
  ColumnChart: axesChart("bar"),
  ComboChart: axesChart("line"),
  LineChart: axesChart("line"),
  ScatterChart: axesChart("scatter"),
  SteppedAreaChart: axesChart("steppedArea"),
  BubbleChart: UndrawnChart,
  CandlestickChart: UndrawnChart,
  Histogram: UndrawnChart,
};
const ready = (callback) => Promise.resolve().then(callback);
const charts = {
  load: (_version, { callback } = {}) => ready(callback),
  safeLoad: ({ callback } = {}) => ready(callback),
  setOnLoadCallback: (callback) => {
    ready(callback);
  },
};
window.google = { ...window.google, charts, visualization };
