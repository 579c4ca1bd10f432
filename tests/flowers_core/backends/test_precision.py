"""Tests of `flowers_core.backends.precision`."""

import keras
import pytest

from flowers_core.backends import precision
from flowers_core.errors import InputError


@pytest.mark.parametrize("name", precision.PRECISIONS)
def test_use_holds_in_its_block(name):
    """In the block new layers follow the policy; after it the old policy is back."""
    before = keras.config.dtype_policy().name
    with precision.use(name):
        layer = keras.layers.Dense(1)
    assert layer.dtype_policy.name == name
    assert layer.variable_dtype == "float32"
    assert keras.config.dtype_policy().name == before


def test_use_restores_policy_after_error():
    """The old policy is back even if the block raises."""
    before = keras.config.dtype_policy().name
    with pytest.raises(RuntimeError), precision.use("mixed_bfloat16"):
        raise RuntimeError
    assert keras.config.dtype_policy().name == before


@pytest.mark.parametrize("device", ["cpu", "gpu", "tpu"])
@pytest.mark.parametrize("name", precision.PRECISIONS)
def test_unsuitable_is_only_float16_off_a_gpu(name, device):
    """float16 is for GPUs; every other pair of precision and device is fine."""
    reason = precision.unsuitable(name, device)
    assert (reason is not None) == (name == "mixed_float16" and device != "gpu")


def test_unsuitable_says_what_to_do():
    """The reason against float16 names the precision to take instead."""
    assert "mixed_bfloat16" in precision.unsuitable("mixed_float16", "cpu")


def test_unknown_names_are_refused():
    """The message lists the precisions, or the kinds of devices, before any policy is set."""
    with pytest.raises(InputError, match="float32, mixed_bfloat16, mixed_float16"), precision.use("int4"):
        pass
    with pytest.raises(InputError, match="int4"):
        precision.unsuitable("int4", "cpu")
    with pytest.raises(InputError, match="tpu, gpu, cpu"):
        precision.unsuitable("float32", "npu")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("amx_bf16 avx", True), ("avx512_bf16", True), ("avx512f", False), ("", False)],
)
def test_multiplies_bfloat16_reads_cpu_flags(tmp_path, text, expected):
    """AMX and AVX-512 BF16 are named among the flags of the CPU; wide registers alone do not count."""
    path = tmp_path / "cpuinfo"
    path.write_text(f"flags\t\t: fpu {text}\n" if text else "")

    assert precision.multiplies_bfloat16(path) is expected
    assert precision.multiplies_bfloat16(tmp_path / "none") is False
