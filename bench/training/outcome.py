"""Trainings -> how good each model becomes, how long that takes, and how much faster one variant is than another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum, inf, isinf
from statistics import median

from bench.training.price import Price
from bench.training.run import TrainingRun, recipe

SYNTHETIC = "synthetic"  # folder of the drawn photos
# What our recipes reach within their epochs on the 300 photos that `make bench` draws, less some points for the seed.
SYNTHETIC_TARGETS = {"squeezenet_small": 0.5}


@dataclass(frozen=True, kw_only=True)
class MedianRange:
    """Median with lowest and highest: of few seeds no narrower interval would be honest."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "MedianRange | None":
        """None where there are no values."""
        ordered = sorted(values)
        return cls(value=median(ordered), low=ordered[0], high=ordered[-1]) if ordered else None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of the trainings of one model in one variant.

    Attributes:
        model: One of `models.MODELS`.
        variant: One of `bench.training.run.VARIANTS`.
        epochs: How many a training was to have.
        weights: With which it began; empty for random ones.
        trainings: Those that ended well.
        failed: Reasons of the others.
        accuracy: On the validation shards after the last epoch.
        best: Highest of any epoch of any training.
        seconds: From the start of a training to the end of its last epoch.
        target: Accuracy to be reached; None if there is none.
        reached: How many reached it.
        stated: Whether the target was known before the trainings began.
        target_seconds: From the start of the training, building, compilation, validation and saving included. One that
            never reached it, or died, counts as infinite in the median; None where that is the median.
        target_images: Images trained on until then, likewise.
        first_epoch_seconds: The first epoch with all that comes before it.
        epoch_seconds: A later one, validation included; of each training the median.
        images_per_second: Of the steps of later epochs.
        price: What an hour of the machine costs, by that of the last training; None if not given.
        cost: Of a training, its process from start to end, in the currency of the price.
        target_cost: Until the target was reached.
        joules: What the processor took during a training; None where the kernel does not say.
    """

    model: str
    variant: str
    epochs: int
    weights: str
    trainings: tuple[TrainingRun, ...]
    failed: tuple[str, ...]
    accuracy: MedianRange | None
    best: float | None
    seconds: MedianRange | None
    target: float | None
    reached: int
    stated: bool
    target_seconds: MedianRange | None
    target_images: MedianRange | None
    first_epoch_seconds: MedianRange | None
    epoch_seconds: MedianRange | None
    images_per_second: MedianRange | None
    price: Price | None
    cost: MedianRange | None
    target_cost: MedianRange | None
    joules: MedianRange | None

    @property
    def started(self) -> int:
        """How many trainings there were, failed ones among them."""
        return len(self.trainings) + len(self.failed)


def summarize(
    trainings: Iterable[TrainingRun], *, target: float | None = None, price: Price | None = None
) -> list[Outcome]:
    """One outcome for each group of trainings, in the order in which the groups first came: see `group`.

    Args:
        trainings: Of one machine and one state of the code.
        target: Validation accuracy to be reached; see `target_of`, unless given.
        price: What an hour of the machine costs; that which was stored with the trainings, unless given.
    """
    groups: dict[tuple, list[TrainingRun]] = {}
    for training in trainings:
        groups.setdefault(group(training), []).append(training)
    return [_outcome(seeds, target, price) for seeds in groups.values()]


def group(training: TrainingRun) -> tuple:
    """What seeds of one experiment have in common: model, variant, epochs, weights, photos and image size."""
    settings, data = training.settings, training.data
    epochs = settings.get("epochs", recipe(training.model, training.variant).epochs)
    given = settings.get("weights") or "", data.get("photos"), data.get("images"), settings.get("image_size")
    return training.model, training.variant, epochs, *given


def _outcome(trainings: Sequence[TrainingRun], target: float | None, price: Price | None) -> Outcome:
    model, variant, epochs, weights, *_ = group(trainings[0])
    good = tuple(training for training in trainings if training.status == "ok" and training.history)
    longer = [training for training in good if len(training.history) > 1]
    usual, given = target_of(trainings[0]), trainings[-1].stated_target
    target = target if target is not None else given if given is not None else usual
    price = price or Price.from_json(trainings[-1].price)
    reached = [(row, training.images) for training in good if (row := first_reaching(training, target))]
    misses = len(trainings) - len(reached)
    seconds = _with_misses([row["elapsed_seconds"] for row, _ in reached], misses)
    joules = [training.energy["joules"] for training in good if "joules" in training.energy]
    return Outcome(
        model=model,
        variant=variant,
        epochs=epochs,
        weights=weights,
        trainings=good,
        failed=tuple(f"{training.status}: {training.reason}" for training in trainings if training not in good),
        accuracy=MedianRange.of(training.history[-1]["val_accuracy"] for training in good),
        best=max((row["val_accuracy"] for training in good for row in training.history), default=None),
        seconds=MedianRange.of(training.history[-1]["elapsed_seconds"] for training in good),
        target=target,
        reached=len(reached),
        stated=all(target in (training.stated_target, usual) for training in trainings),
        target_seconds=seconds,
        target_images=_with_misses([row["epoch"] * images for row, images in reached], misses),
        first_epoch_seconds=MedianRange.of(training.history[0]["elapsed_seconds"] for training in good),
        epoch_seconds=MedianRange.of(map(later_epoch_seconds, longer)),
        images_per_second=MedianRange.of(
            median(row["images_per_second"] for row in training.history[1:]) for training in longer
        ),
        price=price,
        cost=MedianRange.of(price.of(training.process_seconds) for training in good) if price else None,
        target_cost=_cost(seconds, price),
        joules=MedianRange.of(joules),
    )


def _with_misses(values: list[float], misses: int) -> MedianRange | None:
    """The median in which what never came counts as infinite, with the range of the others; None if it is infinite."""
    middle = median([*values, *[inf] * misses]) if values else inf
    return None if isinf(middle) else MedianRange(value=middle, low=min(values), high=max(values))


def _cost(seconds: MedianRange | None, price: Price | None) -> MedianRange | None:
    if seconds is None or price is None:
        return None
    return MedianRange(value=price.of(seconds.value), low=price.of(seconds.low), high=price.of(seconds.high))


def target_of(training: TrainingRun) -> float | None:
    """What a training should reach: on drawn photos our own mark, on others the lowest that the codelab prints."""
    return target_on(training.data.get("photos"), training.model, training.variant)


def target_on(photos: str | None, model: str, variant: str = "ours") -> float | None:
    """What a model should reach on photos of this name, as `target_of`; None where none is known."""
    if photos == SYNTHETIC:
        return SYNTHETIC_TARGETS.get(model)
    published = recipe(model, variant).accuracy
    return published[0] if published else None


def first_reaching(training: TrainingRun, target: float | None) -> dict | None:
    """The first row of a training that reaches a target; None if none does."""
    if target is None:
        return None
    return next((row for row in training.history if row["val_accuracy"] >= target), None)


def later_epoch_seconds(training: TrainingRun) -> float:
    """Median seconds of the epochs after the first, from end to end: steps, validation, and what is kept."""
    return median(after["elapsed_seconds"] - before["elapsed_seconds"] for before, after in pairwise(training.history))


def speedups(outcomes: Sequence[Outcome], *, variant: str = "ours", baseline: str = "plain") -> dict[str, MedianRange]:
    """By model, how much faster an epoch is in one variant than in another; above 1 it is faster.

    Each training is compared with that of the same seed in the other variant, which ran just before or after it.
    """
    ratios = {}
    for model, pairs in _pair_up(outcomes, variant, baseline).items():
        longer = [pair for pair in pairs if all(len(training.history) > 1 for training in pair)]
        ratio = MedianRange.of(later_epoch_seconds(other) / later_epoch_seconds(own) for own, other in longer)
        if ratio:
            ratios[model] = ratio
    return ratios


def _pair_up(
    outcomes: Sequence[Outcome], variant: str, baseline: str
) -> dict[str, list[tuple[TrainingRun, TrainingRun]]]:
    """By model, its trainings in one variant, each with that of the same campaign, epochs and seed in the other."""
    trainings: dict[tuple[str, str], dict[tuple, TrainingRun]] = {}
    for outcome in outcomes:
        by_seed = trainings.setdefault((outcome.model, outcome.variant), {})
        by_seed.update({(done.campaign, outcome.epochs, done.seed): done for done in outcome.trainings})
    pairs = {}
    for model in dict.fromkeys(outcome.model for outcome in outcomes):
        others = trainings.get((model, baseline), {})
        own = trainings.get((model, variant), {})
        pairs[model] = [(training, others[seed]) for seed, training in own.items() if seed in others]
    return pairs


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Whether one variant becomes as good as another.

    Attributes:
        model: Of which.
        seeds: Trainings in each variant.
        difference: Mean over seeds of its accuracy less the other's.
        low: Lower end of the 95 % interval, by Student's t over seeds; None where all differ by the same, which few
            seeds do by chance.
        high: Its upper end.
    """

    model: str
    seeds: int
    difference: float
    low: float | None
    high: float | None


def parities(
    outcomes: Sequence[Outcome], *, variant: str = "mixed_bfloat16", baseline: str = "float32"
) -> list[Parity]:
    """One for each model that was trained in both variants with at least 2 seeds in common."""
    from scipy import stats

    rows = []
    for model, pairs in _pair_up(outcomes, variant, baseline).items():
        differences = [own.history[-1]["val_accuracy"] - other.history[-1]["val_accuracy"] for own, other in pairs]
        if len(differences) < 2:
            continue
        mean = fsum(differences) / len(differences)
        interval = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95) if len(set(differences)) > 1 else None
        low, high = (float(interval.low), float(interval.high)) if interval else (None, None)
        rows.append(Parity(model=model, seeds=len(differences), difference=mean, low=low, high=high))
    return rows
