"""What commits from before the registries and the backend objects have, in the shape of today's package."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What those commits say of a pipeline, in several tables."""

    reads: str
    dtype: str
    cached: bool
    by_processes: bool
    at_once: Callable[..., int]

    def batches_at_once(self, *, image_size: int, batch_size: int) -> int:
        """How many batches a decode worker makes at once."""
        return self.at_once(image_size=image_size, batch_size=batch_size)


@cache
def pipelines(tables: ModuleType) -> dict[str, Pipeline]:
    """The pipelines by name, from the module with their tables."""

    def at_once(name: str) -> Callable[..., int]:
        return lambda **shape: tables.at_once(name, **shape) if hasattr(tables, "at_once") else 1

    return {
        name: Pipeline(
            reads=reads,
            dtype="uint8" if name in tables.YIELDS_UINT8 else "float32",
            cached=name in getattr(tables, "CACHED", ("records_cached", "records_batches_cached")),
            by_processes=name in getattr(tables, "BY_WORKERS", ()),
            at_once=at_once(name),
        )
        for name, reads in tables.READS.items()
    }


@dataclass(frozen=True, kw_only=True)
class BackendSpec:
    """A backend's properties, which those commits do not say, or not all."""

    always_compiled: bool
    compiles_replicas: bool
    tf_data: bool
    draws_ahead: bool
    compiler: str = "XLA"


BACKENDS = {
    "tensorflow": BackendSpec(always_compiled=False, compiles_replicas=False, tf_data=True, draws_ahead=False),
    "jax": BackendSpec(always_compiled=True, compiles_replicas=True, tf_data=False, draws_ahead=True),
}


def backends(known: Mapping[str, Any]) -> dict[str, Any]:
    """The backends that a commit knows, with all properties."""
    return {name: spec if hasattr(spec, "compiler") else BACKENDS[name] for name, spec in known.items()}


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Functions of those commits, which ask Keras which backend is meant, and what the harness did itself."""

    name: str
    find: Callable[[str], Any]
    train_step: Callable[[Any, Iterable], Callable]
    predict_step: Callable[[Any, Iterable], Callable]

    def synchronise(self, outputs: Any) -> Any:
        """Waits until the device is done."""
        if self.name == "jax":
            import jax

            return jax.block_until_ready(outputs)
        import tensorflow as tf

        tf.test.experimental.sync_devices()  # reading the loss alone would not wait for the update of the weights
        return outputs

    def peak_device_bytes(self, kind: str) -> int | None:
        """Most memory held on the accelerator; None on a CPU, or where the framework does not say."""
        if kind == "cpu":
            return None
        if self.name == "jax":
            import jax

            return (jax.devices(kind)[0].memory_stats() or {}).get("peak_bytes_in_use")
        import tensorflow as tf

        return tf.config.experimental.get_memory_info("GPU:0")["peak"] if kind == "gpu" else None

    def repeat_on_device(self, images: Any, labels: Any, kind: str) -> Iterable:
        """One batch again and again, placed on the device."""
        if self.name == "jax":
            return _repeat(images, labels)
        import tensorflow as tf

        data = tf.data.Dataset.from_tensors((images, labels)).repeat()
        if kind == "gpu":
            with tf.device("/gpu:0"):
                data = data.apply(tf.data.experimental.copy_to_device("/gpu:0")).prefetch(1)
        return data


def _repeat(*arrays: Any) -> Iterator[tuple]:
    import jax

    placed = tuple(jax.device_put(array) for array in arrays)
    while True:
        yield placed
