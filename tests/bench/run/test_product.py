"""The package as measured processes see it, at today's commit and at older ones."""

import json
import subprocess
import sys
import textwrap

import asv.benchmark
import pytest

from bench import import_time, input_throughput, step_time
from bench.machine.facts import PROJECT_ROOT
from bench.run import product
from flowers_core import backends, errors, models
from flowers_core.input import decode_pool
from flowers_core.input.registry import PIPELINES

# What the package looked like before its tree was rebuilt: modules side by side, tables instead of objects.
OLDER = {
    "errors": "class InputError(ValueError): ...\ndef one_of(name, value, allowed):\n    assert value in allowed",
    "pipelines": """
        READS = {"photos_parallel": "photos", "records_turbo": "records", "records_cached": "records"}
        NAMES, YIELDS_UINT8 = tuple(READS), ("records_turbo", "records_cached")
        BY_WORKERS, CACHED = ("records_turbo",), frozenset({"records_cached"})
        def at_once(name, *, image_size, batch_size):
            return 4
        """,
    "models/__init__": """
        NAMES = ("dense",)
        def build(name, *, image_size, classes):
            return [name, image_size, classes]
        """,
    "devices": """
        DEVICES = ("tpu", "gpu", "cpu")
        class DeviceAbsent(RuntimeError): ...
        def find(kind):
            raise DeviceAbsent(f"no {kind}")
        """,
    "step": "train = predict = lambda model, batches: (model, batches)",
    "precision": "PRECISIONS = ('float32',)\ndef unsuitable(precision, device):\n    return None",
    "photos": "CLASSES = ('daisy', 'tulips')\ndef find(folder):\n    return f'photos of {folder}'",
    "manifest": "NAME = 'manifest.json'",
    "folders": "def settle_client(variables):\n    variables['GCS'] = '1'",
    "batches": "def build(name, source, **options):\n    return [name, source, options]",
    "workers": "MOST = 3",
    "recipes": "def recipe(model):\n    return f'recipe of {model}'",
}
ASK = """
import json
from bench.results.cell import Cell, is_cached
from bench.run import product
from bench.run.data_source import CLASSES

def reason(function, *args, **named):
    try:
        function(*args, **named)
    except product.Unsuitable as unsuitable:
        return str(unsuitable)

sizes = {"image_size": 32, "batch_size": 4}
turbo, client = product.pipelines()["records_turbo"], {}
product.configure_client(client)
print(json.dumps({
    "classes": CLASSES,
    "cell": [Cell(model="none", pipeline="records_cached").reads, is_cached("records_cached")],
    "turbo": [turbo.reads, turbo.dtype, turbo.cached, turbo.by_processes],
    "at_once": turbo.batches_at_once(image_size=192, batch_size=32),
    "ahead": product.BATCHES_AHEAD,
    "client": client,
    "recipe": product.recipe("dense"),
    "photos": product.find_photos("here"),
    "model": product.build_model("dense", image_size=32, classes=5, from_uint8=False),
    "pipeline": product.build_pipeline("photos_parallel", "paths", image_size=32, batch_size=4),
    "step": product.get_backend("tensorflow").train_step("model", "batches"),
    "errors": product.RunFailed is product.ReportedError is product.InputError,
    "device": reason(product.find_device, "tensorflow", "gpu").partition(". NVML")[0],
    "no pipeline": reason(product.build_pipeline, "photos_turbo", "", image_size=32, batch_size=4),
    "no options": reason(product.build_pipeline, "photos_parallel", "", **sizes, options={"augment": True}),
    "no module": reason(lambda: product.jpeg_fault(b"", image_size=1)),
}))
"""


@pytest.fixture(scope="module")
def beside_older(tmp_path_factory):
    """Runs Python where today's harness stands beside the package of an older commit; gives what it prints."""
    folder = tmp_path_factory.mktemp("older")
    (folder / "bench").symlink_to(PROJECT_ROOT / "bench")
    for name, code in {"__init__": "", **OLDER}.items():
        path = folder / "flowers_core" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))

    def run(*arguments):
        command = [sys.executable, *arguments]
        environment = dict.fromkeys(("PYTHONPATH", "ASV_PYTHONPATH"), str(folder))  # asv takes the first away
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def older(beside_older):
    """What today's harness says there."""
    return json.loads(beside_older("-c", ASK))


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("classes", 2),
        ("cell", ["records", True]),
        ("turbo", ["records", "uint8", False, True]),
        ("at_once", 4),
        ("ahead", 3),
        ("client", {"GCS": "1"}),
        ("recipe", "recipe of dense"),
        ("photos", "photos of here"),
        ("model", ["dense", 32, 5]),
        ("pipeline", ["photos_parallel", "paths", {"image_size": 32, "batch_size": 4, "epochs": None}]),
        ("step", ["model", "batches"]),
        ("errors", True),
        ("device", "no gpu"),
        ("no pipeline", "this commit has no pipeline `photos_turbo`"),
        ("no options", "this commit has no flowers_core.input.registry.Options"),
        ("no module", "this commit has no flowers_core.data.jpeg_check.fault"),
    ],
)
def test_product_serves_older_commits(older, asked, answer):
    """Each name is found where older commits keep it; what they lack is n/a with a sentence."""
    assert older[asked] == answer


def test_discovery_serves_older_commits(beside_older, tmp_path):
    """Asv finds the suites beside a package that lacks most modules: it walks past commands and tables."""
    beside_older(asv.benchmark.__file__, "discover", "bench", str(tmp_path / "found.json"))

    found = {benchmark["name"]: benchmark for benchmark in json.loads((tmp_path / "found.json").read_text())}
    pipelines = found["input_throughput.InputThroughput.track_image_seconds"]["params"]
    assert {"step_time.StepTime.track_step_seconds", "feed.Feed.track_fed_step_seconds"} < set(found)
    assert pipelines == [list(map(repr, input_throughput.InputThroughput.params[0]))]  # asv picks them by their place


def test_product_gives_todays_package():
    """At this commit the adapter gives what the package itself has."""
    assert product.pipelines() is PIPELINES
    assert product.backends() == backends.BACKENDS
    assert product.MODELS is models.MODELS
    assert product.recipe("dense") is models.spec("dense").recipe
    assert (product.InputError, product.RunFailed) == (errors.InputError, errors.RunFailed)
    assert issubclass(product.RunFailed, product.ReportedError)
    assert "make bench" in product.INSTALL


@pytest.mark.parametrize("precision", product.PRECISIONS)
def test_check_precision_gives_the_reason(precision):
    """16-bit floats of a GPU make no sense on a CPU; the others do."""
    if precision == "mixed_float16":
        with pytest.raises(product.Unsuitable, match="bfloat16"):
            product.check_precision(precision, "cpu")
    else:
        product.check_precision(precision, "cpu")


def test_params_are_those_of_the_registries():
    """Their parameters are literal, for a parameter must not depend on the measured commit; all are there."""
    assert set(input_throughput.InputThroughput.params[0]) <= set(PIPELINES)
    assert set(step_time.StepTime.params[0]) <= set(models.MODELS)
    assert list(import_time.PLACES) == import_time.ImportTime.params[0]
    assert [product.find_module(*places) for places in import_time.PLACES.values()] == [
        places[0] for places in import_time.PLACES.values()
    ]


def test_pipelines_without_tensorflow(monkeypatch):
    """Those of arrays are drawn past tf.data by backends that draw in Python, and by all where it is missing."""
    assert product.gives_arrays("records_turbo", "torch", "/records")
    assert not product.gives_arrays("records_turbo", "torch", "gs://bucket/records")
    assert not product.gives_arrays("records_turbo", "tensorflow", "/records")
    assert not product.gives_arrays("records_parallel", "jax", "/records")

    monkeypatch.setattr(product, "has_tensorflow", lambda: False)
    assert product.gives_arrays("records_turbo", "tensorflow", "/records")
    with pytest.raises(product.Unsuitable, match=r"records_parallel reads by .* photos_turbo, records_turbo"):
        product.build_pipeline("records_parallel", ["/records/flowers00-1.tfrec"], image_size=48, batch_size=8)


def test_build_pipeline_says_what_a_pipeline_does_not_take():
    """The reason is one for n/a; past tf.data nothing is prefetched."""
    shards, sizes = ["/records/flowers00-1.tfrec"], {"image_size": 48, "batch_size": 8}
    with pytest.raises(product.Unsuitable, match="records_turbo takes no `augment`: its decode workers"):
        product.build_pipeline("records_turbo", shards, **sizes, options={"augment": True})
    with pytest.raises(product.Unsuitable, match="there is no `prefetch`"):
        product.build_pipeline("records_turbo", shards, **sizes, backend="torch", options={"prefetch": 1})
    assert product.why_not_input("records_turbo", ["prefetch", "parallel_calls"]) == ""
    assert product.why_not_input("resident", []) == ""


def test_decode_workers_are_as_many_as_the_user_says(monkeypatch):
    """One a core unless FLOWERS_DECODE_WORKERS is set: what they make together comes in one burst."""
    monkeypatch.delenv(decode_pool.WORKERS, raising=False)
    assert product.decode_workers() == product.cores()

    monkeypatch.setenv(decode_pool.WORKERS, "5")
    assert product.decode_workers() == 5
