"""What got slower: base and candidate traced in turns after the verdict, compared by stage and layer.

TensorFlow names each operation by the path of layers that made it: `gradient_tape/squeezenet/fire3/…` is the backward
pass of `fire3`; JAX likewise, see `thunks`. XLA fuses operations of several layers into one: a fusion counts for the
layer of its last operation, and under XLA on TensorFlow only types are told apart.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.compare.pair_result import PairResult
from bench.compare.variant import Variant, VariantPair
from bench.results import format, store
from bench.results.cell import NO_MODEL, Cell
from bench.results.measurement import Measurement
from bench.results.result import Result
from bench.results.table import Column, Table, Value
from bench.run import process, timing, xprof

ORDER = ("base", "candidate", "candidate", "base")  # a drift of the machine hits both alike
EFFORT = timing.Effort(seconds=1.0)
MOST_ROWS = 8
SHARE_WORTH_A_NAME = 0.5  # of what was added: then the sentence names a single layer
CALL = re.compile(r"^(?:StatefulPartitionedCall|PartitionedCall|while|body|cond|then|else)(?:_\d+)?/")
INDEX = re.compile(r"\[\d+\]")  # of an iterator among several of a kind
UNIQUE = re.compile(r"_\d+$")  # what TensorFlow adds to a name that it has used, once for each layer
# By the operation's type, of a pipeline.
PIPELINE_STAGES = (
    ("read", ("ReadFile", "TFRecord", "ParseExample", "ParseSingle", "MatchingFiles")),
    ("decode", ("DecodeJpeg", "DecodeImage", "DecodeAndCrop", "DecodePng", "ExtractJpegShape")),
    ("resize, crop", ("Resize", "Crop", "Slice")),
    ("batch", ("Batch", "Pack")),
)

# tf.data's iterators: the own time of most is waiting for threads that do the work, which are operations of their own.
ITERATOR, READERS, WAITING = "Dataset", ("TFRecord", "FixedLengthRecord", "TextLine"), "waiting"

Key = tuple[str, str]
"""A stage, and a layer or the type of an operation."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Where the time went, of one cell.

    Attributes:
        cell: Id of the cell.
        base: Seconds a step over all threads, by stage and layer.
        candidate: Likewise.
        problem: Why there are no figures; empty where there are.
    """

    cell: str
    base: dict[Key, float]
    candidate: dict[Key, float]
    problem: str = ""

    def added(self) -> list[tuple[Key, float]]:
        """What the candidate has more of, or less, the largest change first."""
        keys = {*self.base, *self.candidate}
        changes = {key: self.candidate.get(key, 0.0) - self.base.get(key, 0.0) for key in keys}
        return sorted(changes.items(), key=lambda change: (-abs(change[1]), change[0]))

    def stages(self) -> dict[str, tuple[float, float]]:
        """Base's and candidate's seconds of each stage, in the order of the base's."""
        before, after = defaultdict[str, float](float), defaultdict[str, float](float)
        for counter, seconds in ((before, self.base), (after, self.candidate)):
            for (stage, _), value in seconds.items():
                counter[stage] += value
        return {stage: (before[stage], after[stage]) for stage in {**before, **after}}

    def sentence(self) -> str:
        """What got slower, in one sentence: what works longer, not what waits for it."""
        if self.problem:
            return f"{self.cell}: not explained: {self.problem}"
        layers = defaultdict[str, float](float)
        for (stage, layer), change in self.added():
            if stage != WAITING:
                layers[layer] += change
        total = sum(layers.values())
        layer, most = max(layers.items(), key=lambda change: change[1] * (1 if total > 0 else -1), default=("", 0.0))
        difference = f"{format.duration(abs(total))} {'more' if total > 0 else 'less'} a step"
        if not total or most / total < SHARE_WORTH_A_NAME:
            spread = ", ".join(sorted(layers, key=lambda name: -layers[name])[:3]) if total > 0 else ""
            return f"{self.cell}: {difference}, spread over many operations{spread and f': {spread}'}"
        stages = [
            f"{stage} {format.difference(change)}"
            for (stage, name), change in self.added()
            if name == layer and abs(change) > 0.1 * abs(most)
        ]
        share = min(1.0, most / total)
        return f"{self.cell}: {share:.0%} of the {difference} lie in {layer} ({', '.join(stages)})"

    def table(self) -> Table:
        """Stages, then what changed most."""
        rows: list[tuple[Value, ...]] = [
            (stage, "", before, after, format.difference(after - before))
            for stage, (before, after) in self.stages().items()
        ]
        rows += [
            (
                stage,
                layer,
                self.base.get((stage, layer)),
                self.candidate.get((stage, layer)),
                format.difference(change),
            )
            for (stage, layer), change in self.added()[:MOST_ROWS]
        ]
        return Table(
            title=f"What changed in {self.cell}",
            columns=(
                Column("stage"),
                Column("layer"),
                Column("base", "time"),
                Column("candidate", "time"),
                Column("change", whole=True),
            ),
            rows=tuple(rows),
            notes=(self.sentence(), "own time of operations a step, over all threads; two traces of each, in turns"),
        )

    def result(self, pairs: Sequence[PairResult]) -> "Explained":
        """As the store keeps it, with the comparison, the machine and the time of the cell's pairs."""
        last = pairs[-1]
        return Explained(
            comparison=last.comparison,
            cell=self.cell,
            times=tuple((*key, self.base.get(key, 0.0), self.candidate.get(key, 0.0)) for key, _ in self.added()),
            status="n/a" if self.problem else "ok",
            reason=self.problem,
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
            machine=last.machine,
        )

    def plain(self) -> dict:
        """Plain values."""
        return {
            "cell_id": self.cell,
            "sentence": self.sentence(),
            "problem": self.problem,
            "changes": [
                {
                    "stage": key[0],
                    "layer": key[1],
                    "base_seconds": self.base.get(key, 0.0),
                    "candidate_seconds": self.candidate.get(key, 0.0),
                }
                for key, _ in self.added()
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Explained(Result):
    """An explanation as a line of the store.

    Attributes:
        comparison: Mark of the comparison whose cell it is.
        cell: Id of the cell.
        times: Stage, layer or type of an operation, base's and candidate's seconds a step; what changed most first.
    """

    KIND = "explanations"
    FORMAT = 1  # stages and layers with the seconds of both sides (2026-11)

    comparison: str
    cell: str
    times: tuple[tuple[str, str, float, float], ...] = ()

    @property
    def explanation(self) -> Explanation:
        """What shows it."""
        return Explanation(
            cell=self.cell,
            base={(stage, layer): seconds for stage, layer, seconds, _ in self.times if seconds},
            candidate={(stage, layer): seconds for stage, layer, _, seconds in self.times if seconds},
            problem=self.reason,
        )


def explain(
    pairs: Sequence[VariantPair],
    results: Path,
    *,
    tell: Callable[[str], object] = lambda _: None,
    spawn: Callable[..., Measurement] = process.spawn,
    read: Callable[[Sequence[Path]], list[dict]] = xprof.operations,
) -> Iterable[Explanation]:
    """Traces base and candidate of each pair in turns; gives each explanation as it is there.

    Args:
        pairs: Pairs of cells, not of commands.
        results: The store, which keeps the traces.
        tell: Reports progress, a line at a time.
        spawn: Measures a job in a fresh process.
        read: Gives the operations of a trace.
    """
    for pair in pairs:
        seconds: dict[str, dict[Key, float]] = {"base": defaultdict(float), "candidate": defaultdict(float)}
        problem = ""
        for name in ORDER:
            tell(f"traces the {name} of {pair.cell}")
            variant = pair.base if name == "base" else pair.candidate
            if not isinstance(variant, Variant):
                problem = "a command tells nothing of what it does"
                break
            try:
                for key, value in _trace(variant, store.trace_folder(variant.cell.id, results), spawn, read).items():
                    seconds[name][key] += value
            except xprof.Unreadable as error:
                problem = f"{name} ({variant.name}): {error}"
                break
        halves = [{key: value / ORDER.count(name) for key, value in seconds[name].items()} for name in seconds]
        base, candidate = ({}, {}) if problem else halves
        yield Explanation(cell=pair.cell, base=base, candidate=candidate, problem=problem)


def _trace(variant: Variant, folder: Path, spawn: Callable, read: Callable) -> dict[Key, float]:
    """Seconds a step of one variant by stage and layer, from a trace in a fresh process.

    Raises:
        Unreadable: If there is none.
    """
    measured = variant.measure(EFFORT, trace=str(folder.absolute()), spawn=spawn)
    if measured.status != "ok":
        raise xprof.Unreadable(f"{measured.status}: {measured.reason}")
    seconds = defaultdict[Key, float](float)
    for operation in read(sorted(folder.rglob("*.xplane.pb"))):
        key = place(variant.cell, operation["type"], operation["name"])
        seconds[key] += operation["seconds"] / variant.cell.steps_per_execution
    return seconds


def place(cell: Cell, kind: str, name: str) -> Key:
    """The stage of an operation, and its layer; its type where no layer made it.

    Args:
        cell: What was traced.
        kind: The operation's type, e.g. `_MklNativeConv2DBackpropFilter`.
        name: Its path, e.g. `StatefulPartitionedCall/gradient_tape/squeezenet_1/fire3_1/convolution/…`.
    """
    kind = kind.removeprefix("_Mkl").removeprefix("Native")
    if kind == ITERATOR:
        iterator = INDEX.sub("", name.rpartition("::")[2])
        return ("read" if iterator in READERS else WAITING), iterator
    for stage, types in PIPELINE_STAGES:
        if any(known in kind for known in types) and (cell.model == NO_MODEL or not xprof.layer(name)):
            return stage, kind
    if cell.model == NO_MODEL:
        return "input", kind
    while CALL.match(name):
        name = CALL.sub("", name)
    stage = "forward"
    first, _, rest = name.partition("/")
    if first == "gradient_tape":
        stage, name = "backward", rest
    elif UNIQUE.sub("", first) in ("adam", "sgd", "rmsprop", "loss_scale_optimizer", "adamw"):
        return "optimizer", kind
    layer = UNIQUE.sub("", xprof.layer(name))
    return (stage, layer) if layer else (stage, kind)
