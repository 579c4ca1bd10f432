"""Commands that train and use models, as a user meets them: killed, resumed, evaluated, asked, exported."""

import errno
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from flowers_core.cli import train
from flowers_core.data import manifest
from flowers_core.train import tuned
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import Choices, resolve

# Keras 3.15 copies TensorFlow 2.21's variables in a way that numpy 2 deprecates
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.usefixtures("no_seed"),
]

TRAIN = ("train", "dense_single", "--batch-size", 4, "--no-xla", "--no-keep-memory")


@pytest.fixture(scope="module")
def trained(synthetic_records, tmp_path_factory, command_line):
    """A training of many epochs, killed and resumed: its folder, epochs before the kill, and what resuming printed."""
    folder = tmp_path_factory.mktemp("trained") / "dense_single"
    arguments = (*TRAIN, "--records", synthetic_records, "--output", folder, "--seed", 1)
    command = [sys.executable, "-m", "flowers_core", *map(str, arguments), "--epochs", "500"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as killed:
        while killed.poll() is None and len(Run(folder).history()) < 2:
            time.sleep(0.05)
        killed.kill()
        errors = killed.communicate()[1]
    assert killed.returncode == -signal.SIGKILL, errors
    before = len(Run(folder).history())
    done = command_line("flowers_core", *arguments, "--epochs", before + 2, "--resume", "--json")
    assert done.code == 0, done.err
    return folder, before, json.loads(done.out)


def test_train_resumes_after_kill(trained):
    """After kill -9 it continues at the last epoch that was kept, and ends with all of them."""
    _, before, printed = trained

    assert [row["epoch"] for row in printed["history"]] == list(range(1, before + 3))


def test_train_keeps_everything_in_one_folder(trained):
    """Settings, history, weights, and curves as a picture and for TensorBoard."""
    folder = trained[0]

    assert {path.name for path in folder.iterdir()} >= {"training.json", "history.csv", "model.keras", "curves.png"}
    with Image.open(folder / "curves.png") as curves:
        assert curves.size == (1080, 432)
    assert list((folder / "logs").rglob("*tfevents*"))


@pytest.mark.parametrize(
    ("options", "message"), [(("--seed", 1), "--resume"), (("--seed", 2, "--resume"), "seed=2 instead of 1")]
)
def test_train_overwrites_no_other_training(trained, synthetic_records, command_line, options, message):
    """Without --resume, or with other settings, it is refused in a sentence."""
    done = command_line("flowers_core", *TRAIN, "--records", synthetic_records, "--output", trained[0], *options)

    assert done.code == 2
    assert message in done.err


def test_train_says_when_target_is_missed(synthetic_records, tmp_path, command_line):
    """The best value is said, and the exit code is 1."""
    arguments = (*TRAIN, "--records", synthetic_records, "--output", tmp_path / "run", "--epochs", 1, "--target", 1.0)
    done = command_line("flowers_core", *arguments)

    assert done.code == 1, done.err
    assert "n/a, not reached in 1 epochs; the best is" in done.err
    assert "validation accuracy after the last epoch" in done.out


def test_train_says_what_full_disk_leaves(synthetic_records, tmp_path, command_line, monkeypatch):
    """The folder is named, and that what was kept before is whole."""

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Run, "keep_model", refuse)
    done = command_line("flowers_core", *TRAIN, "--records", synthetic_records, "--output", tmp_path, "--epochs", 1)

    assert done.code == 1
    assert f"{tmp_path}: No space left on device; what {tmp_path} keeps is whole: make room" in done.err


def test_evaluate_counts_images_and_draws_mistakes(trained, tmp_path, command_line):
    """Accuracy, classes, and a sheet of what was mistaken."""
    done = command_line("flowers_core", "evaluate", trained[0], "--json", "--sheet", tmp_path / "sheet.png")
    evaluation = json.loads(done.out)

    assert evaluation["images"] == sum(row["images"] for row in evaluation["classes"]) == 5
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"


def test_records_of_others_train_and_evaluate(synthetic_records, records_of_others, tmp_path, command_line):
    """Their features and classes are named once to train, and remembered; evaluating others names theirs."""
    shards = sorted(map(str, synthetic_records.glob("*.tfrec")))
    folder, run = records_of_others(tmp_path / "others", shards), tmp_path / "run"
    train = (*TRAIN, "--records", folder, "--output", run, "--epochs", 1)
    named = ("--image-feature", "img", "--label-feature", "label")
    wrong = command_line("flowers_core", *train, "--image-feature", "picture")
    few = command_line("flowers_core", *train, *named, "--classes", "3")
    done = command_line("flowers_core", *train, *named, "--classes", "a,b,c,d,e")
    own = command_line("flowers_core", "evaluate", run, "--json")
    ours = command_line("flowers_core", "evaluate", run, "--records", folder, *named, "--json")

    assert (wrong.code, few.code) == (2, 2)
    assert "id (bytes), img (bytes), label (integers)" in wrong.err
    assert "labels from 0 to 2" in few.err
    assert (done.code, own.code, ours.code) == (0, 0, 0), done.err + own.err + ours.err
    assert [row["class"] for row in json.loads(own.out)["classes"]] == ["a", "b", "c", "d", "e"]
    assert json.loads(ours.out)["images"] == 20


def test_predict_names_class_of_each_photo(trained, synthetic_photos, tmp_path, command_line):
    """Each photo of a folder has a class; one that does not decode is n/a, and the exit code says so."""
    good = command_line("flowers_core", "predict", trained[0], synthetic_photos / "roses")
    (tmp_path / "broken\x1b[31m.jpg").write_bytes(b"no photo")
    (tmp_path / "._hidden.jpg").write_bytes(b"no photo, as macOS leaves it")
    bad = command_line("flowers_core", "predict", trained[0], tmp_path)

    assert good.code == 0, good.err
    assert len(good.out.splitlines()) == len(list((synthetic_photos / "roses").iterdir()))
    assert bad.code == 1
    assert bad.out.startswith(rf"{tmp_path}/broken\x1b[31m.jpg: n/a: no JPEG header that can be read")
    assert len(bad.out.splitlines()) == 1


def test_predict_turns_and_takes_photos_as_asked(trained, synthetic_photos, tmp_path, command_line):
    """EXIF data that says nothing changes nothing; a limit below a photo names the option."""
    photo = next((synthetic_photos / "roses").iterdir())
    plain = command_line("flowers_core", "predict", trained[0], photo)
    upright = command_line("flowers_core", "predict", trained[0], photo, "--exif", "apply")
    strip = tmp_path / "strip.jpg"
    Image.new("RGB", (8000, 1)).save(strip)
    large = tmp_path / "large.jpg"
    Image.new("L", (1500, 1000)).save(large)
    limited = command_line("flowers_core", "predict", trained[0], strip, large, "--max-megapixels", 1)

    assert (plain.code, upright.code, limited.code) == (0, 0, 1), plain.err + upright.err + limited.err
    assert upright.out == plain.out
    assert "strip.jpg: n/a" not in limited.out
    assert "1500000 pixels, over 1 million (taken with --max-megapixels 2)" in limited.out


def test_predict_refuses_settings_that_lost_a_class(trained, synthetic_photos, tmp_path, command_line):
    """A line that is gone from training.json would shift the names of all later classes."""
    run = shutil.copytree(trained[0], tmp_path / "run")
    text = (run / "training.json").read_text()
    (run / "training.json").write_text(text.replace('  "dandelion",\n', ""))
    done = command_line("flowers_core", "predict", run, synthetic_photos / "roses")

    assert done.code == 2
    assert "daisy, dandelion, roses, sunflowers, tulips. Received: daisy, roses, sunflowers, tulips" in done.err


def test_export_overwrites_nothing(trained, tmp_path, command_line):
    """A model is written once; a second time is refused."""
    first, second = (command_line("flowers_core", "export", trained[0], tmp_path / "x.keras") for _ in range(2))

    assert (first.code, second.code) == (0, 2)
    assert (tmp_path / "x.keras").stat().st_size > 1000


@pytest.fixture
def found(tmp_path, monkeypatch):
    """What `tune` found for dense_single, in the file that a training reads, and nothing that chooses a backend."""
    plain = tuned.Way(backend="tensorflow", precision="float32", xla=True)
    way = tuned.Way(backend="tensorflow", precision="mixed_bfloat16")
    kept = tuned.Tuned(
        model="dense_single", image_size=192, device="cpu", way=way, plain=plain, ratio=0.5, pairs=4,
        images_per_second=90.0, measured_batch=16, tried=3, candidates=3, when="", key=tuned.key(("tensorflow",)),
    )  # fmt: skip
    tuned.keep(kept, tmp_path / "tuned.json")
    monkeypatch.setenv(tuned.VARIABLE, str(tmp_path / "tuned.json"))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return kept


def request_of(**changes):
    """A request as the command line makes it."""
    fields = {"records": "", "output": None, "resume": False, "target": None, "keep_memory": False, "dispatcher": ""}
    names = {"image_feature": "", "label_feature": "", "classes": (), "variant": "default"}
    return train.Request(**fields | names | changes)


@pytest.mark.parametrize(
    ("model", "weights", "is_said"),
    [("mobilenetv2", None, True), ("mobilenetv2", "imagenet", False), ("dense", None, False)],
)
def test_train_says_once_that_a_base_is_random(synthetic_records, tmp_path, capsys, model, weights, is_said):
    """A head learns little from random features; a training that goes on was told so at its beginning."""
    place = {"records": str(synthetic_records), "device": "cpu", "replicas": 1, "backend": "tensorflow"}
    settings = resolve(model, manifest.load(synthetic_records), Choices(weights=weights), **place)
    run = Run(tmp_path / "run")
    train._begin(settings, run, resume=False)
    assert ("the base of mobilenetv2 is random" in " ".join(capsys.readouterr().err.split())) == is_said

    train._begin(settings, run, resume=True)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("found")
def test_train_uses_what_was_tuned_and_says_so(tmp_path, capsys):
    """In one line; a part that the user chooses, or `--variant plain`, goes without all of it."""
    run = Run(tmp_path / "run")
    chosen = train._complete("dense_single", Choices(epochs=2), request_of(), run, image_size=192)
    assert (chosen.precision, chosen.xla, chosen.device, chosen.epochs) == ("mixed_bfloat16", False, "cpu", 2)
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("tuned: tensorflow, mixed_bfloat16: 2.00 times the recipe's tensorflow, float32, XLA")
    others = (
        ("dense_single", Choices(xla=True), request_of()),
        ("dense_single", Choices(), request_of(variant="plain")),
        ("mobilenetv2", Choices(fine_tune=True), request_of()),  # `tune` measures it frozen
    )
    for model, choices, request in others:
        assert train._complete(model, choices, request, run, image_size=192) == choices
    assert capsys.readouterr().err == ""
