"""The number formats to train in, and on which devices each makes sense."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowers_core.backends.devices import DEVICES
from flowers_core.errors import one_of

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
"""Keras dtype policies; the mixed ones compute in 16 bits and keep their weights in float32."""

FORMATS = {"float32": "float32", "tf32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
"""What a device multiplies in, with the type of the numbers: `tf32` rounds float32 to a mantissa of 10 bits first."""

_FAST_FLAGS = {"amx_bf16", "avx512_bf16"}  # instructions that multiply bfloat16; without them it gains little, or loses

_UNSUITABLE = {
    ("mixed_float16", "cpu"): "a CPU emulates float16 and takes seconds a step; use mixed_bfloat16",
    ("mixed_float16", "tpu"): "a TPU's own 16-bit format is bfloat16; use mixed_bfloat16",
    ("tf32", "cpu"): "TF32 is a format of NVIDIA GPUs",
    ("tf32", "tpu"): "TF32 is a format of NVIDIA GPUs",
}


@contextmanager
def use(precision: str) -> Iterator[None]:
    """Builds the models of the block in this precision, and restores the policy that was set before.

    A model keeps the precision in which it was built: training it needs no block.

    Args:
        precision: One of `PRECISIONS`.

    Raises:
        InputError: If there is no such precision.
    """
    one_of("precision", precision, PRECISIONS)
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def multiplies_bfloat16(cpuinfo: str | Path = "/proc/cpuinfo") -> bool:
    """Whether this machine's CPU has instructions for products of bfloat16 (AMX, AVX-512)."""
    try:
        text = Path(cpuinfo).read_text("utf-8")
    except OSError:  # not Linux
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return bool(_FAST_FLAGS & set(flags.split()))


def unsuitable(precision: str, device: str) -> str | None:
    """Why this precision makes no sense on this kind of device; None where it does.

    Args:
        precision: One of `PRECISIONS`, or of `FORMATS`.
        device: One of `devices.DEVICES`.

    Raises:
        InputError: If there is no such precision or kind of device.
    """
    one_of("precision", precision, FORMATS)
    one_of("device", device, DEVICES)
    return _UNSUITABLE.get((precision, device))
