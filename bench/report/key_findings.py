"""The answer first: a few sentences as a person would write them, each with its figure, made from the data."""

from collections.abc import Callable, Iterable, Sequence
from math import inf

from bench.report.gather import Gathered
from bench.results import format
from bench.results.cell import NO_MODEL, RESIDENT, is_cached
from bench.results.summary import Summary

ENOUGH = 0.97  # of the best: the smallest batch with so many images a second is the knee
NOTABLE = 0.05  # by so much a precision must differ to be named faster or slower


def answers(gathered: Gathered) -> list[str]:
    """Sentences on input, steps, feeding, precision, batches, verdicts and accuracy; those that there is data for."""
    machine = busiest(gathered.shown)
    good = [one for one in machine if one.status == "ok"]
    said = [answer(good) for answer in (_input, _steps, _feeding, _precisions, _batches)]
    return [one for one in (*said, _verdicts(gathered), _accuracy(gathered)) if one]


def busiest(summaries: Iterable[Summary]) -> list[Summary]:
    """The figures of the machine and data with most cells: sentences compare nothing across machines."""
    places: dict[tuple, list[Summary]] = {}
    for one in summaries:
        places.setdefault((one.measurement.machine.get("id"),), []).append(one)
    return max(places.values(), key=len, default=[])


def _fastest(summaries: Sequence[Summary], wanted: Callable[[Summary], bool]) -> Summary | None:
    return max((one for one in summaries if wanted(one)), key=lambda one: one.images_per_second, default=None)


def _steps_alone(summaries: Iterable[Summary], **fields) -> list[Summary]:
    """Training steps on a resident batch, with these values of a cell."""
    wanted = {"mode": "train", "pipeline": RESIDENT, **fields}
    return [
        one
        for one in summaries
        if one.cell.model != NO_MODEL and all(getattr(one.cell, name) == value for name, value in wanted.items())
    ]


def _input(summaries: Sequence[Summary]) -> str | None:
    """How much parallel records win over photos one by one."""
    alone = {one.cell.pipeline: one for one in summaries if one.cell.model == NO_MODEL}
    slow, fast = alone.get("photos_one_by_one"), alone.get("records_parallel")
    if not (slow and fast):
        return None
    ratio = fast.images_per_second / slow.images_per_second
    cached = alone.get("records_cached")
    after = f"; from memory, after the first epoch, {format.rate(cached.images_per_second)}" if cached else ""
    return (
        f"Parallel TFRecords deliver {format.rate(fast.images_per_second)} images/s, {ratio:.1f} times as many as "
        f"photos one by one ({format.rate(slow.images_per_second)}){after}."
    )


def _steps(summaries: Sequence[Summary]) -> str | None:
    """Which model trains fastest and which slowest."""
    steps = _steps_alone(summaries, precision="float32", xla=False)
    models: dict[str, Summary] = {}
    for one in steps:
        if one.images_per_second > (models[one.cell.model].images_per_second if one.cell.model in models else 0):
            models[one.cell.model] = one
    if len(models) < 2:
        return None
    ordered = sorted(models.values(), key=lambda one: one.images_per_second)
    slow, fast = ordered[0], ordered[-1]
    return (
        f"Of {len(models)} models, {fast.cell.model} trains fastest, {format.rate(fast.images_per_second)} images/s "
        f"in batches of {fast.cell.batch_size}, and {slow.cell.model} slowest, {format.rate(slow.images_per_second)} "
        f"in batches of {slow.cell.batch_size} ({slow.cell.image_size} px); float32."
    )


def _feeding(summaries: Sequence[Summary]) -> str | None:
    """Whether the fastest input pipeline of a first epoch can feed the hungriest model."""
    pipeline = _fastest(summaries, lambda one: one.cell.model == NO_MODEL and not is_cached(one.cell.pipeline))
    eater = _fastest(
        _steps_alone(summaries), lambda one: not pipeline or one.cell.image_size == pipeline.cell.image_size
    )
    if not (pipeline and eater):
        return None
    share = pipeline.images_per_second / eater.images_per_second
    verdict = (
        f"{share:.1f} times what the hungriest model, {eater.cell.model}, eats: no model waits for it on a device of "
        f"its own"
        if share >= 1
        else f"{share:.0%} of what the hungriest model, {eater.cell.model}, eats: it is input-bound in its first epoch"
    )
    rate = format.rate(eater.images_per_second)
    return f"Alone on all cores, {pipeline.cell.pipeline} delivers {verdict} ({rate} images/s)."


def _precisions(summaries: Sequence[Summary]) -> str | None:
    """Where bfloat16 pays."""
    ratios = {}
    for one in _steps_alone(summaries, precision="mixed_bfloat16", xla=False):
        plain = _fastest(
            _steps_alone(summaries, precision="float32", xla=False, batch_size=one.cell.batch_size),
            lambda other, one=one: (other.cell.model, other.cell.device) == (one.cell.model, one.cell.device),
        )
        if plain:
            ratio = one.images_per_second / plain.images_per_second
            ratios[one.cell.model] = max(ratio, ratios.get(one.cell.model, -inf))
    if not ratios:
        return None
    faster = sum(ratio > 1 + NOTABLE for ratio in ratios.values())
    slower = sum(ratio < 1 - NOTABLE for ratio in ratios.values())
    best, worst = max(ratios, key=ratios.get), min(ratios, key=ratios.get)
    return (
        f"mixed_bfloat16 makes {faster} of {len(ratios)} models faster and {slower} slower: from {worst}, "
        f"{ratios[worst]:.2f} times the images/s of float32, to {best}, {ratios[best]:.2f} times."
    )


def _batches(summaries: Sequence[Summary]) -> str | None:
    """From which batch size on a larger one gains little, of the model with most sizes."""
    curves: dict[str, dict[int, float]] = {}
    for one in _steps_alone(summaries, precision="float32", xla=False):
        curves.setdefault(one.cell.model, {})[one.cell.batch_size] = one.images_per_second
    curves = {name: rates for name, rates in curves.items() if len(rates) > 2 and knee(rates) < max(rates)}
    model = max(curves, key=lambda name: len(curves[name]), default=None)
    if model is None:
        return None
    size = knee(curves[model])
    return (
        f"{model} gains little from more than {size} images a batch: {format.rate(curves[model][size])} images/s, "
        f"{format.rate(max(curves[model].values()))} at best, measured up to {max(curves[model])}."
    )


def knee(rates: dict[int, float]) -> int:
    """The smallest batch size within 3 % of the best rate."""
    return min(size for size, rate in rates.items() if rate >= ENOUGH * max(rates.values()))


def _verdicts(gathered: Gathered) -> str | None:
    """What the last comparison came to."""
    if not gathered.compared:
        return None
    mark = gathered.compared[0].comparison
    last = [one for one in gathered.compared if one.comparison == mark]
    slower = [f"{one.cell} ({one.verdict.ratio - 1:+.1%})" for one in last if one.verdict.word == "slower"]
    words = {word: sum(one.verdict.word == word for one in last) for word in ("same", "faster", "inconclusive")}
    rest = ", ".join(f"{count} {word}" for word, count in words.items() if count)
    found = f"slower is {', '.join(slower)}" if slower else "nothing is slower"
    return f"In the last comparison, {last[0].base} against {last[0].candidate}, {found}{f'; {rest}' if rest else ''}."


def _accuracy(gathered: Gathered) -> str | None:
    """Which model became best."""
    known = [one for one in gathered.outcomes if one.accuracy]
    if not known:
        return None
    best = max(known, key=lambda one: one.accuracy.value)
    seconds = best.first_epoch_seconds.value if best.epoch_seconds is None else None
    took = f" after one epoch of {format.duration(seconds)}" if seconds else ""
    if best.target_seconds:
        took = f"; {best.target:g} is reached in {format.duration(best.target_seconds.value)}"
    count = len({one.model for one in known})
    became = f"{best.model} became best of {count} models that were trained" if count > 1 else f"Trained: {best.model}"
    return f"{became}: validation accuracy {best.accuracy.value:.3f} (median of {len(best.trainings)}){took}."
