"""Outcomes as tables: Markdown, the terminal at 80 columns, plain values."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import fmean, geometric_mean

from bench.machine.facts import BUSY_SHARE
from bench.results.result import folders
from bench.results.table import Column, Interval, Table, Value, page
from bench.training.outcome import MedianRange, Outcome, Parity, parities, speedups
from bench.training.run import recipe
from bench.training.way import way_of

NAMES = (Column("model"), Column("variant"), Column("epochs", "count"), Column("n", "count"))
ACCURACY = (
    *NAMES,
    Column("accuracy", "ratio"),
    Column("seconds", "time"),
    Column("codelab", "ratio"),
    Column("target reached", "time"),
)
LEAST_SEEDS = 5  # for a time to a target of a model that trains quickly
QUICK_SECONDS = 600.0
EPOCHS = (*NAMES, Column("first epoch", "time"), Column("a later epoch", "time"), Column("images/s", "rate"))


def _value(spread: MedianRange | None) -> Value:
    """A figure with its range; one training has none."""
    if spread is None or spread.low == spread.high:
        return spread.value if spread else None
    return Interval(spread.value, spread.low, spread.high)


def _codelab(outcome: Outcome) -> str | None:
    published = recipe(outcome.model, outcome.variant).accuracy
    return f"{published[0]:.3f} to {published[1]:.3f}" if published else None


def _target(outcome: Outcome) -> str | None:
    if outcome.target is None or outcome.best is None:
        return None
    if outcome.target_images is None:
        few = f", reached by {outcome.reached} of {outcome.started}" if outcome.reached else ""
        return f"{outcome.target:g}: n/a{few}, best {outcome.best:.3f}"
    seeds = outcome.started
    share = "" if outcome.reached == seeds else f" ({outcome.reached} of {seeds})"
    seconds = ACCURACY[-1].text(_value(outcome.target_seconds))
    return f"{outcome.target:g}: {seconds}, {outcome.target_images.value:,.0f} images{share}"


def _names(outcome: Outcome) -> tuple[Value, ...]:
    variant = f"{outcome.variant}, weights" if outcome.weights else outcome.variant
    return outcome.model, variant, outcome.epochs, len(outcome.trainings)


def tables(outcomes: Sequence[Outcome]) -> tuple[Table, ...]:
    """Accuracy, what it cost where a price or the energy is known, and epochs with the notes on all."""
    accuracy = [
        (*_names(row), _value(row.accuracy), _value(row.seconds), _codelab(row), _target(row)) for row in outcomes
    ]
    epochs = [
        (
            *_names(row),
            _value(row.first_epoch_seconds),
            _value(row.epoch_seconds),
            row.images_per_second.value if row.images_per_second else None,
        )
        for row in outcomes
    ]
    return (
        Table(title="Accuracy", columns=ACCURACY, rows=tuple(accuracy)),
        *_costs(outcomes),
        Table(title="Epochs", columns=EPOCHS, rows=tuple(epochs), notes=tuple(notes(outcomes))),
    )


def _costs(outcomes: Sequence[Outcome]) -> list[Table]:
    """What a training cost, and what its target did; none where neither a price nor the energy is known."""
    known = [outcome for outcome in outcomes if outcome.price or outcome.joules]
    if not known:
        return []
    rows = [
        (
            *_names(outcome),
            str(outcome.price) if outcome.price else None,
            _value(outcome.cost),
            _value(outcome.target_cost) if outcome.reached else None,
            outcome.joules.value / 1000 if outcome.joules else None,
        )
        for outcome in known
    ]
    columns = (Column("price"), Column("a training", "ratio"), Column("to the target", "ratio"), Column("kJ", "rate"))
    reasons = {
        str(training.energy["reason"])
        for outcome in known
        for training in outcome.trainings
        if not outcome.joules and "reason" in training.energy
    }
    told = (
        "a training: its process from start to end; to the target: until it was reached; both in the price's currency",
        "kJ: what all processor packages took meanwhile, whoever used them",
        *(f"kJ n/a: {reason}" for reason in sorted(reasons)),
    )
    return [Table(title="Cost", columns=(*NAMES, *columns), rows=tuple(rows), notes=told)]


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """What the columns mean, how much faster, whether as good, what failed, where."""
    lines = [
        "median [lowest, highest] over n trainings of different seeds, each in a fresh process; accuracy: on the "
        "validation shards, after the last epoch; codelab: what its notebooks print, after training on 2,980 photos; "
        "weights: pretrained base, not random",
        "target reached: seconds and images from the start of a training, compilation and validation included; median, "
        "in which a training that never reached it or died counts as infinite, and the range of those that did",
        *_protocol_lines(outcomes),
        "a later epoch: from end to end, validation included; the first includes building and compilation",
        *_mean_line(outcomes),
        *_speedup_line(outcomes),
        *map(_parity_line, parities(outcomes)),
    ]
    for outcome in outcomes:
        lines += [f"{outcome.model} {outcome.variant}: {reason}" for reason in dict.fromkeys(outcome.failed)]
    shares = [training.foreign_cpu_share or 0.0 for outcome in outcomes for training in outcome.trainings]
    busy = sum(share > BUSY_SHARE for share in shares)
    lines += [f"during {busy} trainings others used more than {BUSY_SHARE:.0%} of the CPU"] * bool(busy)
    return lines + _origin_lines(outcomes)


def _protocol_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """What keeps times to targets from being a protocol: too few seeds, a target chosen afterwards."""
    aimed = [outcome for outcome in outcomes if outcome.target is not None and outcome.seconds]
    few = [
        f"{outcome.model} {outcome.variant}"
        for outcome in aimed
        if outcome.started < LEAST_SEEDS and outcome.seconds and outcome.seconds.value < QUICK_SECONDS
    ]
    late = [f"{outcome.model} {outcome.variant}" for outcome in aimed if not outcome.stated]
    lines = (
        [f"fewer than {LEAST_SEEDS} seeds of a quick model: {', '.join(few)}; `--seeds {LEAST_SEEDS}`"] if few else []
    )
    return lines + ([f"target chosen after the trainings: {', '.join(late)}"] if late else [])


def _mean_line(outcomes: Sequence[Outcome]) -> list[str]:
    """Mean accuracy of those that were trained more than once."""
    means = [
        f"{outcome.model} {outcome.variant} "
        f"{fmean(training.history[-1]['val_accuracy'] for training in outcome.trainings):.3f} ({outcome.epochs} epochs)"
        for outcome in outcomes
        if len(outcome.trainings) > 1
    ]
    return [f"mean accuracy over seeds: {', '.join(means)}"] if means else []


def _speedup_line(outcomes: Sequence[Outcome]) -> list[str]:
    """How much faster our recipes are than plain ones."""
    ratios = speedups(outcomes)
    if not ratios:
        return []
    mean = geometric_mean(ratio.value for ratio in ratios.values())
    texts = [f"{model} {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]" for model, ratio in ratios.items()]
    return [f"a later epoch, ours against plain: {mean:.2f} times as fast (geometric mean); {', '.join(texts)}"]


def _parity_line(parity: Parity) -> str:
    """Whether a narrower precision becomes as good."""
    known = parity.low is not None and parity.high is not None
    interval = f"[{parity.low:+.3f}, {parity.high:+.3f}] (95 %)" if known else "n/a: all seeds differ by the same"
    seeds = f"({parity.seeds} seeds)"
    return f"{parity.model}: mixed_bfloat16 less float32, accuracy {parity.difference:+.3f} {interval} {seeds}"


def _origin_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each photos, batch size, code and day: what was trained with them, images, machine, software."""
    trained: dict[str, list[str]] = {}
    for training in (training for outcome in outcomes for training in outcome.trainings):
        side = f" of {size} px" if (size := training.settings.get("image_size")) else ""
        photos = f"{training.images:,} {training.data.get('photos', 'images')}{side} an epoch"
        batches = f"in batches of {training.settings.get('batch_size')} by {replace(way_of(training), batch_size=None)}"
        trained.setdefault(f"{photos} {batches}; {training.origin}", []).append(training.model)
    return [f"{', '.join(dict.fromkeys(names))}: {line}" for line, names in trained.items()]


def markdown(outcomes: Sequence[Outcome], into: str = "") -> str:
    """Both tables, notes, and the command that makes them again, with the option of another store `into`."""
    options = [f"--model {model}" for model in dict.fromkeys(outcome.model for outcome in outcomes)]
    options += [f"--variant {variant}" for variant in dict.fromkeys(outcome.variant for outcome in outcomes)]
    seeds = max((len(outcome.trainings) for outcome in outcomes), default=0)
    read = [training.data for outcome in outcomes for training in outcome.trainings]
    command = " ".join(["python -m bench accuracy", *options, f"--seeds {seeds}{folders(*read)}{into}"])
    hint = ", with `--weights` of these" if any(outcome.weights for outcome in outcomes) else ""
    return page("Accuracy, and the time it takes", tables(outcomes), command=command, hint=hint)


def plain(outcomes: Sequence[Outcome]) -> list[dict]:
    """One object of plain values for each outcome, without the trainings themselves."""
    return [{name: value for name, value in asdict(outcome).items() if name != "trainings"} for outcome in outcomes]
