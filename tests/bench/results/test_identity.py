"""What decides a figure: each fact of the key makes rows, and what names their difference."""

from dataclasses import replace

import pytest

from bench.compare.differences import differences
from bench.report import gather, sections
from bench.results import identity, store, summary, summary_table

FED = {"pipeline": "records_parallel"}
KEYS = [
    ({"usable_cores": 0.5}, {}),
    ({"physical_cores": 1}, {}),
    ({"id": "another", "memory_bytes": 2**30}, {}),
    ({"python": "3.13.0"}, {}),
    ({"packages": {"tensorflow": "2.22.0"}}, {}),
    ({"packages": {"keras": "3.16"}}, {}),
    ({"distributions": {"ml_dtypes": "0.6"}}, {}),
    ({"distributions": {"simplejpeg": "1.9"}}, {}),
    ({"libraries": {"simplejpeg's libjpeg-turbo": "3.2"}}, {}),
    ({"environment": {"ONEDNN_MAX_CPU_ISA": "SSE41"}}, {}),
    ({"environment": {"JSIMD_FORCENONE": "1"}}, {}),
    ({"environment": {"LD_PRELOAD": "libjemalloc.so"}}, {}),
    ({"keras": {"floatx": "float16", "image_data_format": "channels_last"}}, {}),
    ({"kernel_settings": {"huge pages": "always"}}, {}),
    ({}, {"data": {"photos": "tulips", "images": 300, "classes": 5, "digest": "other"}}),
    ({}, {"data": {"photos": "tulips", "images": 300, "classes": 6, "digest": "d1"}}),
    ({}, {"data": {"photos": "roses", "images": 300, "classes": 5, "digest": "d1"}}),
    ({}, {"data": {"photos": "tulips", "images": 300, "classes": 5, "digest": "d1", "place": "gs"}}),
    ({}, {"harness_version": "other"}),
]
NAMED = [
    *("usable_cores", "physical_cores", "machine", "python", "tensorflow", "keras", "ml_dtypes", "simplejpeg"),
    *("libjpeg-turbo", "ONEDNN_MAX_CPU_ISA", "JSIMD_FORCENONE", "LD_PRELOAD", "Keras' floatx", "huge pages"),
    *("content of the", "classes", "photos", "place", "harness version"),
]


@pytest.fixture
def both(measured):
    """Makes a measurement and one that differs in a fact, an hour later: `both(machine, fields)`."""
    common = {
        "python": "3.11.7",
        "packages": {"tensorflow": "2.21.0", "keras": "3.15.1"},
        "distributions": {"ml_dtypes": "0.5", "simplejpeg": "1.8"},
        "libraries": {"simplejpeg's libjpeg-turbo": "3.1"},
        "physical_cores": 2,
        "keras": {"floatx": "float32", "image_data_format": "channels_last"},
        "kernel_settings": {"huge pages": "madvise"},
    }

    def make(machine, fields):
        merged = {
            name: {**common.get(name, {}), **value} if isinstance(value, dict) else value
            for name, value in machine.items()
        }
        base = replace(
            measured(machine=common, **FED),
            data={"photos": "tulips", "images": 300, "classes": 5, "digest": "d1"},
            started="2026-11-24T10",
        )
        other = measured(machine=common | merged, seconds=(0.2,) * 3, **FED)
        return [base, replace(other, **{"data": base.data, "started": "2026-11-24T11", **fields})]

    return make


@pytest.mark.parametrize(("machine", "fields", "named"), [(*key, name) for key, name in zip(KEYS, NAMED, strict=True)])
def test_each_fact_makes_a_row_and_is_named(both, tmp_path, machine, fields, named):
    """In the table and on the page the two rows are apart and say by what; `compare` refuses and says by what."""
    measurements = both(machine, fields)
    for measurement in measurements:
        store.append(measurement, tmp_path)
    text = summary_table.markdown(summary.by_cell(measurements))
    page = "".join(
        table.markdown()
        for section in sections.sections(gather.gather(tmp_path))
        for table in [*section.tables, *(table for _, table in section.folded)]
    )

    assert len(summary.by_cell(measurements)) == 2
    assert named in identity.apart(measurements)
    for shown in (text, *[page] * (named != "harness version")):  # of which the page shows the last alone
        assert "100 ms" in shown
        assert "200 ms" in shown
        assert named in shown
    assert any(
        named.replace("_", " ") in reason.replace("_", " ") for reason in differences(*[[m] for m in measurements])
    )


@pytest.mark.parametrize("package", ["jax", "torch", "ruff"])
def test_packages_that_a_cell_does_not_load_make_no_row(both, package):
    """What a test environment brings splits no row."""
    measurements = both({"distributions": {package: "1"}, "host": "another container"}, {})

    assert len(summary.by_cell(measurements)) == 1
    assert identity.apart(measurements) == ""
    assert differences(*[[measurement] for measurement in measurements]) == []


def test_what_older_results_do_not_say_is_unknown(both):
    """It sets rows apart, and contradicts nothing that is known."""
    old, new = both({}, {})
    machine = {name: value for name, value in old.machine.items() if name not in ("kernel_settings", "physical_cores")}
    old = replace(old, machine=machine)

    assert identity.apart([old, new]) == "what older results do not say: physical_cores, huge pages"
    assert identity.agree(old.machine, new.machine, [old.cell])


def test_folders_tell_contents_apart(both):
    """Two digests mean nothing to a reader; where the photos lay does, and decides nothing."""
    base, other = (
        replace(measurement, data={**measurement.data, "digest": digest, "folders": {"photos": folder}})
        for measurement, digest, folder in zip(both({}, {}), ("d1", "d2"), ("old/tulips", "new/tulips"), strict=True)
    )
    moved = replace(base, data={**base.data, "folders": {"photos": "elsewhere/tulips"}})

    assert identity.apart([base, other]) == "content of the data d1 (old/tulips), d2 (new/tulips)"
    assert identity.apart([base, moved]) == ""
