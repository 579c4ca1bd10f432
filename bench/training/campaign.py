"""Many trainings, a fresh process each, ways in turns; each is stored as it ends."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.results import store
from bench.training import outcome
from bench.training import run as trained
from bench.training.run import Job, TrainingRun


def plan(
    models: Sequence[str], ways: Sequence[str], seeds: int, *, records: str, epochs: int | None, weights: dict[str, str]
) -> list[Job]:
    """What to train, seed after seed: of each model all ways one after another, the order turned round each time.

    What disturbs the machine for minutes then falls on all ways alike.

    Args:
        models: Names.
        ways: Names.
        seeds: How many: 1, 2, 3 …
        records: Folder of the records, as every process finds it, or bucket.
        epochs: None for the codelab's.
        weights: Path of weights by model; a model that is not named begins with random ones.
    """
    campaign = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return [
        Job(
            model=model,
            way=way,
            seed=seed,
            records=records,
            epochs=epochs,
            weights=weights.get(model, ""),
            campaign=campaign,
        )
        for seed in range(1, seeds + 1)
        for model in models
        for way in (ways if seed % 2 else reversed(ways))
    ]


def run(
    jobs: Iterable[Job],
    results: Path,
    *,
    timeout: float,
    train: Callable[..., TrainingRun] = trained.train,
) -> Iterator[TrainingRun]:
    """Trains one after another; gives each when it is stored.

    Args:
        jobs: What to train.
        results: The store.
        timeout: Seconds for one training.
        train: What trains.
    """
    for job in jobs:
        done = train(job, timeout=timeout)
        store.append(done, results)
        yield done


def stored(results: Path, campaign: str) -> list[TrainingRun]:
    """The trainings of a campaign that have ended."""
    return [one for one in store.load(TrainingRun, results).results if one.campaign == campaign]


def latest(results: Path) -> list[TrainingRun]:
    """Those of the machine that trained last: of each kind those of the code that trained it last, one a seed."""
    kept = sorted(store.load(TrainingRun, results).results, key=lambda one: one.started)
    here = [one for one in kept if one.machine.get("id") == kept[-1].machine.get("id")]  # of nothing, nothing
    newest = {outcome.kind(one): one.code.get("digest") for one in here}
    last = {(outcome.kind(one), one.seed): one for one in here if one.code.get("digest") == newest[outcome.kind(one)]}
    return [one for one in here if one is last.get((outcome.kind(one), one.seed))]
