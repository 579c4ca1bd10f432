"""Plugin of asv, named in asv.conf.json: which benchmarks a plain `asv run` measures, for asv has no tags.

asv selects by `-b`, regular expressions over `name(parameters)`, and starts no process for what they leave out, nor
touches what was stored of it. This gives it a profile's expressions where the user gave none. A benchmark that skips
itself would start a process for each of its combinations and would overwrite what is stored of them.
"""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_STEPS = r"\('(dense|convnet_gap|squeezenet|mobilenetv2)', 8, 'float32', '{device}', 'train'\)"
# Minutes: one training step of each kind of model, the slowest and the usual pipeline, and the imports.
QUICK = (
    rf"^step\.Step\.track_(step_seconds|compile_seconds|host_peak_bytes){_STEPS}",
    rf"^step\.Step\.track_device_peak_bytes(?!.*'cpu'){_STEPS}",
    r"^step_time\.StepTime\..*, 8\)",
    r"^input_throughput\.InputThroughput\..*\('(photos_one_by_one|records_parallel)'\)",
    r"^import_time\.ImportTime\..*\('flowers_core\.(cli|step)'\)",
)
# Hours: the whole matrix, but for what is known to be n/a. TimeToAccuracy trains for minutes: by name alone.
FULL = (
    r"^step\.Step\.(?!track_device_peak_bytes.*'cpu'|.*'mixed_float16', '[ct]pu').*'{device}'",
    r"^stall\.Stall\..*'{device}'",
    r"^(step_time|feed|input_throughput|store_throughput|import_time)\.",
)
PROFILES = {"quick": QUICK, "full": FULL}
VARIABLE = "FLOWERS_PROFILE"
DISCOVER = "just-discover"  # what asv takes for "none: list the benchmarks"


def setup() -> None:
    """Called by asv when it has read its configuration, before the command runs."""
    from asv.commands.run import Run

    command: Any = Run
    original = command.run.__func__
    if not hasattr(original, "takes_profile"):
        command.run = classmethod(_by_profile(original))


def _by_profile(run: Callable) -> Callable:
    """Gives asv's own function, which `asv run` and `asv continuous` call, a profile in place of no selection."""

    def select_and_run(cls: type, conf: Any, *args: Any, bench: Sequence[str] | None = None, **options: Any) -> Any:
        said = _hint(bench or (), conf.results_dir)
        asked = bench
        if not bench:
            bench = _announce(conf.results_dir)
            draw_missing()
        code = run(cls, conf, *args, bench=bench, **options)
        if code and not said:  # a first run has only now listed the benchmarks
            _hint(asked or (), conf.results_dir)
        return code

    setattr(select_and_run, "takes_profile", True)  # noqa: B010
    return select_and_run


def _hint(asked: Sequence[str], results: str) -> bool:
    """Says which expressions of `-b` select nothing of what asv has listed; gives whether it said anything."""
    from asv.console import log

    listed = Path(results) / "benchmarks.json"
    try:
        known = json.loads(listed.read_text("utf-8"))
        sentences = misspelt([asked] if isinstance(asked, str) else asked, known)
    except (OSError, ValueError, TypeError, re.error):  # asv says what is wrong with a file or an expression
        return False
    for sentence in sentences:
        log.warning(sentence)
    return bool(sentences)


def misspelt(asked: Iterable[str], known: Mapping[str, Any]) -> list[str]:
    """Sentences on the expressions of `-b` that select no benchmark, each with what was probably meant.

    Args:
        asked: Regular expressions over `name(parameters)`.
        known: What asv keeps in benchmarks.json: by name, with `params`.
    """
    from flowers_core.errors import near

    names = [name for name, about in known.items() if isinstance(about, dict)]
    cells = [
        f"{name}({', '.join(values)})" if known[name]["params"] else name
        for name in names
        for values in itertools.product(*known[name]["params"])
    ]
    parts = dict.fromkeys([*names, *(part for name in names for part in name.split("."))])
    return [
        f"`-b {expression}` selects none of {len(names)} known benchmarks"
        f"{near(expression.replace(chr(92), '').strip('^$').partition('(')[0], parts)}"
        for expression in (asked if names else ())
        if expression != DISCOVER and not any(re.search(expression, cell) for cell in cells)
    ]


def _announce(results: str) -> list[str]:
    from asv.console import log
    from asv.util import UserError

    from flowers_core.errors import near

    name = os.environ.get(VARIABLE) or "quick"
    if name not in PROFILES:
        meant = near(name, PROFILES)
        raise UserError(f"{VARIABLE} must be one of {', '.join(PROFILES)}. Received: {name!r}{meant}")
    other = "" if name == "full" else f", {VARIABLE}=full all"
    log.info(
        f"Profile `{name}`: {forecast(results)}; `-b REGEX` measures others{other}; see docs/asv.md for what each costs"
    )
    return selection(name)


def forecast(results: str | Path) -> str:
    """How long a commit should take: as long as the one that was measured last, of which asv has kept it."""
    from bench.run.durations import rough

    files = [path for path in Path(results).glob("*/*.json") if path.name != "machine.json"]
    try:
        last = json.loads(max(files, key=lambda path: path.stat().st_mtime).read_text("utf-8"))
        place = last["result_columns"].index("duration")
        seconds = sum(entry[place] or 0.0 for entry in last["results"].values() if len(entry) > place)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or of a version of asv that kept none
        seconds = 0.0
    known = f"about {rough(seconds)} a commit, as the last one took here"
    return known if seconds else "how long a commit takes is known when the first has ended"


def draw_missing() -> None:
    """Draws photos and writes their records where there are none and no others are named, as `make bench` does.

    Without them half of a profile would be n/a, and asv tells reasons only by `--show-stderr`.
    """
    from asv.console import log

    from bench.run import data_source

    if any(os.environ.get(f"FLOWERS_{name.upper()}") for name in data_source.FILLED):
        return
    found, (photos, records) = data_source.find(), map(str, data_source.FILLED.values())
    for name, words in (("photos", ("synthetic", photos)), ("records", ("records", photos, records))):
        if not getattr(found, name):
            log.info(f"No {name} to read: makes {words[-1]}; FLOWERS_PHOTOS and FLOWERS_RECORDS name your own")
            subprocess.run([sys.executable, "-m", "flowers_core", *words], check=False, stdout=subprocess.DEVNULL)


def selection(name: str) -> list[str]:
    """Regular expressions of a profile, as `-b` takes them, for the devices that this machine may have."""
    from flowers_core.backends import devices

    present = f"({'|'.join(devices.hints())})"
    return [expression.replace("{device}", present) for expression in PROFILES[name]]
