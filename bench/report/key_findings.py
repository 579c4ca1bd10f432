"""Key findings: a few sentences as a person would write them, each with its figure, made from the data."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from statistics import median

from bench.machine.own import user_code
from bench.report.bars import Bar
from bench.report.gather import Gathered
from bench.results import backend_table, format
from bench.results.backend_table import Contest
from bench.results.cell import NO_MODEL, RESIDENT, Cell, is_cached
from bench.results.summary import Summary

readable = user_code.readable  # a user's own model or loader without the digest

ENOUGH = 0.97  # of the best: the smallest batch with so many images a second is the knee
MOST_NAMED = 3  # models that a sentence names one by one
NOTABLE = 0.05  # by so much a precision must differ to be named faster or slower


@dataclass(frozen=True)
class Finding:
    """A sentence with its figures, and a picture of them.

    Attributes:
        sentence: As a person would write it.
        section: The page's section that says more.
        bars: The picture; none where words say it.
    """

    sentence: str
    section: str
    bars: tuple[Bar, ...] = ()


def findings(gathered: Gathered) -> list[str]:
    """The sentences of `pictured`."""
    return [finding.sentence for finding in pictured(gathered)]


def pictured(gathered: Gathered) -> list[Finding]:
    """Findings on input, steps, demand, precision, batches, backends, verdicts and accuracy, where there is data.

    The figures of a sentence are of one sweep: those of two may be of two moods of a machine.
    """
    makers = (_input, _steps, _demand, _precisions, _batches)
    sweeps = [_of_one_backend(sweep) for sweep in gathered.sweeps]
    found = [next(filter(None, map(make, sweeps)), None) for make in makers]
    found.append(next(filter(None, map(_backends, gathered.sweeps)), None))
    return [finding for finding in (*found, _verdicts(gathered), _accuracy(gathered)) if finding]


def _rates(bars: Iterable[tuple[str, float]], *strong: str) -> tuple[Bar, ...]:
    """Bars of images a second."""
    return tuple(Bar(readable(label), rate, format.about(rate), label in strong) for label, rate in bars)


def _of_one_backend(sweep: Sequence[Summary]) -> list[Summary]:
    """Pipelines alone, and the steps of the device and backend with most of them: a best over several names neither.

    Without cells of which something is chosen of the pipeline: sentences are about pipelines as they are.
    """
    sweep = [entry for entry in sweep if not entry.cell.input_options]
    places = Counter((entry.cell.device, entry.cell.backend) for entry in sweep if entry.cell.model != NO_MODEL)
    most = max(places, key=places.__getitem__, default=None)
    return [entry for entry in sweep if entry.cell.model == NO_MODEL or (entry.cell.device, entry.cell.backend) == most]


def _fastest(summaries: Iterable[Summary]) -> Summary | None:
    return max(summaries, key=lambda entry: entry.rate, default=None)


def _steps_alone(summaries: Iterable[Summary], **fields: object) -> list[Summary]:
    """Training steps on a resident batch, one a call, with these values of a cell."""
    wanted = {"mode": "train", "pipeline": RESIDENT, "steps_per_execution": 1, **fields}
    return [
        entry
        for entry in summaries
        if entry.cell.model != NO_MODEL and all(getattr(entry.cell, name) == value for name, value in wanted.items())
    ]


def _input(summaries: Sequence[Summary]) -> Finding | None:
    """How much faster parallel records are than photos one by one."""
    sizes: dict[tuple[int, int], dict[str, float]] = {}
    for entry in summaries:
        if entry.cell.model == NO_MODEL:
            sizes.setdefault((entry.cell.image_size, entry.cell.batch_size), {})[entry.cell.pipeline] = entry.rate
    alone = next((rates for rates in sizes.values() if {"photos_one_by_one", "records_parallel"} <= rates.keys()), None)
    if alone is None:
        return None
    slow, fast, cached = alone["photos_one_by_one"], alone["records_parallel"], alone.get("records_cached")
    after = f"; from memory, after the first epoch, {format.rate(cached)}" if cached else ""
    sentence = (
        f"Parallel TFRecords deliver {format.rate(fast)} images/s, {fast / slow:.1f} times as many as photos one by "
        f"one ({format.rate(slow)}){after}."
    )
    first = sorted(((name, rate) for name, rate in alone.items() if not is_cached(name)), key=itemgetter(1))
    return Finding(sentence, "input", _rates(first, "photos_one_by_one", "records_parallel"))


def _steps(summaries: Sequence[Summary]) -> Finding | None:
    """Which model trains fastest and which slowest, each at its best batch."""
    steps = sorted(_steps_alone(summaries, precision="float32", xla=False), key=lambda entry: entry.rate)
    best = {entry.cell.model: entry for entry in steps}  # the last of each is its fastest
    if len(best) < 2:
        return None
    ordered = sorted(best.values(), key=lambda entry: entry.rate)
    slow, fast = ordered[0], ordered[-1]
    sentence = (
        f"Of {len(best)} models, {readable(fast.cell.model)} trains fastest, {format.rate(fast.rate)} images/s "
        f"in batches of {fast.cell.batch_size}, and {readable(slow.cell.model)} slowest, {format.rate(slow.rate)} "
        f"in batches of {slow.cell.batch_size} ({slow.cell.image_size} px); float32."
    )
    bars = _rates(((entry.cell.model, entry.rate) for entry in reversed(ordered)), fast.cell.model, slow.cell.model)
    return Finding(sentence, "steps", bars)


def _demand(summaries: Sequence[Summary]) -> Finding | None:
    """What the fastest input pipeline of a first epoch supplies of the largest demand of a model."""
    supply = _fastest(
        entry for entry in summaries if entry.cell.model == NO_MODEL and not is_cached(entry.cell.pipeline)
    )
    if not supply:
        return None
    demand = _fastest(_steps_alone(summaries, image_size=supply.cell.image_size))
    if not demand:
        return None
    share = supply.rate / demand.rate
    times = f"{share:.1f} times" if share >= 1 else f"{share:.0%} of"
    sentence = (
        f"Alone on all cores, {readable(supply.cell.pipeline)} supplies {times} the largest demand of a model, "
        f"{format.rate(demand.rate)} images/s of {readable(demand.cell.model)}."
    )
    bars = _rates(((supply.cell.pipeline, supply.rate), (demand.cell.model, demand.rate)), demand.cell.model)
    return Finding(sentence, "stall", bars)


def _precisions(summaries: Sequence[Summary]) -> Finding | None:
    """Where bfloat16 pays."""
    pairs: dict[str, list[float]] = {}
    for entry in _steps_alone(summaries, precision="mixed_bfloat16", xla=False):
        plain = next((other for other in summaries if other.cell == replace(entry.cell, precision="float32")), None)
        if plain:
            pairs.setdefault(entry.cell.model, []).append(entry.rate / plain.rate)
    if not pairs:
        return None
    ratios = {model: median(of_sizes) for model, of_sizes in pairs.items()}
    faster = sum(ratio > 1 + NOTABLE for ratio in ratios.values())
    slower = sum(ratio < 1 - NOTABLE for ratio in ratios.values())
    best, worst = max(ratios, key=ratios.__getitem__), min(ratios, key=ratios.__getitem__)
    sentence = (
        f"mixed_bfloat16 makes {faster} of {len(ratios)} models faster and {slower} slower: from {readable(worst)}, "
        f"{ratios[worst]:.2f} times the images/s of float32, to {readable(best)}, {ratios[best]:.2f} times."
    )
    ordered = sorted(ratios.items(), key=itemgetter(1), reverse=True)
    bars = tuple(Bar(readable(model), ratio, f"x{ratio:.2f}", model in (best, worst)) for model, ratio in ordered)
    return Finding(sentence, "steps", bars)


def _batches(summaries: Sequence[Summary]) -> Finding | None:
    """From which batch size on a larger one gains little, of the model with most sizes."""
    curves: dict[Cell, dict[int, float]] = {}  # by what is the same at all sizes
    for entry in _steps_alone(summaries, precision="float32", xla=False):
        curves.setdefault(replace(entry.cell, batch_size=1), {})[entry.cell.batch_size] = entry.rate
    curves = {cell: rates for cell, rates in curves.items() if len(rates) > 2 and knee(rates) < max(rates)}
    cell = max(curves, key=lambda cell: len(curves[cell]), default=None)
    if cell is None:
        return None
    rates, size = curves[cell], knee(curves[cell])
    sentence = (
        f"{readable(cell.model)} gains little from more than {size} images a batch: {format.rate(rates[size])} "
        f"images/s, {format.rate(max(rates.values()))} at best, measured up to {max(rates)}."
    )
    bars = _rates(((f"batch {of}", rate) for of, rate in sorted(rates.items())), f"batch {size}")
    return Finding(sentence, "steps", bars)


def _backends(summaries: Sequence[Summary]) -> Finding | None:
    """Which backend trains each model fastest in each precision, uncompiled but where it always compiles."""
    contests = backend_table.contests(summaries)
    if not contests:
        return None
    by_precision: dict[str, list[Contest]] = {}
    for contest in contests:
        by_precision.setdefault(contest.cell.precision, []).append(contest)
    parts = [f"in {precision} {_fastest_by_model(group)}" for precision, group in by_precision.items()]
    *others, last = sorted({name for contest in contests for name in contest.ordered})
    names = f"{', '.join(others)} and {last}"
    sentence = f"Of {names}, each at the largest batch that all of them trained: {'; '.join(parts)}."
    return Finding(sentence, "steps", _leads(next(iter(by_precision.values()))))


def _fastest_by_model(contests: Sequence[Contest]) -> str:
    """How many models each backend trains fastest, that with most of them first; several where they tie."""
    won: dict[str, list[str]] = {}
    for contest in contests:
        won.setdefault(" or ".join(contest.fastest), []).append(readable(contest.cell.model))
    ordered = sorted(won.items(), key=lambda item: -len(item[1]))
    if len(ordered) == 1 and len(contests) > 1:
        return f"{ordered[0][0]} is the fastest for all {len(contests)} models"
    named = {
        name: ", ".join(models) if len(models) <= MOST_NAMED else f"{len(models)} of {len(contests)} models"
        for name, models in ordered
    }
    return ", ".join(f"{name} is the fastest for {models}" for name, models in named.items())


def _leads(contests: Sequence[Contest]) -> tuple[Bar, ...]:
    """How many times the images/s of the next backend the fastest one trains, of each model."""
    leads = [(contest, contest.ratio(contest.ordered[1]).centre) for contest in contests]
    return tuple(
        Bar(readable(contest.cell.model), lead, f"x{lead:.2f}", len(contest.fastest) == 1)
        for contest, lead in sorted(leads, key=itemgetter(1), reverse=True)
    )


def knee(rates: dict[int, float]) -> int:
    """The smallest batch size within 3 % of the best rate."""
    return min(size for size, rate in rates.items() if rate >= ENOUGH * max(rates.values()))


def _verdicts(gathered: Gathered) -> Finding | None:
    """What the last comparison came to, in its own words."""
    if not gathered.comparisons:
        return None
    last = gathered.comparisons[0]
    slower = [
        f"{cell.short} ({cell.verdict.ratio - 1:+.1%})"
        for cell in last.cells
        if cell.verdict.word == "slower" and cell.verdict.ratio
    ]
    unsure, same, faster = (
        f"{sum(cell.verdict.word == word for cell in last.cells)} {word}" for word in ("inconclusive", "same", "faster")
    )
    unproven = not unsure.startswith("0 ")  # then nobody knows that nothing is slower
    finding = f"slower is {', '.join(slower)}" if slower else "0 slower" if unproven else "nothing is slower"
    parts = [part for part in (finding, unsure, faster, same) if not part.startswith("0 ")]
    ratios = [(cell.short, cell.verdict.ratio, cell.verdict.word) for cell in last.cells if cell.verdict.ratio]
    bars = tuple(Bar(name, ratio, f"{ratio:.3f}", word == "slower") for name, ratio, word in ratios if ratio)
    return Finding(f"In the last comparison, {last.described}: {'; '.join(parts)}.", "verdicts", bars)


def _accuracy(gathered: Gathered) -> Finding | None:
    """Which model became best."""
    trained = {outcome.accuracy.value: outcome for outcome in gathered.outcomes if outcome.accuracy}
    if not trained:
        return None
    accuracy, best = max(trained.items(), key=lambda item: item[0])
    only = best.first_epoch_seconds if best.epoch_seconds is None else None
    took = f" after one epoch of {format.duration(only.value)}" if only else ""
    if best.target_seconds:
        took = f"; {best.target:g} is reached in {format.duration(best.target_seconds.value)}"
    count = len({outcome.model for outcome in gathered.outcomes if outcome.accuracy})
    first = f"{best.model} became best of {count} models that were trained" if count > 1 else f"Trained: {best.model}"
    sentence = f"{first}: validation accuracy {accuracy:.3f} (median of {len(best.trainings)}){took}."
    by_model: dict[str, float] = {}
    for value, outcome in sorted(trained.items(), key=itemgetter(0)):
        by_model[outcome.model] = value
    ordered = sorted(by_model.items(), key=itemgetter(1), reverse=True)
    return Finding(sentence, "training", tuple(Bar(name, of, f"{of:.3f}", name == best.model) for name, of in ordered))
