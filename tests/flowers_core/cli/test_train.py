"""The words that learn, as a user starts them: killed, gone on with, evaluated, asked, exported."""

import json
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

TRAIN = ("train", "dense_single", "--batch-size", 4, "--no-xla")


def command(*arguments):
    return [sys.executable, "-m", "flowers_core", *map(str, arguments)]


def run(*arguments):
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, cwd="/")


@pytest.fixture(scope="module")
def trained(synthetic_records, tmp_path_factory):
    """A training of many epochs, killed after two and gone on with; what going on printed, and the folder."""
    folder = tmp_path_factory.mktemp("trained") / "dense_single"
    words = (*TRAIN, "--records", synthetic_records, "--output", folder, "--seed", 1)
    history = folder / "history.csv"
    with subprocess.Popen(command(*words, "--epochs", 500), stderr=subprocess.PIPE, cwd="/") as killed:
        while killed.poll() is None and not (history.exists() and len(history.read_text().splitlines()) > 2):
            time.sleep(0.05)
        killed.kill()
        said = killed.communicate()[1].decode()
    assert killed.returncode == -signal.SIGKILL, said
    left = len(history.read_text().splitlines()) - 1
    done = run(*words, "--epochs", left + 2, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    return folder, left, json.loads(done.stdout)


def test_a_killed_training_goes_on(trained):
    """After kill -9 it continues at the last epoch that was kept, and ends with all of them."""
    _, left, printed = trained

    assert [row["epoch"] for row in printed["history"]] == list(range(1, left + 3))


def test_everything_is_kept_in_one_folder(trained):
    """Settings, history, weights, curves as a picture and for TensorBoard, and nothing unfinished."""
    folder = trained[0]

    assert {path.name for path in folder.iterdir()} >= {"training.json", "history.csv", "model.keras", "curves.png"}
    with Image.open(folder / "curves.png") as curves:
        assert curves.size == (1080, 432)
    assert list((folder / "logs").rglob("*tfevents*"))


def test_another_training_does_not_overwrite_it(trained, synthetic_records):
    """Without --resume, or with other settings, it is refused in a sentence."""
    words = (*TRAIN, "--records", synthetic_records, "--output", trained[0])
    again, other = run(*words, "--seed", 1), run(*words, "--seed", 2, "--resume")

    assert (again.returncode, other.returncode) == (2, 2)
    assert "--resume" in again.stderr
    assert "seed=2 instead of 1" in other.stderr


def test_a_target_that_is_not_reached_is_na(synthetic_records, tmp_path):
    """It is said with the best value, and by the exit code."""
    words = (*TRAIN, "--records", synthetic_records, "--output", tmp_path / "run", "--epochs", 1, "--target", 1.0)
    done = run(*words)

    assert done.returncode == 1, done.stderr
    assert "n/a, not reached in 1 epochs; the best is" in done.stderr
    assert "validation accuracy after the last epoch" in done.stdout


def test_it_is_evaluated(trained, tmp_path):
    """Accuracy, classes, and a sheet of what was mistaken."""
    done = run("evaluate", trained[0], "--json", "--sheet", tmp_path / "sheet.png")
    found = json.loads(done.stdout)

    assert found["images"] == 5
    assert sum(row["images"] for row in found["classes"]) == 5
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"


def test_it_says_what_is_on_photos(trained, synthetic_photos, tmp_path):
    """Each photo of a folder has a class; one that does not decode is n/a, and the exit code says so."""
    good = run("predict", trained[0], synthetic_photos / "roses")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    bad = run("predict", trained[0], tmp_path / "broken.jpg")

    assert good.returncode == 0, good.stderr
    assert len(good.stdout.splitlines()) == len(list((synthetic_photos / "roses").iterdir()))
    assert bad.returncode == 1
    assert "n/a: does not decode" in bad.stdout


def test_it_is_exported_once(trained, tmp_path):
    """A file that is there is not overwritten."""
    first, second = (run("export", trained[0], tmp_path / "flowers.keras") for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 2)
    assert (tmp_path / "flowers.keras").stat().st_size > 1000


def test_a_full_disk_is_told_with_what_is_kept(synthetic_records, tmp_path):
    """A file that may not grow stands for a disk that is full; no half of one is left under a final name."""
    words = command(*TRAIN, "--records", synthetic_records, "--output", tmp_path / "run", "--seed", 1, "--epochs", 2)
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10**6,) * 2); "
    limited = [sys.executable, "-c", limit + "os.execv(sys.argv[1], sys.argv[1:])", *words]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, cwd="/")

    assert done.returncode == 1
    assert f"{tmp_path / 'run'}: " in done.stderr
    assert "what was kept before is whole: make room, and --resume goes on" in done.stderr
    assert not (tmp_path / "run" / "model.keras").exists()
