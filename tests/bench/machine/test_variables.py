"""Variables that are kept with a result, and what is never kept."""

import json

import pytest

from bench.machine import facts, variables
from bench.results.measurement import Measurement

SECRETS = {
    "TF_TOKEN_app_terraform_io": "abc",
    "TF_VAR_db_password": "hunter2",
    "TF_HTTP_PASSWORD": "hunter2",
    "TF_CLI_ARGS": "-var password=hunter2",
    "TF_DEFAULT_PREEMPTION_NOTICE_KEY": "hunter2",
    "MKL_LICENSE_KEY": "hunter2",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "NVIDIA_API_KEY": "hunter2",
    "KERAS_AUTH": "hunter2",
}


def test_only_variables_of_the_libraries_are_kept():
    """Those that change a figure are kept, and not those that print, that a cell sets, or of other programs."""
    kept = {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "DNNL_VERBOSE": "1",
        "JSIMD_FORCENONE": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GLIBC_TUNABLES": "glibc.malloc.arena_max=1",
        "MALLOC_ARENA_MAX": "1",
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
        "XLA_FLAGS": "--xla_gpu_enable_triton_softmax_fusion=true --xla_force_host_platform_device_count=8",
        "CUDA_VISIBLE_DEVICES": "1",
    }
    left_out = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "jax", "PATH": "/bin", "TF_WORKSPACE": "prod", **SECRETS}

    assert variables.relevant({**kept, **left_out}) == kept
    assert variables.relevant({"CUDA_VISIBLE_DEVICES": "-1"}) == {}


def test_folders_that_opencv_adds_split_no_rows():
    """A process that has imported OpenCV says of its environment what another says; the user's own folders stay."""
    added = "/checkout/.venv/lib/python3.11/site-packages/cv2/../../lib64:"

    assert variables.relevant({"LD_LIBRARY_PATH": added}) == {}
    assert variables.relevant({"LD_LIBRARY_PATH": f"{added}/opt/cuda"}) == {"LD_LIBRARY_PATH": "/opt/cuda"}


@pytest.mark.parametrize(
    "value",
    [
        "--proxy=https://anna:hunter2@proxy:3128",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "d2e1f0c9b8a7968574635241302f1e0d",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_values_that_look_like_credentials_are_hidden(value):
    """Whatever the name, such a value is not published."""
    assert variables.relevant({"XLA_FLAGS": value}) == {"XLA_FLAGS": variables.HIDDEN}


def test_home_folders_are_shortened(monkeypatch):
    """Whose home folder it is is nobody's business."""
    monkeypatch.setenv("HOME", "/data/people/anna")
    root = "/root"
    value = f"/home/berta/lib.so:/data/people/anna/lib.so:{root}/lib.so:/opt{root}/lib.so"

    assert variables.relevant({"LD_PRELOAD": value})["LD_PRELOAD"] == f"~/lib.so:~/lib.so:~/lib.so:/opt{root}/lib.so"


def test_no_secret_is_in_a_result(monkeypatch, measured):
    """Neither a new result nor the line of an old one that was stored with all that begins with TF_ shows any."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    old = measured(machine={"environment": {**SECRETS, "TF_ENABLE_ONEDNN_OPTS": "0"}})
    read = Measurement.from_json(json.loads(json.dumps(old.to_json())))

    assert read.machine["environment"] == {"TF_ENABLE_ONEDNN_OPTS": "0"}
    for text in (json.dumps(facts.fingerprint()), json.dumps(read.to_json()), read.origin):
        assert not any(name in text for name in SECRETS)
        assert "hunter2" not in text
