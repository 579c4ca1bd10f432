"""One training in a fresh process, from its first epoch to its last: accuracy, and the time that it takes."""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any, TypedDict

from bench.machine.cpu_time import ForeignLoad
from bench.machine.energy import PackageEnergy
from bench.results.result import Result, stamp
from bench.run import process, product
from bench.run.data_source import Source
from flowers_core.errors import one_of

TOLD_SECONDS = 60.0  # at least between two epochs that are told
TARGET_MISSED = 1  # exit code of a training that went through all epochs and did not reach its target

_FLIP = ("--augmentation", "flip", "--shuffle-buffer", "2048")

# Options that each variant adds to the command. `ours` is what `train` does by default on this machine, as `bench tune`
# found it where it has looked; `plain` is the same recipe with none of our choices. The others differ from `ours` in
# one thing, but that a precision of its own leaves aside what was found. `tuned` is the best of eleven for the head of
# mobilenetv2, by five-fold cross-validation on the training shards of 1,000 flower_photos: 0.880 after 20 epochs, 0.872
# with the codelab's pixels, 0.853 at Adam's own rate without flips. Validation shards were not used.
VARIANTS: dict[str, tuple[str, ...]] = {
    "ours": (),
    "plain": ("--precision", "float32", "--no-xla", "--no-cached-features", "--no-keep-memory"),
    "float32": ("--precision", "float32"),
    "mixed_bfloat16": ("--precision", "mixed_bfloat16"),
    "deterministic": ("--deterministic",),
    "weights_pixels": ("--pixels", "weights"),
    "flip": _FLIP,
    "fine_tuned": ("--fine-tune", "--pixels", "weights"),
    "tuned": (*_FLIP, "--pixels", "weights", "--learning-rate", "3e-4"),
}


def recipe(model: str, variant: str) -> Any:
    """How a model is trained in a variant, as far as the variant's options leave it open."""
    return product.recipe(model, fine_tune="--fine-tune" in VARIANTS.get(variant, ()))


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to train.

    Attributes:
        model: One of `models.MODELS`.
        variant: One of `VARIANTS`.
        seed: Of weights, order and augmentation.
        source: Where the records lie.
        epochs: None for the codelab's.
        weights: Of the base; empty for random ones.
        campaign: Marks trainings that belong together.
        target: Validation accuracy at which it stops; None for all epochs.
        stated_target: Validation accuracy that it should reach, stated before; it goes on to its last epoch.
        price: What an hour of the machine costs, see `Price.to_json`; empty if not given.
    """

    model: str
    variant: str
    seed: int
    source: Source
    epochs: int | None = None
    weights: str = ""
    campaign: str = ""
    target: float | None = None
    stated_target: float | None = None
    price: dict = field(default_factory=dict)

    def __post_init__(self):
        one_of("variant", self.variant, VARIANTS)

    def command(self, output: Path) -> list[str]:
        """The command line of the training."""
        command = [sys.executable, "-m", "flowers_core", "train", self.model]
        command += [*self.source.record_options(), "--output", str(output)]
        command += ["--seed", str(self.seed), "--device", "cpu", "--json", *VARIANTS[self.variant]]
        command += ["--epochs", str(self.epochs)] if self.epochs else []
        command += ["--weights", self.weights] if self.weights else []
        command += ["--target", str(self.target)] if self.target is not None else []
        return command


class _Epoch(TypedDict):
    epoch: float
    val_accuracy: float
    elapsed_seconds: float
    images_per_second: float


class _Settings(TypedDict, total=False):
    epochs: int
    batch_size: int
    image_size: int
    weights: str | None
    precision: str
    backend: str
    xla: bool
    torch_compile: bool


class _Price(TypedDict, total=False):
    amount: float
    currency: str


class _Energy(TypedDict, total=False):
    joules: float
    reason: str


class _Checked(TypedDict, total=False):
    """What is read of a training's dictionaries."""

    settings: _Settings
    history: list[_Epoch]
    price: _Price
    energy: _Energy


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Result):
    """What one training gave.

    Attributes:
        model: One of `models.MODELS`.
        variant: One of `VARIANTS`.
        seed: Of weights, order and augmentation.
        campaign: Marks trainings that belong together.
        settings: All that decided what it did, see `flowers_core.train.settings.Settings`.
        history: A row an epoch, see `flowers_core.train.fit.train`.
        images: Images that an epoch trains on.
        data: What the records were made of, see `data_source.Source.describe`.
        process_seconds: Life of the process, imports included.
        foreign_cpu_share: Share of the machine's CPU time that others used meanwhile.
        stated_target: Validation accuracy that it should reach, stated before it began; None where none was.
        price: What an hour of the machine costs, see `Price.to_json`; empty if not given.
        energy: What the processor took meanwhile, see `PackageEnergy.used`; empty in older results.
    """

    KIND = "trainings"
    CHECKED = _Checked
    FORMAT = 1  # way (a variant here), settings, history, machine, code (2026-11)

    KEYS = MappingProxyType({**Result.KEYS, "variant": "way"})

    model: str
    variant: str
    seed: int
    campaign: str
    settings: dict = field(default_factory=dict)
    history: tuple[dict, ...] = ()
    images: int = 0
    process_seconds: float = 0.0
    foreign_cpu_share: float | None = None
    stated_target: float | None = None
    price: dict = field(default_factory=dict)
    energy: dict = field(default_factory=dict)

    @property
    def frameworks(self) -> Sequence[str]:
        """Keras and what it ran on: older results are of TensorFlow."""
        return self.settings.get("backend", "tensorflow"), "keras"


def train(
    job: Job,
    *,
    timeout: float,
    variables: Mapping[str, str] = MappingProxyType({}),
    tell: Callable[[str], object] = lambda _: None,
) -> TrainingRun:
    """Trains in a fresh process.

    Args:
        job: What to train.
        timeout: Seconds after which it is ended: status `timeout`.
        variables: Of its environment, see `campaign.variables`; without them it trains by the recipe's way on
            TensorFlow, which a history needs.
        tell: Called with what it says of how it trains and, once a minute at most, of its epochs.
    """
    started, start, load, energy = datetime.now(UTC), perf_counter(), ForeignLoad(), PackageEnergy()
    with process.scratch() as folder:
        output, status, reason = folder / "training", "ok", ""
        try:
            missed = () if job.target is None else (TARGET_MISSED,)
            printed = process.printed_by(
                job.command(output),
                folder,
                name="The training",
                timeout=timeout,
                accepted=missed,
                variables=variables,
                listen=_Listener(job, tell),
            )
            if not printed.strip():
                raise process.Died("The training", "crash", "it printed no history")
            described = _result(job, json.loads(printed), output)
        except process.Died as died:
            status, reason, described = died.status, died.reason, _request(job)
    return TrainingRun(
        model=job.model,
        variant=job.variant,
        seed=job.seed,
        campaign=job.campaign,
        status=status,
        reason=reason,
        **described,
        process_seconds=perf_counter() - start,
        foreign_cpu_share=load.share(),
        stated_target=job.stated_target,
        price=job.price,
        energy=energy.used(),
        **stamp(started),
    )


class _Listener:
    """Tells what a user wants to know of a training that goes on: how it was tuned, and its epochs, one a minute."""

    def __init__(self, job: Job, tell: Callable[[str], object], now: Callable[[], float] = perf_counter):
        self._name, self._tell, self._now = f"{job.model} {job.variant}, seed {job.seed}", tell, now
        self._said = now()

    def __call__(self, line: str) -> None:
        is_due = line.startswith("epoch ") and self._now() - self._said > TOLD_SECONDS
        if is_due or line.startswith("tuned: "):
            self._said = self._now()
            self._tell(f"{self._name}: {line}")


def _request(job: Job) -> dict:
    """Settings and data of a training that failed, as far as they are known without it."""
    settings = {
        "epochs": job.epochs or recipe(job.model, job.variant).epochs,
        "weights": job.weights or None,
        "image_size": job.source.manifest().image_size,
    }
    return {"settings": settings, "data": _data(job)}


def _result(job: Job, answer: dict, output: Path) -> dict:
    """History, settings and data of a training that ended well."""
    settings = json.loads((output / "training.json").read_text(encoding="utf-8"))
    rows = answer["history"]
    images = round(rows[-1]["images_per_second"] * rows[-1]["seconds"])
    return {"history": tuple(rows), "settings": settings, "images": images, "data": _data(job)}


def _data(job: Job) -> dict:
    """What it read: the records, and the content of the weights that it began with, whose name says nothing of it."""
    described = job.source.describe("records")
    with suppress(OSError), Path(job.weights).open("rb") as file:  # none, those of ImageNet, or gone
        described["weights"] = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    return described
