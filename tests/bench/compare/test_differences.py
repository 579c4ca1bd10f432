"""What makes two sets no fair pair."""

from dataclasses import replace

import pytest

from bench.compare.differences import differences, other_packages
from bench.results import identity, store, summary
from bench.results.measurement import Measurement
from bench.results.result import HARNESS_VERSION


@pytest.mark.parametrize(
    ("base", "candidate", "reason"),
    [
        ({"packages": {"tensorflow": "2.20.0"}}, {"packages": {"tensorflow": "2.21.0"}}, "tensorflow 2.20.0, 2.21.0"),
        ({"packages": {}}, {"packages": {"keras": "3.15"}}, "keras none, 3.15"),
        ({}, {"environment": {"OMP_NUM_THREADS": "1"}}, "OMP_NUM_THREADS none, 1"),
        ({"usable_cores": 1}, {}, "usable cores 1, 2"),
        ({"python": "3.11.7"}, {"python": "3.13.0"}, "python 3.11, 3.13"),
        (
            {},
            {"id": "ba9876543210", "host": "desk", "accelerators": [{"name": "GPU X", "driver": "570"}]},
            "machine 0123456789ab (Test CPU, 2 cores, 8 GiB), ba9876543210 (Test CPU, 2 cores, 8 GiB, GPU X 570)",
        ),
    ],
)
def test_differences_name_machines_and_software(measured, base, candidate, reason):
    """Whatever of machine or software differs is named with both values, base's first."""
    assert differences([measured(machine=base)], [measured(seconds=(0.2,), machine=candidate)]) == [reason]


def test_differences_describe_a_machine_once(tmp_path, measured, monkeypatch):
    """However many lines of a store are of it, and whatever its load was at each."""
    sets, asked = [], []
    for side in ("base", "candidate"):
        for number in range(20):
            stored = measured(seconds=(0.1, 0.1 + number, 2.0), round=number, machine={"load_before": number / 10})
            store.append(replace(stored, started=f"{side} {number}"), tmp_path / side)
        sets.append(store.load(Measurement, tmp_path / side).results)
    versions = identity.versions
    monkeypatch.setattr(identity, "versions", lambda *given: asked.append(given) or versions(*given))

    assert differences(*sets) == []
    assert other_packages(*sets) == []
    assert len(asked) < 10


@pytest.mark.parametrize(
    "machine",
    [
        {"packages": {"keras": "3.15.1", "tensorflow": "2.21.0", "asv": "9", "xprof": "9"}},
        {"packages": {"keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.7.2", "jaxlib": "0.7.2"}},
        {"python": "3.11.9"},
        {"host": "another container"},
    ],
)
def test_differences_leave_out_what_no_step_runs(measured, machine):
    """Asv, the profiler, JAX beside TensorFlow, Python's last digit, or the host's name refuse nothing."""
    base = measured(machine={"python": "3.11.7", "packages": {"keras": "3.15.1", "tensorflow": "2.21.0"}})
    candidate = measured(seconds=(0.2,), machine={"python": "3.11.7", **machine})

    assert differences([base], [candidate]) == []


def test_differences_leave_out_the_code(measured):
    """Another commit is no difference; two codes in one set are, for they have no common figure."""
    old, new = measured(), measured(seconds=(0.2,), code={"digest": "e2e2e2e2e2e2"})
    again = measured(seconds=(0.3,))

    assert differences([old], [new]) == []
    assert differences([old, new], [again]) == ["code d1d1d1d1d1d1 + e2e2e2e2e2e2, d1d1d1d1d1d1"]


def test_differences_name_uncommitted_changes(measured):
    """Uncommitted changes are named, for they may be of the harness itself."""
    assert differences([measured()], [measured(seconds=(0.2,), code={"dirty": True})]) == [
        "uncommitted changes no, yes"
    ]


def test_differences_name_harness_and_data(measured):
    """Another harness version and other photos are differences; a resident batch has no photos and contradicts none."""
    base = replace(measured(), data={"photos": "synthetic", "images": 300})
    candidate = replace(
        measured(seconds=(0.2,)), harness_version="other", data={"photos": "flower_photos", "images": 300}
    )

    assert differences([base, measured(seconds=(0.3,))], [candidate]) == [
        f"harness version {HARNESS_VERSION}, other",
        "photos synthetic, flower_photos",
    ]


def test_differences_name_a_mixed_set(measured):
    """A set that mixes two versions has them joined by a plus."""
    old, new = ({"packages": {"keras": version}} for version in ("3.14", "3.15"))
    reasons = differences([measured(machine=old), measured(machine=new)], [measured(seconds=(0.2,), machine=new)])

    assert reasons == ["keras 3.14 + 3.15, 3.15"]


def test_differences_name_a_busy_machine(measured):
    """Over a quarter of a set's figures beside foreign load is a difference; a few are not."""
    quiet = [measured(seconds=(1 + number,)) for number in range(4)]
    busy = [replace(stored, foreign_cpu_share=0.2, loss=2.0) for stored in quiet]
    mixed = [*busy[:1], *(replace(stored, loss=2.0) for stored in quiet[1:])]

    assert differences(quiet, mixed) == []
    assert differences(quiet, busy) == ["figures taken while others used over 10 % of the CPU 0 of 4, 4 of 4"]


def test_differences_name_what_is_in_both_sets(measured):
    """A measurement cannot be compared with itself."""
    assert differences([measured()], [measured()]) == ["measurements that are in both sets 1"]


DECODERS = {"distributions": {"simplejpeg": "1.8.2", "ruff": "0.1"}, "libraries": {"numpy's BLAS": "openblas 0.3"}}


def test_differences_name_what_decodes_and_note_other_packages(measured):
    """Another simplejpeg or BLAS makes no fair pair; another ruff is noted, and refuses nothing."""
    fed = {"pipeline": "records_parallel"}
    base = measured(machine=DECODERS, **fed)
    ruff = {"distributions": {"simplejpeg": "1.8.2", "ruff": "0.2", "httpx": "1"}}
    other = {"distributions": {"simplejpeg": "1.9.0", "ruff": "0.1"}, "libraries": {"numpy's BLAS": "mkl 2025"}}
    note = measured(seconds=(0.2,), machine={**DECODERS, **ruff}, **fed)
    unfair = measured(seconds=(0.3,), machine=other, **fed)

    assert differences([base], [note]) == []
    assert other_packages([base], [note]) == ["ruff 0.1, 0.2", "httpx none, 1"]
    assert differences([base], [unfair]) == ["simplejpeg 1.8.2, 1.9.0", "numpy's BLAS openblas 0.3, mkl 2025"]
    assert other_packages([base], [unfair]) == []


def test_differences_note_a_decoder_that_no_cell_loads(measured):
    """A step on a resident batch decodes nothing: another simplejpeg refuses nothing."""
    base, candidate = (
        measured(seconds=(seconds,), machine={"distributions": {"simplejpeg": version}})
        for seconds, version in ((0.1, "1.8"), (0.2, "1.9"))
    )

    assert differences([base], [candidate]) == []
    assert other_packages([base], [candidate]) == ["simplejpeg 1.8, 1.9"]


def test_differences_take_sets_without_packages(measured):
    """What was stored then is compared as it was, and is grouped with what is stored now."""
    old, new = measured(), measured(seconds=(0.2,), machine=DECODERS)

    assert differences([old], [new]) == other_packages([old], [new]) == []
    assert summary.setting(old) == summary.setting(new)


def test_differences_name_classes_of_a_resident_batch(measured):
    """A step of other classes is one of another model; the usual five are not stored."""
    base, candidate = measured(), measured(seconds=(0.2,))

    assert differences([base], [replace(candidate, data={"classes": 12})]) == ["classes of a resident batch 5, 12"]
