"""The report of two stored sets side by side: what differs in the environments, ratios, what mixed precision gains."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench.compare import differences, stored, stored_table
from bench.report import bars
from bench.report.bars import Bar
from bench.results import format, labels, store
from bench.results.cell import NO_MODEL, Cell
from bench.results.measurement import Measurement
from bench.results.table import Column, Table

FOLDER = Path(__file__).parent
PLAIN = "float32"
COLUMNS = (
    Column("cell"),
    Column("precision"),
    Column("base, images/s", "rate"),
    Column("mixed / float32", "ratio", key="base_gain"),
    Column("candidate, images/s", "rate"),
    Column("mixed / float32 ", "ratio", key="candidate_gain"),
)


@dataclass(frozen=True, kw_only=True)
class TwoSets:
    """What two sets say beside each other.

    Attributes:
        names: Of base and candidate, as given.
        origins: Machine, software, code and day of the last measurement of each.
        differing: What differs in the environments, base's value before candidate's.
        packages: Further packages that differ.
        tables: Cell by cell: both times and their ratio; then what mixed precision gains on each side.
        picture: Images a second of both, as bars.
        ratios: Candidate's seconds over base's, of each cell that has both.
    """

    names: tuple[str, str]
    origins: tuple[str, str]
    differing: tuple[str, ...]
    packages: tuple[str, ...]
    tables: tuple[Table, ...]
    picture: tuple[Bar, ...]
    ratios: tuple[float, ...] = ()


def gather(base: Path, candidate: Path) -> TwoSets:
    """Reads two sets and puts them beside each other; where they are no fair pair there are ratios and no verdicts.

    Raises:
        InputError: If one cannot be read, or no cell is in both.
    """
    return beside(stored.load(base), stored.load(candidate), names=(str(base), str(candidate)))


def beside(base: Sequence[Measurement], candidate: Sequence[Measurement], *, names: tuple[str, str]) -> TwoSets:
    """Puts two sets of measurements beside each other, as `gather` does.

    Raises:
        InputError: If no cell is in both.
    """
    sets = base, candidate
    rows = stored.compare(*sets, allow_mismatch=True)
    gains = _gains(*map(_rates, sets))
    return TwoSets(
        names=names,
        origins=(base[-1].origin, candidate[-1].origin),
        differing=tuple(differences.differences(*sets)),
        packages=tuple(differences.other_packages(*sets)),
        tables=(*stored_table.tables(rows), *([gains] if gains.rows else [])),
        picture=tuple(_bars(rows)),
        ratios=tuple(ratio for row in rows if (ratio := row.ratio())),
    )


def _rates(measurements: Sequence[Measurement]) -> dict[Cell, float]:
    """Images a second by cell: the median over its processes."""
    values: dict[Cell, list[float]] = {}
    for measured in measurements:
        if measured.status == "ok" and measured.images_per_second:
            values.setdefault(measured.cell, []).append(measured.images_per_second)
    return {cell: median(of_cell) for cell, of_cell in values.items()}


def _gains(base: dict[Cell, float], candidate: dict[Cell, float]) -> Table:
    """What a mixed precision gives over float32 in each set, of cells that were measured in both precisions."""
    mixed = [
        cell
        for cell in dict.fromkeys([*base, *candidate])
        if cell.precision != PLAIN
        and any({cell, replace(cell, precision=PLAIN)} <= rates.keys() for rates in (base, candidate))
    ]
    names, same = labels.apart([replace(cell, precision=PLAIN) for cell in mixed]) if mixed else ([], [])
    rows = []
    for name, cell in zip(names, mixed, strict=True):
        row: list = [name, cell.precision]
        for rates in (base, candidate):
            plain = rates.get(replace(cell, precision=PLAIN))
            row += [rates.get(cell), rates[cell] / plain if plain and cell in rates else None]
        rows.append(tuple(row))
    shared = f" ({', '.join(same)})" if same else ""
    title = f"Mixed precision against float32{shared}"
    return Table(title=title, columns=COLUMNS, rows=tuple(rows), notes=("above 1 mixed precision is faster",))


def _bars(rows: Sequence[stored.Row]) -> list[Bar]:
    """Both sides of the steps that differ most, the candidate's strong."""
    steps = [row for row in rows if row.seconds and row.cell.model != NO_MODEL] or [row for row in rows if row.seconds]
    chosen = sorted(steps, key=lambda row: abs((row.ratio() or 1.0) - 1.0), reverse=True)[: bars.MOST_ROWS // 2]
    drawn = []
    for row in chosen:
        images = 1 if row.per == "image" else row.cell.batch_size
        name = row.cell.model if row.cell.model != NO_MODEL else row.cell.pipeline
        name = " ".join((name, *row.cell.input_words))
        for side, seconds in zip(("base", "candidate"), row.seconds["wall"], strict=True):
            label = f"{name} b{row.cell.batch_size}" if side == "base" else "candidate"
            drawn.append(Bar(label, images / seconds, format.about(images / seconds), side == "candidate"))
    return drawn


def markdown(sets: TwoSets) -> str:
    """The report for a pull request, what differs first."""
    lines = [f"## {' beside '.join(sets.names)}", ""]
    lines += [f"- {side}: {origin}" for side, origin in zip(("base", "candidate"), sets.origins, strict=True)]
    lines += ["", "### What differs (base, candidate)", "", *(f"- {text}" for text in _differing(sets))]
    return "\n".join([*lines, "", *(table.markdown() for table in sets.tables)])


def _differing(sets: TwoSets) -> list[str]:
    packages = [f"other packages: {'; '.join(sets.packages)}"] if sets.packages else []
    return [*sets.differing, *packages] or ["nothing that is known to matter"]


def differing_table(sets: TwoSets) -> Table:
    """What differs, a line each."""
    rows = tuple((text,) for text in _differing(sets))
    return Table(title="What differs", columns=(Column("base's value, candidate's"),), rows=rows)


def write(sets: TwoSets, results: Path) -> Path:
    """Writes the report as an HTML file that needs no network, `html/two-sets.html` of a store."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("two_sets.html").render(
        sets=sets,
        differing=_differing(sets),
        picture=bars.svg(sets.picture),
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
    )
    return store.save_page(text, results, name="two-sets.html")
