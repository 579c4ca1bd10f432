"""Our models beside the same models in plain torch.nn: the fastest way of each side, measured in pairs of one run.

Models take turns, a pair of processes each, so that a drift of the machine hits all and an early end leaves each with
something. First every pair tries a new way of both sides; when all have been tried, the fastest two run against each
other until there are enough pairs. A way of ours that is neither tuned nor the recipe's must then show the losses of a
plain float32 step. Each pair is stored the moment it ends, so that a run can be resumed.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.compare import pair, sequential_test, tune
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import Estimate
from bench.compare.variant import Variant
from bench.machine import facts
from bench.results import store
from bench.results.cell import PEERS_BACKEND, Cell
from bench.results.result import chronological
from bench.run import process
from bench.run.data_source import Source
from flowers_core import models
from flowers_core.backends import malloc, precision
from flowers_core.errors import InputError
from flowers_core.train import tuned

MARK = "peers-"  # before the date that marks the pairs of a run: they are of no comparison of two
PAIRS = 3  # of the fastest two
MOST_WAYS = 4  # of ours, unless all are asked for: as many as the peer has
BLOCK_SECONDS = 8.0  # for the blocks of a pair where steps are long
COMPILED = "TORCHINDUCTOR_CACHE_DIR"  # where torch.compile keeps what it has compiled
TRUSTED = "is_trusted"  # of what a pair keeps of ours, see `Entry`

Record = Callable[..., list[PairResult]]


@dataclass
class Entry:
    """One way of one side.

    Attributes:
        cell: Its step on a resident batch.
        rates: Images/s in each pair.
        reason: Why it could not be measured, or is refused.
        is_trusted: Whether its losses are known to be right; the peer's are not looked at.
    """

    cell: Cell
    rates: list[float] = field(default_factory=list)
    reason: str = ""
    is_trusted: bool = False

    @property
    def rate(self) -> float:
        """The median of its images/s; 0 where there is none."""
        return median(self.rates) if self.rates else 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether it has not been tried yet."""
        return not self.rates and not self.reason

    def refuse(self, reason: str) -> None:
        """Leaves it out, whatever it has shown before."""
        self.reason = reason
        self.rates.clear()

    @property
    def name(self) -> str:
        """What tells it from all others of a model."""
        way = f"{tune.way_of(self.cell)}"
        return way if self.cell.model in models.MODELS else f"plain {way}"


@dataclass
class PeerComparison:
    """One model: ours beside its peer.

    Attributes:
        model: Its name.
        ours: Ways of ours, the one that a training would take first.
        peers: Ways of the peer.
        wanted: Pairs of the fastest two that are enough.
        logs: By the two cells, of each pair the logarithm of the peer's seconds over ours.
        seconds: What its pairs took.
        shares: What others used of the CPU during each pair.
        last: Its last pair that ended.
    """

    model: str
    ours: list[Entry]
    peers: list[Entry]
    wanted: int = PAIRS
    logs: dict[tuple[Cell, Cell], list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    last: PairResult | None = None

    @property
    def fastest(self) -> tuple[Entry, Entry] | None:
        """The fastest way of either side so far; None where a side has none."""
        ours, peer = (max(side, key=lambda entry: entry.rate) for side in (self.ours, self.peers))
        return (ours, peer) if ours.rates and peer.rates else None

    @property
    def unchecked(self) -> Entry | None:
        """The fastest way of ours, when all have been tried, if its losses are to be looked at."""
        if self.fastest is None or any(entry.is_waiting for entry in (*self.ours, *self.peers)):
            return None
        return None if self.fastest[0].is_trusted else self.fastest[0]

    @property
    def next(self) -> tuple[Entry, Entry] | None:
        """What runs in the next pair; None where nothing is left to be done."""
        waiting = [next((entry for entry in side if entry.is_waiting), None) for side in (self.ours, self.peers)]
        sides = [
            untried or max((entry for entry in side if not entry.reason), key=lambda entry: entry.rate, default=None)
            for untried, side in zip(waiting, (self.ours, self.peers), strict=True)
        ]
        ours, peer = sides
        if ours is None or peer is None:
            return None
        return (ours, peer) if any(waiting) or len(self._logs_of(ours, peer)) < self.wanted else None

    @property
    def estimate(self) -> Estimate | None:
        """Our images/s over the peer's, of the fastest two; None before they have run against each other twice."""
        logs = self._logs_of(*self.fastest) if self.fastest else []
        return sequential_test.estimate(logs) if len(logs) > 1 else None

    @property
    def ratio(self) -> float | None:
        """The same as one figure: of pairs of the fastest two, else of the images/s that each had beside another."""
        if self.estimate:
            return self.estimate.ratio
        return self.fastest[0].rate / self.fastest[1].rate if self.fastest else None

    @property
    def verdict(self) -> str:
        """Whether ours is `faster` or `slower` than its peer; `undecided` where the interval holds 1 or is none."""
        estimate = self.estimate
        if estimate is None or estimate.low <= 1 <= estimate.high:
            return "undecided"
        return "faster" if estimate.ratio > 1 else "slower"

    @property
    def pairs(self) -> int:
        """Pairs of the fastest two."""
        return len(self._logs_of(*self.fastest)) if self.fastest else 0

    @property
    def left(self) -> int:
        """Pairs that are still to run, if the fastest two stay the fastest."""
        untried = max(sum(entry.is_waiting for entry in side) for side in (self.ours, self.peers))
        return 0 if self.next is None else untried + max(0, self.wanted - self.pairs)

    def pair_seconds(self) -> float:
        """What its next pair may take."""
        return max(self.seconds, default=tune.PAIR_SECONDS)

    def enter(self, result: PairResult) -> None:
        """Adds a pair; of one that died, or whose losses were refused, the way whose name its reason begins with."""
        cells = [Cell(**side["cell"]) for side in (result.base, result.candidate)]
        entries = [
            next((entry for entry in side if entry.cell == cell), None)
            for side, cell in zip((self.ours, self.peers), cells, strict=True)
        ]
        ours, peer = entries
        if ours is None or peer is None:
            return  # of a way that is not tried now
        self.seconds.append(result.seconds)
        self.last = result
        if result.status != "ok":
            failed = ours if result.reason.startswith(f"{ours.name}: ") else peer
            failed.refuse(result.reason.removeprefix(f"{failed.name}: "))
            return
        for entry, name in ((ours, "base"), (peer, "candidate")):
            entry.rates.append(entry.cell.batch_size / median(result.step_seconds(name, "wall")))
        ours.is_trusted = ours.is_trusted or result.base.get(TRUSTED) is True
        self.logs.setdefault((ours.cell, peer.cell), []).append(sequential_test.value(result, "wall"))
        self.shares.append(result.foreign_cpu_share or 0.0)

    def _logs_of(self, ours: Entry, peer: Entry) -> list[float]:
        return self.logs.get((ours.cell, peer.cell), [])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How models and their peers are compared.

    Attributes:
        device: Where both run.
        backend: Of our recipe's way, where `tune` has found no other.
        batch_size: Images a step of both sides; if None fewer for models that take seconds a step.
        pairs: Of the fastest two.
        all_ways: Whether every way of ours is tried.
        settings: What `tune` has found.
    """

    device: str
    backend: str
    batch_size: int | None = None
    pairs: int = PAIRS
    all_ways: bool = False
    settings: Path = Path(tuned.PATH)

    def comparison(self, model: str, *, tell: Callable[[str], None] = lambda _: None) -> PeerComparison:
        """The ways in which a model and its peer can be trained here, likely ones first, none of them tried.

        Args:
            model: One of `flowers_core.models.MODELS`.
            tell: Called with a sentence on what `tune` has found and cannot be used.
        """
        row = models.spec(model)
        batch_size = self.batch_size or tune.usual_batch_size(model)
        place = {"device": self.device, "backend": self.backend}
        plain = tune.plain_cell(model, image_size=row.image_size, batch_size=batch_size, **place)
        found = tuned.find(model, image_size=row.image_size, device=self.device, path=self.settings, tell=tell)
        first = plain if found is None else _by_way(plain, found.way)
        ours = list(dict.fromkeys([first, plain, *tune.ways(plain)]))
        return PeerComparison(
            model=model,
            ours=[
                Entry(cell, is_trusted=cell in (first, plain)) for cell in (ours if self.all_ways else ours[:MOST_WAYS])
            ],
            peers=[Entry(cell) for cell in _peers(first)],
            wanted=self.pairs,
        )


def _by_way(plain: Cell, way: tuned.Way) -> Cell:
    fields = {"precision": way.precision, "xla": way.xla, "torch_compile": way.torch_compile}
    return replace(plain, backend=way.backend, **fields)


def _peers(ours: Cell) -> list[Cell]:
    """The peer compiled and eagerly, in the precision of ours and in the other."""
    plain = replace(ours, model=f"torch:{ours.model}", backend=PEERS_BACKEND, xla=False, torch_compile=False)
    precisions = sorted(("float32", "mixed_bfloat16"), key=lambda name: name != ours.precision)
    return [
        replace(plain, precision=name, torch_compile=compiled)
        for name in precisions
        if not precision.unsuitable(name, ours.device)
        for compiled in (True, False)
    ]


def take_up(
    comparisons: Sequence[PeerComparison], results: Iterable[PairResult], machine: str | None, digest: str
) -> str:
    """Enters the pairs of the run that was last on this machine and with this code.

    Returns:
        Its mark; empty where there is none.
    """
    here = [
        result
        for result in results
        if result.comparison.startswith(MARK)
        and (result.machine.get("id"), result.base.get("digest")) == (machine, digest)
    ]
    mark = max((result.comparison for result in here), default="")
    for result in here:
        for taking in comparisons if result.comparison == mark else ():
            taking.enter(result)
    return mark


def of_stored(results: Iterable[PairResult]) -> list[PeerComparison]:
    """What the last runs on the machine and with the code of the last pair came to: of each model its last run.

    Ways that were never reached are unknown to a store.

    Args:
        results: Whatever pairs a store holds.
    """
    runs = [(result, cells) for result in chronological(results) if (cells := _cells(result))]
    last = max((result for result, _ in runs), key=lambda result: result.comparison, default=None)
    by_model: dict[str, list[tuple[PairResult, list[Cell]]]] = {}
    for result, cells in runs:
        if last is not None and _place(result) == _place(last):
            by_model.setdefault(cells[0].model, []).append((result, cells))
    return [_of_pairs(model, by_model[model]) for model in models.MODELS if model in by_model]


def _place(result: PairResult) -> tuple:
    """The machine and the code of a pair."""
    return result.machine.get("id"), result.base.get("digest")


def _cells(result: PairResult) -> list[Cell]:
    """Ours and the peer's cell of a pair; none where it is of no run, or says nothing that could be read."""
    blocks = (*result.base_samples, *result.candidate_samples)
    if result.comparison.startswith(MARK) and all(1e-9 < block.step_seconds("wall") < 1e9 for block in blocks):
        with suppress(InputError, TypeError, KeyError):
            return [Cell(**side["cell"]) for side in (result.base, result.candidate)]
    return []


def _of_pairs(model: str, runs: Sequence[tuple[PairResult, list[Cell]]]) -> PeerComparison:
    """The last run of a model."""
    mark = max(result.comparison for result, _ in runs)
    pairs = [(result, cells) for result, cells in runs if result.comparison == mark]
    # older lines do not say it: whoever wrote them looked at the losses before the last pairs
    trusted = {cells[0] for result, cells in pairs if result.base.get(TRUSTED, True) is True}
    ours, peers = (dict.fromkeys(cells[number] for _, cells in pairs) for number in (0, 1))
    comparison = PeerComparison(
        model=model, ours=[Entry(cell, is_trusted=cell in trusted) for cell in ours], peers=[*map(Entry, peers)]
    )
    for result, _ in pairs:
        comparison.enter(result)
    comparison.wanted = max(map(len, comparison.logs.values()), default=PAIRS)
    return comparison


def run(
    comparisons: Sequence[PeerComparison],
    results: Path,
    *,
    budget_seconds: float,
    mark: str,
    record: Record | None = None,
    losses: tune.Losses | None = None,
    now: Callable[[], float] = perf_counter,
) -> Iterator[PeerComparison]:
    """Runs pairs, a model after another in turn, until all are done or no further pair fits into the budget.

    Args:
        comparisons: What to compare; they change as pairs come in.
        results: The store, to which each pair is added.
        budget_seconds: How long it may take.
        mark: Marks the pairs.
        record: Runs one pair.
        losses: Of a few steps of a cell, see `tune.LossCheck`.
        now: A clock.

    Yields:
        The model of which a pair has ended.

    Raises:
        InputError: If not one pair fits into the budget.
    """
    tune.check_budget(budget_seconds, sum(comparison.left for comparison in comparisons))
    deadline = now() + budget_seconds

    def left() -> float:
        return deadline - now()

    def next_pair(waiting: PeerComparison) -> tuple[Entry, Entry] | None:
        return waiting.next if waiting.pair_seconds() <= left() else None

    with process.scratch() as compiled:
        measure = partial(record or pair.record, comparison=mark, left=left, most_seconds=BLOCK_SECONDS)
        while any(map(next_pair, comparisons)):
            for waiting in comparisons:
                if not (entries := next_pair(waiting)):
                    continue
                (result,) = measure(*(_variant(entry, compiled) for entry in entries))
                if result.status != "ok" and left() <= 0:
                    return  # it was the budget that ended it
                result = replace(result, base=result.base | {TRUSTED: entries[0].is_trusted})
                store.append(result, results)
                waiting.enter(result)
                while (entry := waiting.unchecked) and left() > 0:
                    _check_losses(entry, waiting.ours[0].cell, losses)
                    if entry.reason:  # or the next command would take it for the fastest
                        store.append(_refusal(result, entry), results)
                yield waiting


def _check_losses(entry: Entry, plain: Cell, losses: tune.Losses | None) -> None:
    """Refuses a way of ours whose losses are not those of a plain float32 step."""
    with process.scratch() as folder:
        reason = tune.LossCheck(plain, Source(), losses).why_refused(entry.cell, folder)
    entry.is_trusted = not reason
    if reason:
        entry.refuse(reason)


def _refusal(result: PairResult, entry: Entry) -> PairResult:
    """What the store keeps of a way that was refused, beside the pair after which that was found."""
    return replace(
        result,
        base=result.base | {"name": entry.name, "cell": entry.cell.to_json(), TRUSTED: False},
        status="error",
        reason=f"{entry.name}: {entry.reason}",
        order="",
        base_samples=(),
        candidate_samples=(),
        seconds=0.0,
        foreign_cpu_share=None,
    )


def _variant(entry: Entry, compiled: Path) -> Variant:
    """A side of a pair; what torch.compile has compiled for one pair serves the next.

    It serves the next run, too, where the user says in which folder it is kept. Both sides keep the memory that they
    have freed, as our trainings do: plain torch gains the most by it.
    """
    environment = malloc.variables()
    if entry.cell.torch_compile:
        environment |= {COMPILED: os.environ.get(COMPILED, str(compiled))}
    return Variant(name=entry.name, cell=entry.cell, code=facts.code(), environment=environment)
