"""Readers of what others write, each with whole inputs and ways to damage them, for the fuzzer."""

import io
import json
import random
import signal
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tests import conftest

measurement, pair = conftest.measured.__wrapped__(), conftest.paired.__wrapped__()  # fixtures that make results

HOSTILE = (
    None, True, False, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, 1e-320, float("inf"), 0.5, "", "x", "x" * 5_000,
    "\ud800", "\0", "[red]", "../..", "=1+1", [], {}, [[]], {"": None}, [0.0], "2026-13-45T99:99:99", "None",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A way into the program.

    Attributes:
        inputs: Whole ones.
        damage: Makes another of a whole one, by a source of chance.
        read: Reads an input, in a folder of its own; raises InputError or nothing.
        needs_tensorflow: Whether it loads TensorFlow, which takes seconds.
    """

    inputs: Callable[[], list[bytes]]
    damage: Callable[[bytes, random.Random], bytes]
    read: Callable[[bytes, Path], object]
    needs_tensorflow: bool = False


def damage_bytes(content: bytes, chance: random.Random) -> bytes:
    """Flips, cuts, repeats, inserts or zeroes some bytes."""
    content = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        if not content:
            break
        place = chance.randrange(len(content))
        length = min(len(content) - place, chance.choice((1, 1, 2, 4, 8, 64, 1024)))
        kind = chance.randrange(6)
        if kind == 0:
            content[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            content[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
        elif kind == 2:
            del content[place : place + length]
        elif kind == 3:
            content[place:place] = content[place : place + length] * chance.choice((1, 2, 20))
        elif kind == 4:
            content[place : place + length] = bytes(length) if chance.random() < 0.5 else b"\xff" * length
        else:
            del content[place:]
    return bytes(content)


def damage_header(content: bytes, chance: random.Random) -> bytes:
    """Damages the first bytes of a picture, where its size and its colours stand."""
    size = 700
    return damage_bytes(content[:size], chance) + content[size:]


def damage_json(content: bytes, chance: random.Random) -> bytes:
    """Puts a hostile value somewhere into one of the lines, or takes one away; now and then damages the bytes."""
    if chance.random() < 0.2:
        return damage_bytes(content, chance)
    lines = content.split(b"\n")
    number = chance.choice([number for number, line in enumerate(lines) if line.strip()])
    value = json.loads(lines[number])
    for _ in range(chance.choice((1, 1, 2, 3))):
        value = _replace(value, chance)
    lines[number] = json.dumps(value).replace("Infinity", "1e999").encode()
    return b"\n".join(lines)


def _replace(value, chance):
    """The value with something in it replaced or removed."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inside = list(inside)
    if not inside or chance.random() < 0.1:
        return chance.choice(HOSTILE)
    key, part = chance.choice(inside)
    value = value.copy()
    if isinstance(part, dict | list) and part and chance.random() < 0.8:
        value[key] = _replace(part, chance)
    elif chance.random() < 0.2:
        del value[key]
    else:
        value[key] = chance.choice(HOSTILE)
    return value


def damage_record(content: bytes, chance: random.Random) -> bytes:
    """Damages a shard as it is, or the content of a record with its checksums made anew."""
    if chance.random() < 0.4:
        return damage_bytes(content, chance)
    records, offset = [], 0
    while offset < len(content):
        (length,) = struct.unpack_from("<Q", content, offset)
        records.append(content[offset + 12 : offset + 12 + length])
        offset += length + 16
    number = chance.randrange(len(records))
    records[number] = damage_bytes(records[number], chance)
    return b"".join(map(frame, records))


def frame(record: bytes) -> bytes:
    """A record as it stands in a shard."""
    from google_crc32c import value

    from flowers_core.data.tfrecord_reader import mask

    length = struct.pack("<Q", len(record))
    sums = (struct.pack("<I", mask(value(part))) for part in (length, record))
    return length + next(sums) + record + next(sums)


def pictures() -> list[bytes]:
    """JPEGs of several kinds, a PNG and a WebP of noise."""
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    ways = [
        ("JPEG", {"subsampling": 0}), ("JPEG", {"subsampling": 2}), ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"}),
        ("PNG", {}), ("WEBP", {}),
    ]  # fmt: skip
    made = []
    for mode in ("RGB", "L"):
        for kind, options in ways:
            file = io.BytesIO()
            Image.fromarray(noise).convert(mode).save(file, kind, **options)
            made.append(file.getvalue())
    file = io.BytesIO()
    Image.fromarray(noise).convert("CMYK").save(file, "JPEG")
    return [*made, file.getvalue()]


def read_picture(content: bytes, _: Path) -> None:
    """As records and `predict` look at a photo, then as decode workers decode it."""
    from flowers_core.data import decoding, jpeg_check, tfrecord_reader
    from flowers_core.input import fast_decode

    for how in (decoding.CODELAB, decoding.Decoding(exif="apply", size="scaled")):
        checked, fault = jpeg_check.as_png(content, accept=("png", "webp"), decoding=how)
        tfrecord_reader.image_shape(content)
        if not fault and jpeg_check.kind(checked) == "jpeg":
            fast_decode.BatchDecoder(32, how).decode_photos([checked])


def read_photo(content: bytes, folder: Path) -> None:
    """As records and `predict` take a photo: checked, decoded, scaled and encoded by TensorFlow."""
    import tensorflow as tf

    from flowers_core.data import images

    (folder / "photo.jpg").write_bytes(content)
    photo = images.read(str(folder / "photo.jpg"), accept=("png", "webp"), strict=bool(len(content) % 2))
    with suppress(tf.errors.InvalidArgumentError):  # `tfrecords` and `evaluate` skip it
        images.encode(images.fill_and_crop(images.decode(tf.constant(photo)), 32))


def shards() -> list[bytes]:
    """A shard of three records, as protocol buffers that need no TensorFlow."""
    from flowers_core.data import example_proto

    records = []
    for number, picture in enumerate(pictures()[:3]):
        example = example_proto.message()()
        feature = example.features.feature
        feature["image"].bytes_list.value.append(picture)
        feature["class"].int64_list.value.append(number)
        records.append(example.SerializeToString(deterministic=True))
    return [b"".join(map(frame, records))]


def read_shard(content: bytes, folder: Path) -> None:
    """As others' records are opened, then as decode workers read them."""
    from flowers_core.data import manifest, tfrecord_reader
    from flowers_core.errors import InputError

    path = folder / "flowers00-3.tfrec"
    path.write_bytes(content)
    with suppress(InputError):
        manifest.load(folder)
    shard = tfrecord_reader.map_file(str(path))
    for _, start, end in tfrecord_reader.locate([str(path)]):
        tfrecord_reader.image_shape(tfrecord_reader.parse(shard[start:end], str(path))[0])


def read_shard_by_tensorflow(content: bytes, folder: Path) -> None:
    """As `verify` and `explain` read a shard."""
    from flowers_core.data import tfrecords

    (folder / "flowers00-3.tfrec").write_bytes(content)
    tfrecords.verify(str(folder / "flowers00-3.tfrec"), classes=5)


def manifests() -> list[bytes]:
    """The manifest of one shard, on one line."""
    from flowers_core.data.manifest import Manifest, Shard, Skipped

    shard = Shard("flowers00-3.tfrec", 3, len(shards()[0]), (1, 1, 1))
    skipped = (Skipped("a/1.jpg", "empty, 0 bytes"),)
    made = Manifest("photos", 1, 40, ("a", "b", "c"), (shard,), skipped, "d1", {".txt files": 2})
    return [json.dumps(json.loads(made.to_json())).encode()]


def read_manifest(content: bytes, folder: Path) -> None:
    """As every command opens records that have a manifest."""
    from flowers_core.data import manifest

    (folder / "manifest.json").write_bytes(content)
    (folder / "flowers00-3.tfrec").write_bytes(shards()[0])
    found = manifest.load(folder)
    manifest.check_matches(found, image_size=40, classes=("a", "b", "c"))
    found.to_json()


def stores() -> list[bytes]:
    """Lines of measurements: of steps, of a pipeline, with a trace, failed."""
    lines = [
        measurement(seconds=(0.1, 0.2)),
        measurement(model="convnet"),
        measurement(model="none", pipeline="records_uint8"),
    ]
    lines += [measurement(status="oom", reason="killed"), measurement(device="gpu", precision="mixed_bfloat16")]
    return [b"\n".join(json.dumps(line.to_json()).encode() for line in lines) + b"\n"]


def read_store(content: bytes, folder: Path) -> None:
    """As `table` shows a store in each of its shapes, and `compare` compares it with a whole one."""
    from bench.compare import stored, stored_table
    from bench.results import summary_table

    (folder / "measurements").mkdir(exist_ok=True)
    (folder / "measurements" / "lab.jsonl").write_bytes(content)
    whole = folder / "whole.jsonl"
    whole.write_bytes(stores()[0].replace(b'"loss": 1.6', b'"loss": 2.0'))
    for shape in ("terminal", "markdown", "csv", "json"):
        text = summary_table.text(folder, everything=True, shape=shape)
        if shape == "json":
            json.loads(text, parse_constant=_refuse)
    rows = stored.compare(stored.load(folder), stored.load(whole), allow_mismatch=True)
    json.dumps(stored_table.to_json(rows), allow_nan=False)
    for table in stored_table.tables(rows):
        table.markdown()


def _refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def pairs() -> list[bytes]:
    """Lines of pairs."""
    return [b"\n".join(json.dumps(pair(ratio).to_json()).encode() for ratio in (1.0, 1.1)) + b"\n"]


def read_pairs(content: bytes, folder: Path) -> None:
    """As noise floors and histories read pairs: what each says on both clocks."""
    from bench.compare import sequential_test
    from bench.compare.pair_result import PairResult
    from bench.results import store

    (folder / "pairs.jsonl").write_bytes(content)
    for result in store.read(PairResult, [folder / "pairs.jsonl"]).results:
        if result.status == "ok":
            for clock in ("wall", "cpu"):
                sequential_test.value(result, clock)


def plans() -> list[bytes]:
    """The plan of a sweep, on one line."""
    from bench.results.cell import Cell
    from bench.run.sweep import Sweep

    return [json.dumps(asdict(Sweep(cells=(Cell(model="dense"), Cell(model="convnet")), id="1", code="c"))).encode()]


def read_plan(content: bytes, folder: Path) -> None:
    """As `sweep --resume` begins."""
    from bench.run import sweep

    sweep.facts.code_digest = lambda: "c"
    (folder / "measurements").mkdir(exist_ok=True)
    (folder / "measurements" / "sweep.json").write_bytes(content)
    sweep.pending(sweep.resume(folder), ())


def trainings() -> list[bytes]:
    """Settings and history of a training: a line of JSON, a zero, and CSV."""
    from flowers_core.train import run_dir

    settings = {
        "format": run_dir.FORMAT, "model": "dense_single", "records": "records", "image_size": 32,
        "classes": ["a", "b"], "epochs": 3, "batch_size": 4, "augmentation": "none",
        "shuffle_buffer": 1, "validation": "first", "seed": 1,
    }  # fmt: skip
    rows = [",".join(run_dir.COLUMNS), *(",".join([str(epoch), *["0.5"] * 8]) for epoch in (1, 2))]
    return [json.dumps(settings).encode() + b"\n" + "\n".join(rows).encode() + b"\n"]


def damage_training(content: bytes, chance: random.Random) -> bytes:
    """Damages the settings as JSON or the history as text."""
    settings, rows = content.split(b"\n", 1)
    if chance.random() < 0.6:
        return damage_json(settings, chance).replace(b"\n", b" ") + b"\n" + rows
    return settings + b"\n" + damage_bytes(rows, chance)


def read_training(content: bytes, folder: Path) -> None:
    """As `train --resume` begins, and `evaluate`, up to the weights."""
    from flowers_core.train.run_dir import HISTORY, SETTINGS, Run

    settings, _, rows = content.partition(b"\n")
    (folder / SETTINGS).write_bytes(settings)
    (folder / HISTORY).write_bytes(rows)
    run = Run(folder)
    run.check_same(run.settings())
    run.history()


def weights() -> list[bytes]:
    """A file of a model with its classes, as a training keeps it."""
    import tempfile

    import keras

    from flowers_core.train.run_dir import Run

    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)), name="dense_single")
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder)
        run.keep_model(model, ("a", "b"))
        return [run.model.read_bytes()]


def damage_weights(content: bytes, chance: random.Random) -> bytes:
    """Damages the archive, or a file in it and packs it again."""
    if chance.random() < 0.4:
        return damage_bytes(content, chance)
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(packed, "w") as target:
        chosen = chance.choice(source.namelist())
        for name in source.namelist():
            inside = source.read(name)
            if name == chosen:
                inside = (damage_json if name.endswith(".json") else damage_bytes)(inside, chance)
            target.writestr(name, inside)
    return packed.getvalue()


def read_weights(content: bytes, folder: Path) -> None:
    """As `evaluate` and `predict` load a model."""
    from flowers_core.train import fit
    from flowers_core.train.run_dir import MODEL, Run

    (folder / MODEL).write_bytes(content)
    model = fit.load(folder / MODEL)
    Run(folder).check_classes(("a", "b"), model.output_shape[-1])


def read_badly(content: bytes, _: Path) -> None:
    """Raises, or ends the process, as the input says: a control that the fuzzer finds what it should."""
    if content == b"1":
        raise ValueError("no sentence for the user")
    if content == b"3":
        signal.raise_signal(signal.SIGSEGV)


CONTROL = Reader(inputs=lambda: [b"%d" % number for number in range(6)], damage=damage_bytes, read=read_badly)
READERS = {
    "picture": Reader(inputs=pictures, damage=damage_header, read=read_picture),
    "picture's pixels": Reader(inputs=pictures, damage=damage_bytes, read=read_picture),
    "shard": Reader(inputs=shards, damage=damage_record, read=read_shard),
    "manifest": Reader(inputs=manifests, damage=damage_json, read=read_manifest),
    "store": Reader(inputs=stores, damage=damage_json, read=read_store),
    "pairs": Reader(inputs=pairs, damage=damage_json, read=read_pairs),
    "plan": Reader(inputs=plans, damage=damage_json, read=read_plan),
    "training": Reader(inputs=trainings, damage=damage_training, read=read_training),
    "photo": Reader(inputs=pictures, damage=damage_header, read=read_photo, needs_tensorflow=True),
    "records": Reader(inputs=shards, damage=damage_record, read=read_shard_by_tensorflow, needs_tensorflow=True),
    "weights": Reader(inputs=weights, damage=damage_weights, read=read_weights, needs_tensorflow=True),
}
