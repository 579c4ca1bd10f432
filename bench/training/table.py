"""Outcomes as tables: Markdown, the terminal at 80 columns, plain values."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean

from bench.machine.facts import BUSY_SHARE
from bench.results import format, table
from bench.training import outcome
from bench.training.outcome import Middle, Outcome, Parity
from flowers_core import models

ACCURACY = ("model", "way", "epochs", "n", "accuracy", "seconds", "codelab", "target reached")
EPOCHS = ("model", "way", "epochs", "n", "first epoch", "a later epoch", "images/s")
LEFT = 2  # columns that are names


def _share(middle: Middle | None) -> str:
    if middle is None:
        return format.ABSENT
    if middle.low == middle.high:  # one training has no spread
        return f"{middle.value:.3f}"
    return f"{middle.value:.3f} [{middle.low:.3f}, {middle.high:.3f}]"


def _seconds(middle: Middle | None) -> str:
    if middle is None or middle.low == middle.high:
        return format.duration(middle and middle.value)
    return format.interval(middle.value, middle.low, middle.high)


def _codelab(model: str) -> str:
    known = models.spec(model).recipe.accuracy
    return f"{known[0]:.3f} to {known[1]:.3f}" if known else format.ABSENT


def _target(one: Outcome) -> str:
    if one.target is None:
        return format.ABSENT
    if not one.reached:
        return f"{one.target:g}: n/a, best {one.best:.3f}" if one.best is not None else format.ABSENT
    count = "" if one.reached == len(one.trainings) else f" ({one.reached} of {len(one.trainings)})"
    return f"{one.target:g}: {_seconds(one.target_seconds)}, {one.target_images.value:,.0f} images{count}"


def _names(one: Outcome) -> tuple[str, ...]:
    way = f"{one.way}, weights" if one.weights else one.way
    return one.model, way, str(one.epochs), str(len(one.trainings))


def accuracy_rows(found: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """A text for each of `ACCURACY`."""
    return [
        (*_names(one), _share(one.accuracy), _seconds(one.seconds), _codelab(one.model), _target(one)) for one in found
    ]


def epoch_rows(found: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """A text for each of `EPOCHS`."""
    return [
        (
            *_names(one),
            _seconds(one.first_epoch_seconds),
            _seconds(one.epoch_seconds),
            format.rate(one.images_per_second and one.images_per_second.value),
        )
        for one in found
    ]


def notes(found: Sequence[Outcome]) -> list[str]:
    """What the columns mean, how much faster, whether as good, what failed, where."""
    said = [
        "median [lowest, highest] over n trainings of different seeds, each in a fresh process; accuracy: on the "
        "validation shards, after the last epoch; codelab: what its notebooks print, after training on 2,980 photos; "
        "weights: of the base, not random",
        "target reached: seconds and images from the start of a training, compilation and validation included",
        "a later epoch: from end to end, validation included; the first has building and compilation in it",
    ]
    said += _means(found)
    faster = outcome.speedups(found)
    if faster:
        each = ", ".join(
            f"{one.model} {one.ratio.value:.2f} [{one.ratio.low:.2f}, {one.ratio.high:.2f}]" for one in faster
        )
        mean = outcome.geometric_mean([one.ratio.value for one in faster])
        said.append(f"a later epoch, ours against plain: {mean:.2f} times as fast (geometric mean); {each}")
    said += [
        f"{one.model}: mixed_bfloat16 less float32, accuracy {one.difference:+.3f} {_interval(one)} ({one.seeds} seeds)"
        for one in outcome.parities(found)
    ]
    said += [f"{one.model} {one.way}: {reason}" for one in found for reason in dict.fromkeys(one.failed)]
    busy = [one for some in found for one in some.trainings if (one.foreign_cpu_share or 0.0) > BUSY_SHARE]
    if busy:
        said.append(f"beside {len(busy)} trainings others used more than {BUSY_SHARE:.0%} of the CPU")
    return said + _origins(found)


def _interval(one: Parity) -> str:
    if one.low is None:
        return "n/a: all seeds differ by the same"
    return f"[{one.low:+.3f}, {one.high:+.3f}] (95 %)"


def _means(found: Sequence[Outcome]) -> list[str]:
    """Mean accuracy of those that were trained more than once, in a line."""
    each = [
        f"{one.model} {one.way} {fmean(some.history[-1]['val_accuracy'] for some in one.trainings):.3f} "
        f"({one.epochs} epochs)"
        for one in found
        if len(one.trainings) > 1
    ]
    return [f"mean accuracy over seeds: {', '.join(each)}"] if each else []


def _origins(found: Sequence[Outcome]) -> list[str]:
    """A line for each photos, batch size, code and day: what was trained with them, images, machine, software."""
    models: dict[str, list[str]] = {}
    for one in (one for some in found for one in some.trainings):
        batch, place = one.settings.get("batch_size"), table.place_line(one.machine, one.code, one.started)
        photos = f"{one.images:,} {one.data.get('photos', 'images')} an epoch"
        models.setdefault(f"{photos} in batches of {batch}; {place}", []).append(one.model)
    return [f"{', '.join(dict.fromkeys(some))}: {line}" for line, some in models.items()]


def markdown(found: Sequence[Outcome]) -> str:
    """Both tables, notes, and the command that makes it again."""
    lines = ["# Accuracy, and the time it takes", ""]
    for columns, rows in ((ACCURACY, accuracy_rows(found)), (EPOCHS, epoch_rows(found))):
        lines += [*table.grid(columns, rows, left=columns[:LEFT]), ""]
    lines += [f"- {note}" for note in notes(found)]
    names = [f"--model {model}" for model in dict.fromkeys(one.model for one in found)]
    ways = [f"--variant {way}" for way in dict.fromkeys(one.way for one in found)]
    seeds = max((len(one.trainings) for one in found), default=0)
    command = " ".join(["python -m bench accuracy", *names, *ways, f"--seeds {seeds}"])
    return "\n".join([*lines, f"- `{command}`, with `--records` and `--weights` of these", ""])


def show(found: Sequence[Outcome], console) -> None:
    """Draws both tables and the notes on a rich console."""
    for title, columns, rows in (
        ("Accuracy", ACCURACY, accuracy_rows(found)),
        ("Epochs", EPOCHS, epoch_rows(found)),
    ):
        table.draw(title, columns, rows, console, left=columns[:LEFT])
    table.say(notes(found), console)


def plain(found: Sequence[Outcome]) -> list[dict]:
    """One object of plain values an outcome, without the trainings themselves."""
    return [{name: value for name, value in asdict(one).items() if name != "trainings"} for one in found]
