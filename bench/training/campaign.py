"""Many trainings, a fresh process each, with the variants alternating; each is stored as it ends."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.results import store
from bench.training import outcome, run
from bench.training.run import Job, TrainingRun


def plan(
    models: Sequence[str],
    variants: Sequence[str],
    seeds: int,
    *,
    records: str,
    epochs: int | None,
    weights: Mapping[str, str],
) -> list[Job]:
    """What to train, seed after seed: all variants of each model one after another, in an order that alternates.

    What disturbs the machine for minutes then affects all variants alike.

    Args:
        models: Names.
        variants: Names.
        seeds: How many: 1, 2, 3 …
        records: Folder of the records, as every process finds it, or bucket.
        epochs: None for the codelab's.
        weights: Path of weights by model; a model that is not named begins with random ones.
    """
    campaign = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return [
        Job(
            model=model,
            variant=variant,
            seed=seed,
            records=records,
            epochs=epochs,
            weights=weights.get(model, ""),
            campaign=campaign,
        )
        for seed in range(1, seeds + 1)
        for model in models
        for variant in (variants if seed % 2 else reversed(variants))
    ]


def run_all(jobs: Iterable[Job], results: Path, *, timeout: float) -> Iterator[TrainingRun]:
    """Trains one after another, each for `timeout` seconds at most; yields each when it is stored."""
    for job in jobs:
        training = run.train(job, timeout=timeout)
        store.append(training, results)
        yield training


def load(results: Path, campaign: str) -> list[TrainingRun]:
    """The trainings of a campaign that have ended."""
    return [training for training in store.load(TrainingRun, results).results if training.campaign == campaign]


def load_latest(results: Path) -> list[TrainingRun]:
    """Trainings of the machine that trained last: of each group those of its latest code, one a seed."""
    trainings = sorted(store.load(TrainingRun, results).results, key=lambda training: training.started)
    here = [training for training in trainings if training.machine.get("id") == trainings[-1].machine.get("id")]
    code = {outcome.group(training): training.code.get("digest") for training in here}
    of_latest_code = [training for training in here if training.code.get("digest") == code[outcome.group(training)]]
    return list({(outcome.group(training), training.seed): training for training in of_latest_code}.values())
