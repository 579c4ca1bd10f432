"""Key findings: a few sentences as a person would write them, each with its figure, made from the data."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from statistics import median

from bench.compare import peers_table
from bench.compare.peers import PeerComparison
from bench.input.formats import table as formats_table
from bench.input.loaders import table as loaders_table
from bench.input.loaders.registry import JOBS
from bench.machine.facts import BUSY_SHARE
from bench.machine.own import user_code
from bench.report.bars import Bar
from bench.report.gather import Gathered
from bench.results import backend_table, format
from bench.results.backend_table import BackendComparison
from bench.results.cell import NO_MODEL, RESIDENT, Cell, is_cached
from bench.results.summary import Summary
from bench.training.outcome import Outcome
from flowers_core.data import encodings

readable = user_code.readable  # a user's own model or loader without the digest

FIRST = 6  # so many fit on the page's first screen
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
        origin: Where its figures come from, unless that is the sweep or the sentence says it.
    """

    sentence: str
    section: str
    bars: tuple[Bar, ...] = ()
    origin: str = ""


def findings(gathered: Gathered) -> list[str]:
    """The sentences of `pictured`."""
    return [finding.sentence for finding in pictured(gathered)]


def pictured(gathered: Gathered) -> list[Finding]:
    """What the data says, the most important first: the page's first screen has room for `FIRST`.

    First whether images come fast enough, then whether the steps are fast, how good models become and whether a change
    made something slower; then what to choose: model, precision, backend, format, batch size. The figures of a sentence
    are of one sweep, or of one campaign: those of two may be of two moods of a machine.
    """
    sweeps = [_of_one_backend(sweep) for sweep in gathered.sweeps]

    def of_sweep(make: Callable[[Sequence[Summary]], Finding | None]) -> Finding | None:
        return next(filter(None, map(make, sweeps)), None)

    found = (
        of_sweep(_input),
        _loaders(gathered),
        of_sweep(_demand),
        _peers(gathered),
        _accuracy(gathered),
        _verdicts(gathered),
        of_sweep(_steps),
        of_sweep(_precisions),
        next(filter(None, map(_backends, gathered.sweeps)), None),
        _formats(gathered),
        _smaller_decodes(gathered),
        of_sweep(_batches),
    )
    return [finding for finding in found if finding]


def origins(found: Iterable[Finding], swept: str) -> list[str]:
    """Where figures come from that are of no sweep, by section: of each what differs from the sweep's origin."""
    known = swept.split("; ")
    own = {finding.section: finding.origin.split("; ") for finding in found if finding.origin}
    differing = {section: [part for part in parts if part not in known] for section, parts in own.items()}
    return [f"{section} ({'; '.join(parts)})" for section, parts in differing.items() if parts]


def _beside(share: float) -> str:
    """What a sentence must add where others used the CPU meanwhile."""
    return f"; meanwhile others used {share:.0%} of the CPU" if share > BUSY_SHARE else ""


def _rates(bars: Iterable[tuple[str, float]], *strong: str) -> tuple[Bar, ...]:
    """Bars of images a second."""
    return tuple(Bar(readable(label), rate, format.about(rate), label in strong) for label, rate in bars)


def _of_one_backend(sweep: Sequence[Summary]) -> list[Summary]:
    """Pipelines alone, and the steps of the device and backend that are fastest at most of them.

    Without cells of which something is chosen of the pipeline: sentences are about pipelines as they are.
    """
    sweep = [entry for entry in sweep if not entry.cell.input_options]
    fastest: dict[tuple, Summary] = {}  # by what is the same on all backends
    for entry in sweep:
        if entry.cell.model != NO_MODEL and entry.rate > getattr(fastest.get(entry.cell.alike), "rate", 0.0):
            fastest[entry.cell.alike] = entry
    won = Counter((entry.cell.device, entry.cell.backend) for entry in fastest.values())
    best = max(won, key=won.__getitem__, default=None)
    return [entry for entry in sweep if entry.cell.model == NO_MODEL or (entry.cell.device, entry.cell.backend) == best]


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


def _loaders(gathered: Gathered) -> Finding | None:
    """How near the fastest loader comes to the decode ceiling, and the next one, or the best of the other side."""
    parts: list[str] = []
    bars: list[Bar] = []
    for job, images in JOBS.items():
        rows = _loaders_of(gathered.loaders, job)
        if len(rows) < 2:
            continue
        first, other = rows[0], next((row for row in rows if row.loader.kind != rows[0].loader.kind), rows[1])
        place = "next" if other is rows[1] else "of ours" if other.loader.kind == "pipeline" else "of other libraries"
        parts.append(f"{_share(first)} on {images} ({place}: {_share(other)})")
        shown = rows[:MOST_NAMED] if other in rows[:MOST_NAMED] else [*rows[: MOST_NAMED - 1], other]
        bars.append(Bar(images, 0.0, ""))
        bars += [Bar(row.loader.name, row.share or 0.0, f"{row.share:.0%}", row is first) for row in shown]
    if not parts:
        return None
    sentence = f"Of the decode ceiling, the fastest loaders reach: {' and '.join(parts)}."
    return Finding(sentence, "loaders", tuple(bars), gathered.loaders[0].result.origin)


def _share(row: loaders_table.Row) -> str:
    return f"{row.loader.name} {row.share:.0%}"


def _loaders_of(rows: Sequence[loaders_table.Row], job: str) -> list[loaders_table.Row]:
    """Loaders of a job that decode photos whole, the fastest first, each with its best number of workers."""
    best: dict[str, loaders_table.Row] = {}
    for row in sorted(rows, key=lambda row: -loaders_table.rate(row.result)):
        if row.loader.job == job and row.loader.kind != "ceiling" and not row.loader.decode and row.share:
            best.setdefault(row.loader.id, row)
    return list(best.values())


def _smaller_decodes(gathered: Gathered) -> Finding | None:
    """What our fastest pipeline gains where it decodes large photos smaller, and what that does to their pixels."""
    ours = [row for row in gathered.smaller_decodes if row.loader.kind == "pipeline" and row.result.rates]
    whole = next((row for row in ours if row.loader.job == "photos" and not row.loader.decode), None)
    smaller = next((row for row in ours if row.loader.decode), None)
    pixels = smaller.result.data.get(smaller.loader.decode, {}) if smaller else {}
    if whole is None or smaller is None or not pixels.get("photos"):
        return None
    rates = [loaders_table.rate(row.result) for row in (smaller, whole)]
    sentence = (
        f"Decoded at 1/{pixels['ratio']:.0f}, large photos come at {format.rate(rates[0])} images/s "
        f"({smaller.loader.name}), {rates[0] / rates[1]:.2f} times as many as decoded whole ({whole.loader.name}: "
        f"{format.rate(rates[1])}), at a PSNR of {pixels['bilinear']:.0f} dB to it."
    )
    shown = [row for row in gathered.smaller_decodes if row.loader.kind != "ceiling" and row.result.rates]
    bars = _rates(((row.loader.name, loaders_table.rate(row.result)) for row in shown), smaller.loader.name)
    return Finding(sentence, "loaders", bars, smaller.result.origin)


def _peers(gathered: Gathered) -> Finding | None:
    """How fast our training steps are beside the same models in plain torch, and which are slower."""
    measured = sorted((comparison for comparison in gathered.peers if comparison.ratio), key=_ratio, reverse=True)
    if not measured:
        return None
    mean, count = peers_table.geometric_mean(measured)
    if count == 1:
        (only,) = measured
        over = f"on {only.model}{', undecided' if only.verdict == 'undecided' else ''}"
    else:
        over = f"over {count} models (geometric mean): {peers_table.verdicts(measured)}"
    share = _beside(peers_table.foreign_share(measured))
    sentence = f"Our training steps against plain torch: {mean:.2f} times its images/s {over}{share}."
    bars = tuple(
        Bar(comparison.model, _ratio(comparison), f"x{_ratio(comparison):.2f}", comparison.verdict == "slower")
        for comparison in measured
    )
    return Finding(sentence, "peers", bars, peers_table.origin(measured))


def _ratio(comparison: PeerComparison) -> float:
    return comparison.ratio or 0.0


def _formats(gathered: Gathered) -> Finding | None:
    """Which format records should have on the machine that formats were measured on."""
    if not gathered.formats:
        return None
    rows, machine = formats_table.rows(gathered.formats), formats_table.measured_on(gathered.formats)
    rates = {
        row.encoding: row.at(cores=machine.cores, bytes_per_second=machine.bytes_per_second)
        for row in rows
        if row.cpu_seconds
    }
    chosen = formats_table.recommend(rows, cores=machine.cores, bytes_per_second=machine.bytes_per_second)
    if chosen is None:
        return None
    usual = next((row for row in rows if row.encoding == encodings.JPEG and row.encoding in rates), chosen)
    of_each = [
        f"{format.rate(rates[row.encoding])} images/s of {format.size(round(row.image_bytes))}"
        for row in (chosen, usual)
    ]
    beside = "" if usual is chosen else f"; as {usual.encoding}, the usual format, {of_each[1]}"
    place = f"and {machine.disk}" if machine.disk else "and records in memory"
    sentence = (
        f"With {machine.cores:g} cores {place}, records should hold images as {chosen.encoding}: {of_each[0]}"
        f"{beside} (computed)."
    )
    ordered = sorted(rates.items(), key=itemgetter(1), reverse=True)
    return Finding(sentence, "formats", _rates(ordered, chosen.encoding), gathered.formats[0].origin)


def _steps(summaries: Sequence[Summary]) -> Finding | None:
    """Which model trains fastest and which slowest, each at its best batch."""
    steps = sorted(_steps_alone(summaries, precision="float32", chosen_compiler=""), key=lambda entry: entry.rate)
    best = {entry.cell.model: entry for entry in steps}  # the last of each is its fastest
    if len(best) < 2:
        return None
    ordered = sorted(best.values(), key=lambda entry: entry.rate)
    slow, fast = ordered[0], ordered[-1]
    sentence = (
        f"Of {len(best)} models, {readable(fast.cell.model)} trains fastest, {format.rate(fast.rate)} images/s "
        f"in batches of {fast.cell.batch_size}, and {readable(slow.cell.model)} slowest, {format.rate(slow.rate)} "
        f"in batches of {slow.cell.batch_size} ({slow.cell.image_size} px); float32, {fast.cell.backend}."
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
    pairs, backend = dict[str, list[float]](), ""
    for entry in _steps_alone(summaries, precision="mixed_bfloat16", chosen_compiler=""):
        plain = next((other for other in summaries if other.cell == replace(entry.cell, precision="float32")), None)
        if plain:
            backend = entry.cell.backend  # of all of them
            pairs.setdefault(entry.cell.model, []).append(entry.rate / plain.rate)
    if not pairs:
        return None
    ratios = {model: median(of_sizes) for model, of_sizes in pairs.items()}
    faster = sum(ratio > 1 + NOTABLE for ratio in ratios.values())
    slower = sum(ratio < 1 - NOTABLE for ratio in ratios.values())
    best, worst = max(ratios, key=ratios.__getitem__), min(ratios, key=ratios.__getitem__)
    sentence = (
        f"mixed_bfloat16 makes {faster} of {len(ratios)} models faster and {slower} slower on {backend}: from "
        f"{readable(worst)}, {ratios[worst]:.2f} times the images/s of float32, to {readable(best)}, "
        f"{ratios[best]:.2f} times."
    )
    ordered = sorted(ratios.items(), key=itemgetter(1), reverse=True)
    bars = tuple(Bar(readable(model), ratio, f"x{ratio:.2f}", model in (best, worst)) for model, ratio in ordered)
    return Finding(sentence, "steps", bars)


def _batches(summaries: Sequence[Summary]) -> Finding | None:
    """From which batch size on a larger one gains little, of the model with most sizes."""
    curves: dict[Cell, dict[int, float]] = {}  # by what is the same at all sizes
    for entry in _steps_alone(summaries, precision="float32", chosen_compiler=""):
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
    comparisons = backend_table.comparisons(summaries)
    if not comparisons:
        return None
    by_precision: dict[str, list[BackendComparison]] = {}
    for comparison in comparisons:
        by_precision.setdefault(comparison.cell.precision, []).append(comparison)
    parts = [f"in {precision} {_fastest_by_model(group)}" for precision, group in by_precision.items()]
    *others, last = sorted({name for comparison in comparisons for name in comparison.ordered})
    names = f"{', '.join(others)} and {last}"
    eager = ", torch layer by layer" if "torch" in (*others, last) else ""
    sentence = f"Of {names}, each at the largest batch that all of them trained{eager}: {'; '.join(parts)}."
    return Finding(sentence, "steps", _leads(next(iter(by_precision.values()))))


def _fastest_by_model(comparisons: Sequence[BackendComparison]) -> str:
    """How many models each backend trains fastest, that with most of them first; several where they tie."""
    won: dict[str, list[str]] = {}
    for comparison in comparisons:
        won.setdefault(" or ".join(comparison.fastest), []).append(readable(comparison.cell.model))
    ordered = sorted(won.items(), key=lambda item: -len(item[1]))
    if len(ordered) == 1 and len(comparisons) > 1:
        return f"{ordered[0][0]} is the fastest for all {len(comparisons)} models"
    named = {
        name: ", ".join(models) if len(models) <= MOST_NAMED else f"{len(models)} of {len(comparisons)} models"
        for name, models in ordered
    }
    return ", ".join(f"{name} is the fastest for {models}" for name, models in named.items())


def _leads(comparisons: Sequence[BackendComparison]) -> tuple[Bar, ...]:
    """How many times the images/s of the next backend the fastest one trains, of each model."""
    leads = [(comparison, comparison.ratio(comparison.ordered[1]).centre) for comparison in comparisons]
    return tuple(
        Bar(readable(comparison.cell.model), lead, f"x{lead:.2f}", len(comparison.fastest) == 1)
        for comparison, lead in sorted(leads, key=itemgetter(1), reverse=True)
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
    """Which model became best, by how many seeds, and how long it took to its target."""
    trained = [outcome for outcome in gathered.outcomes if outcome.accuracy]
    best = max(trained, key=_middle, default=None)
    if best is None:
        return None
    only = best.first_epoch_seconds if best.epoch_seconds is None else None
    took = f" after one epoch of {format.duration(only.value)}" if only else _time_to_target(best)
    models = {outcome.model for outcome in trained}
    name = _name_of_training(best)
    first = f"{name} became best of {len(models)} models" if len(models) > 1 else f"Trained: {name}"
    shares = [training.foreign_cpu_share or 0.0 for training in best.trainings]
    sentence = f"{first}: validation accuracy {_accuracies(best)}{took}{_beside(median(shares)) if took else ''}."
    by_model: dict[str, Outcome] = {}
    for outcome in sorted(trained, key=_middle):  # the last of each is its best
        by_model[outcome.model] = outcome
    ordered = sorted(by_model.values(), key=_middle, reverse=True)
    bars = tuple(
        Bar(_name_of_training(outcome), _middle(outcome), f"{_middle(outcome):.3f}", outcome.model == best.model)
        for outcome in ordered
    )
    return Finding(sentence, "training", bars, best.trainings[-1].origin)


def _name_of_training(outcome: Outcome) -> str:
    """The model, and how it was trained where that is not as `train` does by default."""
    return outcome.model if outcome.variant == "ours" else f"{outcome.model} ({outcome.variant})"


def _middle(outcome: Outcome) -> float:
    return outcome.accuracy.value if outcome.accuracy else 0.0


def _accuracies(outcome: Outcome) -> str:
    """The accuracy of a model's seeds: median, range and number."""
    seeds, accuracy = len(outcome.trainings), outcome.accuracy
    if seeds == 1 or accuracy is None:
        return f"{_middle(outcome):.3f} (1 seed)"
    return f"{accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}] (median of {seeds} seeds)"


def _time_to_target(outcome: Outcome) -> str:
    """How long the seeds took until their target, and how many of them came to it; empty where that says nothing."""
    seconds = outcome.target_seconds
    if not seconds or not outcome.target:
        return ""
    alone = seconds.low == seconds.high
    text = format.duration(seconds.value) if alone else format.interval(seconds.value, seconds.low, seconds.high)
    came = "" if outcome.reached == outcome.started else f" by {outcome.reached} of {outcome.started} seeds"
    return f"; {outcome.target:g} is reached in {text}{came}"
