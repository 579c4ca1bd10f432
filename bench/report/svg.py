"""Charts as pictures that need no JavaScript, and the library that makes them interactive.

Vega-Lite (BSD licence, kept in the bundle's comments): a chart is data and a description, so the same one is drawn here
as SVG and in the browser as something to hover over; its expressions run interpreted, so that the page needs no `eval`.
"""

import hashlib
import re
from functools import cache
from importlib import metadata
from typing import Any

from bench.report import cache as cache_folder

# What the page's own colours will stand for; in the browser the page's script puts them in.
INK, LINE = "#123456", "#654321"

CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE,
        "gridOpacity": 0.5, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelLimit": 220, "labelOverlap": "greedy",
    },
    "legend": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "symbolLimit": 40,
               "symbolBaseFillColor": INK, "symbolBaseStrokeColor": INK},
    "rule": {"color": INK},
    "bar": {"color": "#4c78a8"},
    "line": {"color": "#4c78a8", "strokeWidth": 2},
    "range": {
        "category": [
            "#3b75b5", "#e8862e", "#2f9e6e", "#c8447c", "#8a63d2", "#b08d16", "#56b4e9", "#b0553f",
            "#14919b", "#e58fbd", "#7fa22e", "#8c6d5c", "#5058b8", "#d4a017", "#858d96", "#a63ba6",
        ]
    },
}  # fmt: skip


def add_style(spec: dict[str, Any]) -> dict[str, Any]:
    """A chart with the look of the page."""
    return {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", **spec, "config": CONFIG}


def svg(spec: dict[str, Any]) -> str:
    """A picture of a chart whose text and lines take the colours of the page around it."""
    import vl_convert

    picture = vl_convert.vegalite_to_svg(add_style(spec))
    prefix = hashlib.sha256(picture.encode()).hexdigest()[:8]  # or another picture's mask would clip it
    picture = re.sub(r'(id="|url\(#)', rf"\g<1>{prefix}-", picture)
    return picture.replace(INK, "currentColor").replace(LINE, "var(--line)")


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, safe inside a <script> element; bundled once a version, in 5 s."""
    import vl_convert

    def bundle() -> str:
        # pyrefly: ignore[missing-argument] - it has a default that its stub lacks
        return vl_convert.javascript_bundle().replace("</script", "<\\/script")

    return cache_folder.text(f"vega-{metadata.version('vl-convert-python')}.js", bundle)
