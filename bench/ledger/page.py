"""One HTML file that needs no network: the tables, their machines, and the data itself."""

import json
from datetime import UTC, datetime
from pathlib import Path

from bench.ledger.table import View

TEMPLATE = Path(__file__).with_name("page.html")


def render(places: dict[str, list[View]], *, rows: list[dict], damaged: tuple[str, ...] = ()) -> str:
    """Makes the page.

    Args:
        places: The tables of each machine, code and day.
        rows: The tidy table, embedded so that a reader can take it along.
        damaged: Lines of the store that could not be read.

    Returns:
        HTML in which every text from outside is escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    # In a <script> only `<` could end the data early; JSON has another way to write it.
    embedded = json.dumps(rows).replace("<", "\\u003c")
    return environment.from_string(TEMPLATE.read_text()).render(
        places=places,
        bars=bars(rows),
        embedded=embedded,
        damaged=damaged,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def bars(rows: list[dict]) -> list[dict]:
    """Images a second of each figure as a share of the largest of its kind, for a bar beside its name."""
    made = []
    for title, is_kind in (
        ("Pipelines alone", lambda row: row["model"] == "none"),
        ("Training steps, float32", lambda row: row["model"] != "none" and row["precision"] == "float32"
         and row["mode"] == "train" and row["pipeline"] == "resident" and not row["xla"]),
    ):  # fmt: skip
        kind = [row for row in rows if row["status"] == "ok" and is_kind(row)]
        most = max((row["images_per_second"] for row in kind), default=0)
        for row in sorted(kind, key=lambda row: -row["images_per_second"]):
            name = row["pipeline"] if row["model"] == "none" else f"{row['model']}, batch {row['batch_size']}"
            share = row["images_per_second"] / most
            made.append({"kind": title, "name": name, "rate": row["images_per_second"], "share": share})
    return made
