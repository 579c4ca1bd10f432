"""Many trainings, a fresh process each, with the variants alternating; each is stored as it ends."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.machine import facts
from bench.results import identity, store
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.result import new_mark
from bench.run import durations
from bench.run.data_source import Source
from bench.run.durations import Durations, Planned
from bench.training import outcome, run
from bench.training.price import Price
from bench.training.run import Job, TrainingRun
from bench.training.way import way_of
from flowers_core.train import tuned


def plan(  # noqa: PLR0913 - what a campaign is
    models: Sequence[str],
    variants: Sequence[str],
    seeds: int,
    *,
    source: Source,
    epochs: int | None,
    weights: Mapping[str, str],
    target: float | None = None,
    price: Price | None = None,
) -> list[Job]:
    """What to train, seed after seed: all variants of each model one after another, in an order that alternates.

    What disturbs the machine for minutes then affects all variants alike.

    Args:
        models: Names.
        variants: Names.
        seeds: How many: 1, 2, 3 …
        source: Where the records lie, as every process finds them.
        epochs: None for the codelab's.
        weights: Path of weights by model; a model that is not named begins with random ones.
        target: Validation accuracy to be reached; None for the codelab's.
        price: What an hour costs.
    """
    campaign = new_mark()
    return [
        Job(
            model=model,
            variant=variant,
            seed=seed,
            source=source,
            epochs=epochs,
            weights=weights.get(model, ""),
            campaign=campaign,
            stated_target=target,
            price=price.to_json() if price else {},
        )
        for seed in range(1, seeds + 1)
        for model in models
        for variant in (variants if seed % 2 else reversed(variants))
    ]


def planned(jobs: Sequence[Job], results: Path, *, budget_seconds: float | None = None) -> Planned:
    """The trainings to come, and how long they should take: as earlier ones did here, else by the steps measured here.

    Args:
        jobs: What to train.
        results: The store.
        budget_seconds: How long it may take.
    """
    known, rates = Durations(), dict[str, float]()
    for training in store.load(TrainingRun, results).results:
        epochs, images = training.settings.get("epochs"), training.data.get("images")
        known.note([(training.model, training.variant, epochs, images)], training.process_seconds, training.machine)
    for measured in store.load(Measurement, results).results:
        rate = measured.images_per_second
        if rate and measured.cell.mode == "train" and measured.machine.get("id") == facts.hardware_id():
            rates[measured.cell.model] = max(rate, rates.get(measured.cell.model, 0.0))
    epochs = sorted({job.epochs or run.recipe(job.model, job.variant).epochs for job in jobs})
    return Planned(
        what=f"trainings of {' to '.join(map(str, dict.fromkeys((epochs[0], epochs[-1]))))} epochs",
        rounds=[job.seed for job in jobs],
        seconds=durations.total_of(_expected_seconds(job, known, rates) for job in jobs),
        by="as earlier ones and steps alone took here",
        budget_seconds=budget_seconds,
    )


def _expected_seconds(job: Job, known: Durations, rates: Mapping[str, float]) -> float | None:
    """How long a training should take; None where neither one like it nor a step of its model is known."""
    recipe, images = run.recipe(job.model, job.variant), job.source.manifest().images
    epochs = job.epochs or recipe.epochs
    seconds = known.expected([(job.model, job.variant, epochs, images)])
    if seconds is not None or job.model not in rates:
        return seconds
    passes = 1 if recipe.frozen and "--no-cached-features" not in run.VARIANTS[job.variant] else epochs
    return passes * images / rates[job.model]


def run_all(
    jobs: Iterable[Job], results: Path, *, timeout: float, tell: Callable[[str], object] = lambda _: None
) -> Iterator[TrainingRun]:
    """Trains one after another, by what `bench tune` has found; yields each when it is stored.

    Args:
        jobs: What to train.
        results: The store, beside which lies what was found.
        timeout: Seconds for one.
        tell: Called with what each says of its epochs.
    """
    for job in jobs:
        training = run.train(job, timeout=timeout, variables=variables(results), tell=tell)
        store.append(training, results)
        yield training


def variables(results: Path) -> dict[str, str]:
    """Where a training finds what `bench tune` has kept; its backend is the user's, if any, or what was found."""
    found = results / tuned.NAME
    return {tuned.VARIABLE: str(found.absolute()), "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "")}


def load(results: Path, campaign: str) -> list[TrainingRun]:
    """The trainings of a campaign that have ended."""
    return [training for training in store.load(TrainingRun, results).results if training.campaign == campaign]


def load_latest(results: Path, *, by_recency: Callable[[TrainingRun], tuple] | None = None) -> list[TrainingRun]:
    """Trainings of the machine that trained last: of each group those of its latest code in one setting, one a seed.

    Of several ways to compute steps, it is those of the last one.

    Those that asv measures are of no campaign: they stop at their target, and belong to the history.

    Args:
        results: The store.
        by_recency: How current a training is, for asv trains old commits after new ones; today's code is before all
            others, unless given.
    """
    key = by_recency or _by_code()
    stored = store.load(TrainingRun, results).results
    trainings = sorted((training for training in stored if training.campaign), key=key)
    here = [training for training in trainings if training.machine.get("id") == trainings[-1].machine.get("id")]
    last = {outcome.group(training): training for training in here}
    alike = [training for training in here if _is_alike(training, last[outcome.group(training)])]
    ways = {outcome.group(training): way_of(training) for training in alike if training.status == "ok"}
    shown = [
        training for training in alike if training.status != "ok" or way_of(training) == ways[outcome.group(training)]
    ]  # one that died does not say how it computed
    return list({(outcome.group(training), training.seed): training for training in shown}.values())


def _by_code() -> Callable[[TrainingRun], tuple]:
    """Today's code before all others, each by when it trained."""
    here = facts.code_digest()
    return lambda training: (training.code.get("digest") == here, training.started)


def _is_alike(training: TrainingRun, last: TrainingRun) -> bool:
    """Whether a training is of the code, the data and the setting of the machine of another of its group."""
    if training.code.get("digest") != last.code.get("digest"):
        return False
    if identity.content(training.data) != identity.content(last.data):
        return False
    way = way_of(last)
    batch_size = way.batch_size or 1
    cell = Cell(model=last.model, pipeline="records_parallel", precision=way.precision, batch_size=batch_size)
    return identity.agree(training.machine, last.machine, [cell])
