"""The command line of the package, as a user meets it: photos, records, models, and errors in one sentence."""

import pytest

from flowers_core.data import manifest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "dense", "--records", "r", "--dispatcher", "127.0.0.1:1"], "127.0.0.1:1"),
        (["train", "alexnet", "--records", "/no/such"], "convnet_gap"),
        (["train", "dense"], "--records"),
        (["evaluate", "/no/such"], "training.json"),
        (["predict", "/tmp", "/no/such.jpg"], "/no/such.jpg"),
        (["export", "/no/such", "/tmp"], "must not exist yet"),
        (["synthetic", "/tmp/x", "--photos", "many"], "full"),
        (["records", "/no/such", "/tmp/x"], "/no/such"),
        (["records", "/no/such", "/tmp/x", "--image-size", "100"], "192, 224, 331, 512"),
    ],
)
def test_usage_error_is_one_sentence(arguments, message, command_line):
    """What was expected is listed, no traceback is shown, and the exit code is 2."""
    done = command_line("flowers_core", *arguments)

    assert done.code == 2, done.err
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_photos_and_records_are_made_once(tmp_path, command_line):
    """Photos are drawn, records written, and both again without work."""
    folders = tmp_path / "synthetic", tmp_path / "records"
    for _ in range(2):
        drawn = command_line("flowers_core", "synthetic", folders[0], "--photos", "20")
        written = command_line("flowers_core", "records", *folders, "--shards", "4")

        assert (drawn.code, written.code) == (0, 0), drawn.err + written.err
        assert "20 records of 192 px in 4 shards" in written.out


def test_records_says_what_is_passed_over(tmp_path, command_line, jpeg):
    """Always and in one line; ten photos are fewer than the codelab's shards and become ten."""
    for number in range(10):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    (tmp_path / "photos" / "a" / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "photos" / "a" / "x.webp").write_bytes(jpeg(1, kind="WEBP"))
    written = command_line("flowers_core", "records", tmp_path / "photos", tmp_path / "records")

    assert written.code == 0, written.err
    passed_over = "passed over: 1 .webp files, taken with --accept webp ('a/x.webp'), 1 dangling links ('a/gone.jpg')"
    assert passed_over in written.err.splitlines()
    assert "10 records of 192 px in 10 shards" in written.out
    assert '"dangling links": 1' in (tmp_path / "records" / "manifest.json").read_text()
    assert manifest.load(tmp_path / "records").passed_over["dangling links"] == 1
    accepted = command_line("flowers_core", "records", tmp_path / "photos", tmp_path / "all", "--accept", "png,webp")
    assert "11 records of 192 px in 11 shards" in accepted.out


def test_unknown_backend_is_a_usage_error(command_line, monkeypatch):
    """A backend that Keras does not have here is named with those it has."""
    monkeypatch.setenv("KERAS_BACKEND", "mxnet")
    done = command_line("flowers_core", "models")

    assert done.code == 2
    assert "tensorflow, jax" in done.err
    assert "Traceback" not in done.err


def test_models_table_shows_the_codelabs_parameters(command_line):
    """The table that a user prints holds the published counts."""
    done = command_line("flowers_core", "models")

    for count in ("293,233", "300,033", "120,613", "2,488,389", "20,871,725", "55,321,805"):
        assert count in done.out
