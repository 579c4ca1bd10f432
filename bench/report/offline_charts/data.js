// Tables of data as Google Charts has them, as far as XProf uses them: DataTable, DataView, grouping, formats, events.
const text = (value) => (value === null || value === undefined ? "" : String(value));
const order = (a, b) => {
  if (a === b) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  return a < b ? -1 : 1;
};

// Numbers: patterns as "##.#%", "#,##0.###", "###.####ms"; what stands around the digits is printed as it is.
const PATTERNS = { decimal: "#,##0.###", percent: "#,##0%", scientific: "0.##E0", short: "#,##0.#" };
const readPattern = (name) => {
  const pattern = PATTERNS[name] ?? name;
  const [, before, digits, after] = pattern.match(/^((?:'[^']*'|[^#0.,'])*)([#0.,]*(?:E0+)?)(.*)$/);
  const [whole, fraction = ""] = digits.replace(/E0+$/, "").split(".");
  const plain = (part) => part.replaceAll("''", "\u0000").replaceAll("'", "").replaceAll("\u0000", "'");
  return {
    before: plain(before),
    after: plain(after),
    percent: after.replace(/'[^']*'/g, "").includes("%"),
    scientific: /E0/.test(digits),
    grouped: whole.includes(","),
    least: (fraction.match(/0/g) ?? []).length,
    most: fraction.length,
    leastWhole: (whole.match(/0/g) ?? []).length,
  };
};
const formatNumber = (number, pattern = PATTERNS.decimal) => {
  if (!Number.isFinite(number)) return String(number);
  const read = readPattern(pattern);
  if (read.scientific) return read.before + number.toExponential(read.most).replace("e+", "E").replace("e", "E") + read.after;
  const digits = (read.percent ? 100 * number : number).toLocaleString("en-US", {
    minimumFractionDigits: read.least,
    maximumFractionDigits: Math.max(read.least, read.most),
    minimumIntegerDigits: Math.max(1, read.leastWhole),
    useGrouping: read.grouped,
  });
  return read.before + digits + read.after;
};
const formatValue = (value) => (typeof value === "number" ? formatNumber(value) : text(value));

// Rows that pass filters, and rows in an order: both DataTable and DataView have them.
const passes = (value, filter, row, table) => {
  if ("test" in filter) return filter.test(value, row, filter.column, table);
  if ("value" in filter) return value === filter.value;
  if (value === null || value === undefined) return false;
  const { minValue, maxValue } = filter;
  return (minValue === undefined || minValue === null || value >= minValue) && (maxValue === undefined || maxValue === null || value <= maxValue);
};
const range = (count) => Array.from({ length: count }, (_, number) => number);
const sorting = (table, keys) => {
  const criteria = [keys].flat().map((key) => (typeof key === "object" ? key : { column: key }));
  return (a, b) => {
    for (const { column, desc, compare = order } of criteria) {
      const found = compare(table.getValue(a, column), table.getValue(b, column));
      if (found) return desc ? -found : found;
    }
    return a - b;
  };
};
class Rows {
  getFilteredRows(filters) {
    if (typeof filters === "function") return range(this.getNumberOfRows()).filter((row) => filters(row, this));
    return range(this.getNumberOfRows()).filter((row) => filters.every((filter) => passes(this.getValue(row, this.getColumnIndex(filter.column)), filter, row, this)));
  }
  getSortedRows(keys) {
    return range(this.getNumberOfRows()).sort(sorting(this, keys));
  }
  getColumnIndex(name) {
    if (typeof name === "number") return name;
    const columns = range(this.getNumberOfColumns());
    return columns.find((column) => this.getColumnId(column) === name) ?? columns.find((column) => this.getColumnLabel(column) === name) ?? -1;
  }
  getDistinctValues(column) {
    const values = range(this.getNumberOfRows()).map((row) => this.getValue(row, column));
    return [...new Set(values)].sort(order);
  }
  getColumnRange(column) {
    const values = range(this.getNumberOfRows()).map((row) => this.getValue(row, column)).filter((value) => value !== null).sort(order);
    return { min: values[0] ?? null, max: values.at(-1) ?? null };
  }
  getProperty(row, column, name) {
    return this.getProperties(row, column)[name] ?? null;
  }
  getColumnProperty(column, name) {
    return this.getColumnProperties(column)[name] ?? null;
  }
  toDataTable() {
    const columns = range(this.getNumberOfColumns());
    const describe = (column) => ({
      id: this.getColumnId(column),
      label: this.getColumnLabel(column),
      type: this.getColumnType(column),
      role: this.getColumnRole(column),
      p: { ...this.getColumnProperties(column) },
    });
    const cell = (row, column) => ({ v: this.getValue(row, column), f: this.formatted(row, column), p: { ...this.getProperties(row, column) } });
    const rows = range(this.getNumberOfRows()).map((row) => ({ c: columns.map((column) => cell(row, column)) }));
    return new DataTable({ cols: columns.map(describe), rows, p: { ...this.getTableProperties() } });
  }
  clone() {
    return this.toDataTable();
  }
  toJSON() {
    const { cols, rows, p } = this.toDataTable();
    return JSON.stringify({ cols, rows, p });
  }
}

const makeCell = (cell) => {
  if (cell !== null && typeof cell === "object" && !(cell instanceof Date)) return { v: cell.v ?? null, f: cell.f, p: { ...cell.p } };
  return { v: cell ?? null, f: undefined, p: {} };
};
class DataTable extends Rows {
  constructor(given) {
    super();
    const { cols = [], rows = [], p = {} } = (typeof given === "string" ? JSON.parse(given) : given) ?? {};
    this.cols = cols.map((column) => ({ ...column, type: column.type ?? "string", p: { ...column.p } }));
    this.rows = rows.map((row) => ({ c: this.cols.map((_, column) => makeCell(row.c?.[column])), p: { ...row.p } }));
    this.p = { ...p };
  }
  getNumberOfColumns() { return this.cols.length; }
  getNumberOfRows() { return this.rows.length; }
  getColumnId(column) { return text(this.cols[column].id); }
  getColumnLabel(column) { return text(this.cols[column].label); }
  getColumnType(column) { return this.cols[column].type; }
  getColumnPattern(column) { return text(this.cols[column].pattern); }
  getColumnRole(column) { return text(this.cols[column].role ?? this.cols[column].p.role); }
  getColumnProperties(column) { return this.cols[column].p; }
  getTableProperties() { return this.p; }
  getTableProperty(name) { return this.p[name] ?? null; }
  getTableColumnIndex(column) { return column; }
  getTableRowIndex(row) { return row; }
  getValue(row, column) { return this.rows[row].c[column].v; }
  formatted(row, column) { return this.rows[row].c[column].f; }
  getFormattedValue(row, column) { return this.formatted(row, column) ?? formatValue(this.getValue(row, column)); }
  getProperties(row, column) { return this.rows[row].c[column].p; }
  getRowProperties(row) { return this.rows[row].p; }
  getRowProperty(row, name) { return this.rows[row].p[name] ?? null; }
  setTableProperty(name, value) { this.p[name] = value; }
  setTableProperties(p) { this.p = { ...p }; }
  setColumnLabel(column, label) { this.cols[column].label = label; }
  setColumnProperty(column, name, value) { this.cols[column].p[name] = value; }
  setColumnProperties(column, p) { this.cols[column].p = { ...p }; }
  setRowProperty(row, name, value) { this.rows[row].p[name] = value; }
  setRowProperties(row, p) { this.rows[row].p = { ...p }; }
  setProperty(row, column, name, value) { this.rows[row].c[column].p[name] = value; }
  setProperties(row, column, p) { this.rows[row].c[column].p = { ...p }; }
  setValue(row, column, value) { this.rows[row].c[column] = { v: value, f: undefined, p: this.rows[row].c[column].p }; }
  setFormattedValue(row, column, f) { this.rows[row].c[column].f = f; }
  setCell(row, column, v, f, p) { this.rows[row].c[column] = { v: v ?? null, f, p: { ...p } }; }
  addColumn(type, label, id) { return this.insertColumn(this.cols.length, type, label, id); }
  insertColumn(place, type, label = "", id = "") {
    const column = typeof type === "object" ? { ...type, p: { ...type.p } } : { type, label, id, p: {} };
    this.cols.splice(place, 0, column);
    this.rows.forEach((row) => row.c.splice(place, 0, makeCell(null)));
    return place;
  }
  removeColumn(column) { this.removeColumns(column, 1); }
  removeColumns(column, count) {
    this.cols.splice(column, count);
    this.rows.forEach((row) => row.c.splice(column, count));
  }
  addRow(values = []) { return this.addRows([values]); }
  addRows(given) {
    return this.insertRows(this.rows.length, given);
  }
  insertRows(place, given) {
    const added = typeof given === "number" ? range(given).map(() => []) : given;
    this.rows.splice(place, 0, ...added.map((values) => ({ c: this.cols.map((_, column) => makeCell(values[column])), p: {} })));
    return this.rows.length - 1;
  }
  removeRow(row) { this.removeRows(row, 1); }
  removeRows(row, count) { this.rows.splice(row, count); }
  sort(keys) {
    const sorted = this.getSortedRows(keys).map((row) => this.rows[row]);
    this.rows = sorted;
  }
}

const CALCULATIONS = {
  stringify: (table, row, column) => table.getFormattedValue(row, column),
  identity: (table, row, column) => table.getValue(row, column),
  emptyString: () => "",
  error: () => null,
};
class DataView extends Rows {
  constructor(table) {
    super();
    this.table = table;
    this.columns = range(table.getNumberOfColumns()).map((source) => ({ source }));
    this.chosen = null;
  }
  setColumns(columns) {
    this.columns = columns.map((column) => {
      if (typeof column !== "object") return { source: this.table.getColumnIndex(column) };
      const calc = typeof column.calc === "string" ? CALCULATIONS[column.calc] : column.calc;
      return { ...column, calc, source: column.sourceColumn === undefined ? undefined : this.table.getColumnIndex(column.sourceColumn) };
    });
  }
  hideColumns(columns) {
    const hidden = new Set(columns.map((column) => this.table.getColumnIndex(column)));
    this.columns = this.columns.filter(({ source }) => !hidden.has(source));
  }
  setRows(first, last) {
    this.chosen = typeof first === "number" ? range(last - first + 1).map((row) => first + row) : first;
  }
  hideRows(first, last) {
    const hidden = new Set(typeof first === "number" ? range(last - first + 1).map((row) => first + row) : first);
    this.chosen = this.getViewRows().filter((row) => !hidden.has(row));
  }
  getViewRows() { return this.chosen ?? range(this.table.getNumberOfRows()); }
  getViewColumns() { return this.columns.map(({ source }) => source); }
  getNumberOfColumns() { return this.columns.length; }
  getNumberOfRows() { return this.chosen ? this.chosen.length : this.table.getNumberOfRows(); }
  of(column, own, read, none) {
    const chosen = this.columns[column];
    return chosen[own] ?? (chosen.source === undefined ? none : this.table[read](chosen.source));
  }
  getColumnId(column) { return this.of(column, "id", "getColumnId", ""); }
  getColumnLabel(column) { return this.of(column, "label", "getColumnLabel", ""); }
  getColumnType(column) { return this.of(column, "type", "getColumnType", "string"); }
  getColumnPattern(column) { return this.of(column, "pattern", "getColumnPattern", ""); }
  getColumnRole(column) { return this.of(column, "role", "getColumnRole", ""); }
  getColumnProperties(column) { return this.of(column, "properties", "getColumnProperties", {}); }
  getTableProperties() { return this.table.getTableProperties(); }
  getTableProperty(name) { return this.table.getTableProperty(name); }
  getTableColumnIndex(column) { return this.columns[column].source ?? -1; }
  getTableRowIndex(row) { return this.chosen ? this.chosen[row] : row; }
  getValue(row, column) {
    const { calc, source } = this.columns[column];
    const below = this.getTableRowIndex(row);
    const value = calc ? calc(this.table, below, source) : this.table.getValue(below, source);
    return value !== null && typeof value === "object" && "v" in value ? value.v : value;
  }
  formatted(row, column) {
    const { calc, source } = this.columns[column];
    return calc ? undefined : this.table.formatted(this.getTableRowIndex(row), source);
  }
  getFormattedValue(row, column) { return this.formatted(row, column) ?? formatValue(this.getValue(row, column)); }
  getProperties(row, column) {
    const { calc, source } = this.columns[column];
    return calc ? {} : this.table.getProperties(this.getTableRowIndex(row), source);
  }
  getRowProperty(row, name) { return this.table.getRowProperty(this.getTableRowIndex(row), name); }
}

const arrayToDataTable = (given, withoutHeads = false) => {
  const body = withoutHeads ? given : given.slice(1);
  const width = Math.max(0, ...given.map((row) => row.length));
  const cols = range(width).map((column) => {
    const head = withoutHeads ? "" : given[0][column];
    const known = body.map((row) => row[column]?.v ?? row[column]).find((value) => value !== null && value !== undefined);
    const type = typeof known === "number" || typeof known === "boolean" ? typeof known : "string";
    return head !== null && typeof head === "object" ? { type, ...head } : { type, label: text(head) };
  });
  const table = new DataTable({ cols });
  table.addRows(body);
  return table;
};

// Groups of rows with the same keys, in the order of the keys.
const sum = (values) => values.reduce((total, value) => total + value, 0);
const data = {
  sum,
  count: (values) => values.length,
  avg: (values) => sum(values) / values.length,
  min: (values) => values.reduce((least, value) => (value < least ? value : least)),
  max: (values) => values.reduce((most, value) => (value > most ? value : most)),
  month: (value) => value.getMonth() + 1,
  group: (table, keys, columns = []) => {
    const wanted = keys.map((key) => (typeof key === "object" ? key : { column: key }));
    const describe = ({ column, type, label, id }) => ({
      id: id ?? table.getColumnId(column),
      label: label ?? table.getColumnLabel(column),
      type: type ?? table.getColumnType(column),
    });
    const groups = new Map();
    for (const row of range(table.getNumberOfRows())) {
      const values = wanted.map(({ column, modifier = (value) => value }) => modifier(table.getValue(row, column)));
      const name = JSON.stringify(values);
      if (!groups.has(name)) groups.set(name, { values, rows: [] });
      groups.get(name).rows.push(row);
    }
    const grouped = new DataTable({ cols: [...wanted, ...columns].map(describe) });
    const gather = ({ column, aggregation }, rows) => aggregation(rows.map((row) => table.getValue(row, column)).filter((value) => value !== null));
    grouped.addRows([...groups.values()].map(({ values, rows }) => [...values, ...columns.map((column) => gather(column, rows))]));
    if (wanted.length) grouped.sort(range(wanted.length));
    return grouped;
  },
};

class NumberFormat {
  constructor({ pattern, fractionDigits = 2, prefix = "", suffix = "" } = {}) {
    this.pattern = pattern ?? `#,##0${fractionDigits > 0 ? `.${"0".repeat(fractionDigits)}` : ""}`;
    this.around = [prefix, suffix];
  }
  formatValue(value) { return this.around[0] + formatNumber(value, this.pattern) + this.around[1]; }
  format(table, column) {
    for (const row of range(table.getNumberOfRows())) {
      const value = table.getValue(row, column);
      if (typeof value === "number") table.setFormattedValue(row, column, this.formatValue(value));
    }
  }
}
class PatternFormat {
  constructor(pattern) { this.pattern = pattern; }
  format(table, columns, target = columns[0]) {
    for (const row of range(table.getNumberOfRows()))
      table.setFormattedValue(row, target, this.pattern.replace(/\{(\d+)\}/g, (_, place) => escapeHtml(table.getFormattedValue(row, columns[place]))));
  }
}

// Events: charts are the sources; each handler gets what the chart says.
const handlers = new WeakMap();
const events = {
  addListener: (source, name, handler) => {
    const own = handlers.get(source) ?? [];
    handlers.set(source, own);
    const listener = { source, name, handler };
    own.push(listener);
    return listener;
  },
  addOneTimeListener: (source, name, handler) => {
    const listener = events.addListener(source, name, (properties) => {
      events.removeListener(listener);
      handler(properties);
    });
    return listener;
  },
  removeListener: (listener) => {
    const own = handlers.get(listener.source) ?? [];
    if (own.includes(listener)) own.splice(own.indexOf(listener), 1);
  },
  removeAllListeners: (source) => handlers.delete(source),
  trigger: (source, name, properties) => [...(handlers.get(source) ?? [])].filter((listener) => listener.name === name).forEach((listener) => listener.handler(properties)),
};
