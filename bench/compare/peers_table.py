"""How our models compare with their peers in plain torch.nn: a table of all models, with the geometric mean."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from bench.compare import peers, tune
from bench.compare.pair_result import PairResult
from bench.compare.peers import Entry, PeerComparison
from bench.machine.facts import BUSY_SHARE
from bench.results import identity
from bench.results.cell import Cell
from bench.results.peak import of_format
from bench.results.table import Column, Interval, Table, Value, page
from flowers_core import models
from flowers_core.backends import malloc

COLUMNS = (
    Column("model"),
    Column("batch", "count", key="batch_size"),
    Column("ours", "rate", key="images_per_second"),
    Column("peer", "rate", key="peer_images_per_second"),
    Column("ours / peer", "ratio", key="ratio"),
    Column("pairs", "count"),
    Column("MFU", "percent", key="utilisation"),
    Column("peer's", "percent", key="peer_utilisation"),
    Column("our way", below="model", key="way"),
    Column("its way", below="model", key="peer_way"),
)

MOST_NAMED = 2  # of those that are slower
MOST_SECONDS = 24 * 3600.0  # of a budget

Costs = Mapping[tuple[str, int], Mapping]
"""By model and image size what `flowers_core.train.flops` counts, `training_gflops` among it."""

Limits = Mapping[tuple[str, str], float]
"""Of this machine, see `bench.results.peak.of_machine`."""


def table(comparisons: Sequence[PeerComparison], costs: Costs, limits: Limits) -> Table:
    """A row for each model, in the order given."""
    return Table(
        title="Training steps: ours / the same model in plain torch.nn",
        columns=COLUMNS,
        rows=tuple(_row(comparison, costs, limits) for comparison in comparisons),
        notes=tuple(_notes(comparisons, costs, limits)),
    )


def _row(comparison: PeerComparison, costs: Costs, limits: Limits) -> tuple[Value, ...]:
    batch_size = comparison.ours[0].cell.batch_size
    if comparison.fastest is None:
        return (comparison.model, batch_size, *[None] * 4, *[None] * 2, "", "")
    rate, peers_rate = (entry.rate for entry in comparison.fastest)
    estimate = comparison.estimate
    ratio = Interval(estimate.ratio, estimate.low, estimate.high) if estimate else comparison.ratio
    shares = (utilisation(entry, costs, limits) for entry in comparison.fastest)
    ways = (entry.name for entry in comparison.fastest)
    return comparison.model, batch_size, rate, peers_rate, ratio, comparison.pairs, *shares, *ways


def utilisation(entry: Entry, costs: Costs, limits: Limits) -> float | None:
    """Model FLOP utilisation: the share of large matrix products of its number format; None where that is unknown.

    The peer's FLOPs are counted as ours: it computes the same.
    """
    cell = entry.cell
    cost = costs.get((cell.model.removeprefix("torch:"), cell.image_size))
    limit = of_format(limits, cell)
    return cost["training_gflops"] * entry.rate / limit if cost and limit and entry.rate else None


def geometric_mean(comparisons: Sequence[PeerComparison]) -> tuple[float, int]:
    """Of our images/s over the peer's, and of how many models."""
    ratios = [comparison.ratio for comparison in comparisons if comparison.ratio]
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan, len(ratios)


def verdicts(comparisons: Sequence[PeerComparison]) -> str:
    """On how many models ours is faster, slower, and on how many pairs leave it open; the slower ones are named."""
    by_verdict: dict[str, list[PeerComparison]] = {"faster": [], "slower": [], "undecided": []}
    for comparison in comparisons:
        if comparison.ratio:
            by_verdict[comparison.verdict].append(comparison)
    slower = sorted(by_verdict["slower"], key=lambda comparison: comparison.ratio or 0.0)
    named = [f"{comparison.model} ({comparison.ratio:.2f})" for comparison in slower]
    few = " and ".join(named) or "none"
    told = [
        f"faster on {len(by_verdict['faster'])}",
        f"slower on {few}" if len(named) <= MOST_NAMED else f"slower on {len(named)}, most on {named[0]}",
    ]
    told += [f"undecided on {len(by_verdict['undecided'])}"] if by_verdict["undecided"] else []
    return ", ".join(told)


def _notes(comparisons: Sequence[PeerComparison], costs: Costs, limits: Limits) -> list[str]:
    mean, count = geometric_mean(comparisons)
    wanted = max(comparison.wanted for comparison in comparisons)
    notes = [f"geometric mean {mean:.3f} over {count} models: {verdicts(comparisons)}"] if count else []
    notes += [
        "ours: of the ways that were tried the fastest, on TensorFlow, JAX or torch through Keras; its way: the peer's "
        "likewise, plain torch.nn with channels last and autocast, eager or by torch.compile",
        "images/s: medians over the pairs that a way was in; training steps on one batch that stays on the device, "
        "Adam, cross-entropy",
        "ours / peer: images/s within pairs of fresh processes that take turns, with the 95 % interval; up to "
        f"{wanted} pairs of the fastest two; without an interval it rests on one pair, or on pairs with others",
        "undecided: the interval holds 1, or there is none",
        f"both sides keep the memory that they have freed, as our trainings do ({', '.join(malloc.variables())})",
        "a way of ours that is neither tuned nor the recipe's must show the losses of a plain float32 step",
    ]
    entries = [entry for comparison in comparisons for entry in (*comparison.ours, *comparison.peers)]
    shares = [share for entry in entries if (share := utilisation(entry, costs, limits))]
    if shares:
        above = ", which some convolutions outrun" if max(shares) > 1 else ""
        notes.append(
            f"MFU: model FLOP utilisation, FLOPs by those of large matrix products of the same number format{above}"
        )
    else:
        notes.append("MFU, model FLOP utilisation, is n/a: `python -m bench peak` measures what this machine could do")
    for comparison in comparisons:
        notes += _failures(comparison)
    if (share := foreign_share(comparisons)) > BUSY_SHARE:
        notes.append(f"others used {share:.0%} of the CPU meanwhile (median): `python -m bench doctor`")
    return notes


def foreign_share(comparisons: Sequence[PeerComparison]) -> float:
    """What others used of the CPU during the pairs, the median; 0 where no pair ended."""
    shares = [share for comparison in comparisons for share in comparison.shares]
    return median(shares) if shares else 0.0


def _failures(comparison: PeerComparison) -> list[str]:
    """Ways that could not be measured, were refused, or were not reached."""
    entries = [*comparison.ours, *comparison.peers]
    notes = [f"{comparison.model}, {entry.name}: {entry.reason}" for entry in entries if entry.reason]
    waiting = [sum(entry.is_waiting for entry in side) for side in (comparison.ours, comparison.peers)]
    if any(waiting):
        notes.append(f"{comparison.model}: {waiting[0]} ways of ours and {waiting[1]} of the peer's were not reached")
    if comparison.fastest and not comparison.fastest[0].is_trusted:
        notes.append(f"{comparison.model}: no time was left for the losses of {comparison.fastest[0].name}")
    return notes


def plain(comparisons: Sequence[PeerComparison], costs: Costs, limits: Limits) -> list[dict]:
    """Plain values of each model, every way among them."""
    rows = table(comparisons, costs, limits).records()
    return [
        row
        | {
            side: [
                {
                    "way": entry.name,
                    "images_per_second": entry.rate or None,
                    "pairs": len(entry.rates),
                    "reason": entry.reason,
                }
                for entry in entries
            ]
            for side, entries in (("ours", comparison.ours), ("peers", comparison.peers))
        }
        for row, comparison in zip(rows, comparisons, strict=True)
    ]


def last_pair(comparisons: Sequence[PeerComparison]) -> PairResult:
    """The last pair of all models; at least one must have ended."""
    return max((comparison.last for comparison in comparisons if comparison.last), key=lambda result: result.started)


def cells(comparisons: Sequence[PeerComparison]) -> list[Cell]:
    """Every way of both sides."""
    return [entry.cell for comparison in comparisons for entry in (*comparison.ours, *comparison.peers)]


def origin(comparisons: Sequence[PeerComparison]) -> str:
    """The machine, the software, the code and the day of the last pair."""
    last = last_pair(comparisons)
    return replace(last, code=last.base).origin


def markdown(comparisons: Sequence[PeerComparison], costs: Costs, limits: Limits, *, command: str) -> str:
    """Table, machine and versions, and the command that measures it again; at least one pair must have ended."""
    used = identity.versions(last_pair(comparisons).machine, cells(comparisons))
    versions = "; ".join(f"{name} {version}" for name, version in used.items())
    drawn = [table(comparisons, costs, limits)]
    return page(
        "Our models beside plain torch.nn", drawn, origin(comparisons), f"versions: {versions}", command=command
    )


def command(comparisons: Sequence[PeerComparison]) -> str:
    """What measures the same again, in about the time that it took."""
    names = [comparison.model for comparison in comparisons]
    sizes = {comparison.model: comparison.ours[0].cell.batch_size for comparison in comparisons}
    unusual = {size for model, size in sizes.items() if size != tune.usual_batch_size(model)}
    minutes = (
        math.ceil(min(sum(second for comparison in comparisons for second in comparison.seconds), MOST_SECONDS) / 300)
        * 5
    )
    words = [f" --model {','.join(names)}"] if len(names) < len(models.MODELS) else []
    words += [f" --budget {max(5, minutes)}m"]
    words += [f" --batch-size {max(unusual)}"] if unusual else []
    words += [" --all-ways"] if any(len(comparison.ours) > peers.MOST_WAYS for comparison in comparisons) else []
    return "".join(["python -m bench peers", *words])
