"""The fastest correct way to train a model on this machine, as `python -m bench tune` found it and a training uses it.

What was found is kept with what decides it, the machine's key: a setting of another processor, or of another version of
a framework, is stale and not used.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from flowers_core import durable, errors, resources
from flowers_core.backends import BACKENDS

FORMAT = 1
"""Version of the file. History: 1, the first."""

NAME = "tuned.json"
PATH = f"results/{NAME}"
VARIABLE = "FLOWERS_TUNED"
VARIANTS = ("default", "plain")
"""How a training runs its steps: as was found here, or as the model's recipe says."""

_CPU = ("model name", "flags", "Features")  # of /proc/cpuinfo


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to compute the same training step.

    Attributes:
        backend: Keras' backend.
        precision: A dtype policy.
        xla: Whether XLA compiles the step.
        torch_compile: Whether `torch.compile` does.
        batch_size: Images a step; None leaves it to the recipe: another one is another training.
    """

    backend: str
    precision: str
    xla: bool = False
    torch_compile: bool = False
    batch_size: int | None = None

    def __str__(self) -> str:
        compiler = ", XLA" if self.xla and not BACKENDS[self.backend].always_compiled else ""
        compiler += ", torch.compile" if self.torch_compile else ""
        batch = f", batch {self.batch_size}" if self.batch_size else ""
        return f"{self.backend}, {self.precision}{compiler}{batch}"


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What was found for a model on a machine.

    Attributes:
        model: Its name.
        image_size: Side of the images in pixels.
        device: `tpu`, `gpu` or `cpu`.
        way: The fastest.
        plain: The recipe's, that it was compared with.
        ratio: Seconds an image of the fastest over the recipe's: below 1.
        pairs: Pairs of processes that say so.
        images_per_second: Of the fastest.
        measured_batch: Images a step while it was compared.
        tried: Candidates that were compared.
        candidates: How many there were.
        when: Date and time, UTC.
        key: Facts by name that must be the same where it is used, see `key`.
    """

    model: str
    image_size: int
    device: str
    way: Way
    plain: Way
    ratio: float
    pairs: int
    images_per_second: float
    measured_batch: int
    tried: int
    candidates: int
    when: str
    key: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.way == self.plain:
            return f"{self.way}: the recipe's own, the fastest of {self.tried} ways tried"
        pairs = "1 pair" if self.pairs == 1 else f"{self.pairs} pairs"
        return f"{self.way}: {1 / self.ratio:.2f} times the recipe's {self.plain}, by {pairs}"


def key(backends: tuple[str, ...], *, root: Path = Path("/")) -> dict[str, str]:
    """What decides which way is the fastest, as far as it can be told without importing a framework.

    Args:
        backends: Whose frameworks decide.
        root: Where /proc lies.
    """
    facts = {"cores": f"{resources.usable_cores():g}", "python": ".".join(platform.python_version_tuple()[:2])}
    facts |= _processor(root)
    gpus = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    models = [line.split(":", 1)[1].strip() for path in gpus for line in _lines(path) if line.startswith("Model")]
    facts["GPUs"] = ", ".join(models) or "none"
    for package in ("keras", *sorted({BACKENDS[name].framework for name in backends})):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:  # also of tensorflow-cpu and its like, whose module is the same
            facts[package] = "installed by another name" if package != "keras" else "none"
    return facts


def _processor(root: Path) -> dict[str, str]:
    """Name and features of the processor; the latter as a digest, for they are a hundred."""
    found: dict[str, str] = {}
    for line in _lines(root / "proc/cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() in _CPU:
            found.setdefault(name.strip(), value.strip())
    features = " ".join(sorted((found.get("flags") or found.get("Features") or "").split()))
    digest = hashlib.sha256(features.encode()).hexdigest()[:8]
    return {"processor": found.get("model name") or platform.machine(), "processor features": digest}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def default_path() -> Path:
    """The file that a training reads: FLOWERS_TUNED, or results/tuned.json where it runs."""
    return Path(os.environ.get(VARIABLE) or PATH)


def load(path: str | Path) -> list[Tuned]:
    """What a file holds; nothing if there is none.

    Raises:
        InputError: If it is damaged or of another format.
    """
    import msgspec  # where there is a file alone

    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise _damage_error(path, error) from error
    try:
        values = json.loads(text)
        if values["format"] != FORMAT:
            raise errors.InputError(
                f"{path} must be of format {FORMAT}. Received: format {values['format']!r}. "
                f"Remove it and run `python -m bench tune` again"
            )
        found = msgspec.convert(values["settings"], list[Tuned])
        for tuned in found:
            _check(tuned)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        if isinstance(error, errors.InputError):
            raise
        raise _damage_error(path, error) from error
    return found


def _check(tuned: Tuned) -> None:
    """Refuses what no comparison can have found."""
    for way in (tuned.way, tuned.plain):
        errors.one_of("backend", way.backend, BACKENDS)
        spec = BACKENDS[way.backend]
        if (way.xla and spec.compiler != "XLA") or (way.torch_compile and spec.compiler != "torch.compile"):
            raise ValueError(f"{way.backend} has no such compiler")
        if way.batch_size is not None and way.batch_size < 1:
            raise ValueError(f"batch size {way.batch_size}")
    if not (0 < tuned.ratio < float("inf") and tuned.images_per_second > 0):
        raise ValueError("ratio and images a second must be above 0")


def _damage_error(path: str | Path, error: Exception) -> errors.InputError:
    return errors.InputError(
        f"{path} must be as it was written. Received: {type(error).__name__}: {error}. "
        f"Remove it and run `python -m bench tune` again"
    )


def keep(tuned: Tuned, path: str | Path) -> None:
    """Adds what was found to a file, in place of what was known of the same model, size, device and processor.

    Raises:
        InputError: If the file is damaged.
        OSError: If it cannot be written.
    """

    def subject(known: Tuned) -> tuple:
        processor = [known.key.get(name) for name in ("processor", "processor features", "cores", "GPUs")]
        return known.model, known.image_size, known.device, *processor

    others = [known for known in load(path) if subject(known) != subject(tuned)]
    settings = sorted([*others, tuned], key=lambda known: tuple(map(str, subject(known))))
    durable.make_folder(Path(path).absolute().parent)
    with durable.whole(Path(path)) as unfinished:
        text = json.dumps({"format": FORMAT, "settings": [asdict(known) for known in settings]}, indent=1)
        unfinished.write_text(text + "\n", encoding="utf-8")


def find(
    model: str,
    *,
    image_size: int,
    device: str | None = None,
    path: str | Path,
    tell: Callable[[str], None] = lambda _: None,
) -> Tuned | None:
    """What is known of a model on this machine; None where nothing is, or where it is stale, which is told.

    Args:
        model: Its name.
        image_size: Side of the images in pixels.
        device: The one that is asked for, if any.
        path: The file.
        tell: Called with a sentence on a stale setting or a damaged file.
    """
    try:
        known = load(path)
    except errors.InputError as error:
        tell(f"{error}. This training goes on as the recipe says")
        return None
    of_model = [
        tuned
        for tuned in known
        if (tuned.model, tuned.image_size) == (model, image_size) and device in (None, tuned.device)
    ]
    stale = ""
    for tuned in of_model:
        now = key((tuned.way.backend, tuned.plain.backend))
        differing = [name for name in {**tuned.key, **now} if tuned.key.get(name) != now.get(name)]
        if not differing:
            return tuned
        name = differing[0]
        stale = f"{name} was {tuned.key.get(name, 'unknown')!r} and is {now.get(name, 'unknown')!r}"
    if stale:
        tell(f"{path}: what was found for {model} is stale: {stale}. `python -m bench tune {model}` finds it anew")
    return None


def apply(tuned: Tuned, choices: Any) -> Any:
    """The choices of a training, with what was found where they choose nothing."""
    way = tuned.way
    batch = {} if way.batch_size is None or choices.batch_size is not None else {"batch_size": way.batch_size}
    compilers = {"xla": way.xla, "torch_compile": way.torch_compile}
    return replace(choices, device=tuned.device, precision=way.precision, **compilers, **batch)
