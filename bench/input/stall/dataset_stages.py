"""Which transformation of a `tf.data.Dataset` costs most: each prefix of it runs alone for a moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

STAGE_SECONDS = 0.15  # of each prefix in each round, after its first element
ROUNDS = 3  # of which the fastest counts: whatever disturbs makes slower
MOST_STAGES = 12
ONE_TO_ONE = {"map", "prefetch", "shuffle", "repeat", "cache", "options", "take", "skip", "shard", "assert_cardinality"}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A transformation of a dataset.

    Attributes:
        name: As the user wrote it, e.g. `map(decode)`; of a lambda the file and line.
        kind: `map`, `batch`, `prefetch` …
        serial: Whether it is a `map` without `num_parallel_calls`.
        seconds: Wall seconds a batch that it adds to what stands before it; None where it was not timed.
    """

    name: str
    kind: str
    serial: bool = False
    seconds: float | None = None


def find(dataset: Any) -> list[Stage]:
    """The transformations of a dataset from its source on, as far as they follow one another; none are run."""
    return [_describe(part) for part in reversed(list(_chain(dataset)))]


def measure(dataset: Any) -> list[Stage]:
    """The same with the wall seconds a batch that each adds.

    A prefix that works in parallel and ahead takes what its slowest part takes, so what is added shows what holds the
    others up. Upstream of what gives another number of elements than it takes, but for `batch`, nothing can be seen.
    """
    parts = list(_chain(dataset))[:MOST_STAGES]
    batches, timed = 1, []
    for part in parts:  # from the last transformation on
        stage = _describe(part)
        timed.append((stage, iter(part.repeat()), batches))
        if stage.kind == "batch":
            batches *= int(part._batch_size)
        elif stage.kind not in ONE_TO_ONE:
            break
    taken = [[_seconds(iterator) * count for _, iterator, count in timed] for _ in range(ROUNDS)]
    fastest = list(map(min, zip(*taken, strict=True)))
    stages, before = [], 0.0
    for (stage, _, _), seconds in zip(reversed(timed), reversed(fastest), strict=True):
        stages.append(Stage(name=stage.name, kind=stage.kind, serial=stage.serial, seconds=max(0.0, seconds - before)))
        before = max(before, seconds)
    return stages


def _chain(dataset: Any) -> Iterator[Any]:
    """A dataset and what it is made from, as far as that is one other."""
    while dataset is not None:
        yield dataset
        inputs = dataset._inputs()  # not public: a dataset cannot be asked otherwise
        dataset = inputs[0] if len(inputs) == 1 else None


def _describe(dataset: Any) -> Stage:
    kind = type(dataset).__name__.strip("_").removesuffix("Dataset").removesuffix("V2")
    parallel = kind.startswith("Parallel")
    kind = kind.removeprefix("Parallel").lower() or "dataset"
    kind = {"flatmap": "flat_map", "mapandbatch": "batch"}.get(kind, kind)
    kind = {"tensorslice": "from_tensor_slices", "tensor": "from_tensors"}.get(kind, kind)
    function = getattr(getattr(dataset, "_map_func", None), "_func", None)
    name = kind
    if function is not None:
        code = getattr(function, "__code__", None)
        called = getattr(function, "__name__", "function")
        if called == "<lambda>" and code is not None:
            called = f"lambda in {Path(code.co_filename).name}:{code.co_firstlineno}"
        name = "from_generator" if called == "flat_map_fn" else f"{kind}({called})"
    return Stage(name=name, kind=kind, serial=kind == "map" and not parallel)


def _seconds(iterator: Iterator) -> float:
    """Wall seconds an element; the first one, which was ready or fills buffers, does not count."""
    next(iterator)
    start, count = perf_counter(), 0
    while count == 0 or perf_counter() - start < STAGE_SECONDS:
        next(iterator)
        count += 1
    return (perf_counter() - start) / count
