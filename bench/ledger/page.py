"""One HTML file that needs no network: the tables, their machines, and the data itself."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

from bench.ledger.table import View

DECADE = 100 / 3  # percent of the full length for a factor of ten
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
        bars=bars,
        embedded=embedded,
        damaged=damaged,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def bars(rates: tuple[float | None, ...]) -> list[float | None]:
    """Lengths of bars on a logarithmic scale, in percent: the fastest has 100, a tenth of it one third less.

    One by one and cached differ a hundredfold: on a linear scale all but the fastest would vanish.
    """
    most = max((rate for rate in rates if rate), default=1.0)
    return [None if rate is None else max(1.0, 100 + DECADE * math.log10(rate / most)) for rate in rates]
