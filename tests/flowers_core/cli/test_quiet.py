"""What frameworks print of themselves never reaches a user's terminal."""

import importlib
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from bench.machine.facts import PROJECT_ROOT
from flowers_core.cli import quiet

# Start-up lines of TensorFlow, XLA and absl, whatever their level; and what JAX says of the devices that it lacks.
CHATTER = re.compile(
    r"oneDNN|cuInit|cuda_|AVX|rebuild TensorFlow|buffer_size|InitializeLog|XLA service|StreamExecutor|_placer\.cc"
    r"|^[IWEF]\d{4} |^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: |Unable to initialize backend|Falling back to cpu",
    re.MULTILINE,
)
COMMANDS = """
import json, sys
from importlib import import_module

for package, *words in json.loads(sys.argv[1]):
    sys.argv = [package, *words]
    try:
        import_module(f"{package}.cli.main").main()
    except SystemExit as ended:
        if ended.code:
            sys.exit(f"{words} ended by {ended.code}")
"""


def run(*commands, **variables):
    """What commands print on the terminal, one after the other in a process: each framework starts in it once."""
    return printed_by(COMMANDS, json.dumps([[*map(str, words)] for words in commands]), **variables)


def printed_by(code, *arguments, **variables):
    """What some code prints on the terminal, in a fresh process without variables that keep frameworks quiet."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_CPP", "KERAS_", "CUDA_"))}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=PROJECT_ROOT, env={**kept, "PYTHONPATH": str(PROJECT_ROOT), **variables}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_quiet_import_holds_back_what_a_package_prints(tmp_path, monkeypatch, capfd):
    """Whoever imports it; what it prints later, and other packages, are not held back."""
    for name in ("noisy_package", "other_package"):
        (tmp_path / f"{name}.py").write_text("import os; os.write(2, f'{__name__} says\\n'.encode())")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.meta_path", [quiet.QuietImport("noisy_package"), *sys.meta_path])
    assert find_spec("noisy_package")  # as commands ask which backends are installed, before they load one
    modules = [importlib.import_module(name) for name in ("noisy_package", "other_package")]

    assert capfd.readouterr().err == "other_package says\n"
    assert [module.__name__ for module in modules] == ["noisy_package", "other_package"]


def test_quiet_import_prints_what_failed(tmp_path, monkeypatch, capfd):
    """What was said before a package could not be imported may be the reason."""
    code = "import os; os.write(2, b'no such library\\n'); import nothing_of_this_name"
    (tmp_path / "broken_package.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.meta_path", [quiet.QuietImport("broken_package"), *sys.meta_path])
    with pytest.raises(ImportError):
        importlib.import_module("broken_package")

    assert "no such library" in capfd.readouterr().err


def test_commands_print_nothing_of_tensorflow(tmp_path, synthetic_photos, synthetic_records):
    """Neither when it starts, nor when it finds no GPU, fills a shuffle buffer, compiles by XLA or loads a model."""
    run_folder, records = tmp_path / "run", tmp_path / "records"
    train = ("train", "dense_single", "--records", synthetic_records, "--epochs", "1", "--batch-size", "4", "--xla")
    printed = run(
        ("flowers_core", "records", synthetic_photos, records, "--image-size", "192", "--shards", "2"),
        ("flowers_core", *train, "--output", run_folder),
        ("flowers_core", "evaluate", run_folder),
        ("flowers_core", "predict", run_folder, synthetic_photos / "roses"),
        KERAS_BACKEND="tensorflow",
    )

    assert "validation accuracy" in printed
    assert CHATTER.findall(printed) == []


def test_jax_is_loaded_in_silence():
    """As commands load it: it says nothing of the devices that it does not find."""
    loads = """
from flowers_core.cli import entry, quiet

quiet.imports()
entry.load("jax")
entry.load("keras")
import jax

print(jax.jit(lambda x: x + 1)(1.0))
"""
    assert CHATTER.findall(printed_by(loads, KERAS_BACKEND="jax")) == []


def test_scripts_begin_by_keeping_frameworks_quiet():
    """A script that imports a framework at its top does so after `quiet.imports()`."""
    for path in (PROJECT_ROOT / "docs").glob("*.py"):
        text = path.read_text()
        framework = re.search(r"^(?:import|from) (?:tensorflow|keras|jax|torch)\b", text, re.MULTILINE)
        if framework:
            assert "quiet.imports()" in text[: framework.start()], path.name


def test_chatter_is_known():
    """The lines that the tests look for are those that TensorFlow 2.21 prints where nothing holds it back."""
    lines = (
        "I0000 00:00:1764.1 1 port.cc:153] oneDNN custom operations are on. You may see slightly different results",
        "2026-11-27 06:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary",
        "E0000 00:00:1764.1 1 cuda_platform.cc:51] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    )

    assert all(map(CHATTER.search, lines))
    assert not CHATTER.search("squeezenet: float32, batch 4, cpu")
