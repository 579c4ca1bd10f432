"""Prepares the folder that an accelerator is checked with, offline: the check itself, wheels and records."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.machine import facts
from bench.run import accelerator_check
from bench.run.product import InputError, RunFailed
from flowers_core.data import manifest

MIB = 2**20
MOST_BYTES = 60 * MIB  # of the folder: machines are reached over lines that take no more
PLATFORMS = ("manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in (17, 24, 27, 28)))
PIP_SECONDS = 300.0
VERSION = re.compile(r"3\.\d{1,2}")


def prepare(folder: Path, records: str, versions: Sequence[str], *, most_bytes: int = MOST_BYTES) -> int:
    """Writes the folder, whole or not at all.

    Args:
        folder: Where; one that an earlier call wrote is replaced.
        records: Folder of records of 192 pixels; as many of its shards are taken as there is room for, two at least.
        versions: Of Python that the machine may have, such as `3.12`.
        most_bytes: What the folder may hold.

    Returns:
        Its bytes.

    Raises:
        InputError: If the folder is none of ours, a version is no version, records are missing or of another size, or
            this harness is not that of a checkout.
        RunFailed: If pip cannot have a wheel, or there is no room.
    """
    folder = Path(folder)
    _check(folder, versions)
    found = manifest.load(records)
    manifest.check_matches(found, image_size=192)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        unfinished = Path(scratch) / folder.name
        wheels = unfinished / accelerator_check.WHEELS
        wheels.mkdir(parents=True)
        _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(facts.PROJECT_ROOT))
        for version in dict.fromkeys(versions):
            _download(wheels, version)
        shutil.copyfile(accelerator_check.__file__, unfinished / "accelerator_check.py")
        code = facts.code()
        if code["dirty"] is False:
            (unfinished / accelerator_check.COMMIT).write_text(f"{code['commit']}\n")
        held = _bytes(unfinished)
        _copy_shards(records, found, unfinished / accelerator_check.RECORDS, room=most_bytes - held)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.replace(folder)
    return _bytes(folder)


def _check(folder: Path, versions: Sequence[str]) -> None:
    """Checks what can be known before anything is downloaded."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not _is_ours(folder):
        raise InputError(
            f"`folder` must be new, empty, or an earlier check's. Received: {folder}, which is none of ours"
        )
    for version in versions:
        if not VERSION.fullmatch(version):
            raise InputError(f"`--python` must be versions such as 3.12. Received: {version!r}")
    if not facts.IN_CHECKOUT:
        raise InputError("The check is made from a checkout of the project. Received: an installed package")


def _is_ours(folder: Path) -> bool:
    return (folder / "accelerator_check.py").is_file()


def _download(wheels: Path, version: str) -> None:
    """Downloads what a version of Python needs, wheels alone."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    chosen = ["--python-version", version, "--implementation", "cp", *platforms]
    constraints = ["--constraint", str(facts.PROJECT_ROOT / "constraints.txt")]
    words = ["--no-deps", "--only-binary=:all:", *chosen, *constraints, "--dest", str(wheels)]
    _pip("download", *words, *accelerator_check.NEEDED)


def _pip(*words: str) -> None:
    """Runs pip.

    Raises:
        RunFailed: If it fails or takes too long, with what it said.
    """
    command = [sys.executable, "-m", "pip", words[0], "--quiet", "--no-input", *words[1:]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"`pip {words[0]}` did not end within {PIP_SECONDS:.0f} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[-1:]
        raise RunFailed(f"`pip {words[0]}` failed: {(said or ['it said nothing'])[0]}")


def _copy_shards(records: str, found: manifest.Manifest, place: Path, *, room: int) -> None:
    """Copies as many shards as there is room for, with a manifest of these.

    Raises:
        RunFailed: If there is no room for two: one to train, one to validate.
    """
    place.mkdir()
    chosen, held = [], MIB // 2  # of the manifest and the folder itself
    for shard in found.shards:
        held += shard.bytes
        if held > room:
            break
        shutil.copyfile(Path(records) / shard.name, place / shard.name)
        chosen.append(shard)
    if len(chosen) < 2:
        raise RunFailed(
            f"There must be room for two shards of records beside the wheels. Received: {room / MIB:.0f} MiB, and "
            f"shards of {found.shards[0].bytes / MIB:.0f} MiB. Write records with more shards, or name fewer versions"
        )
    kept = replace(found, shards=tuple(chosen))
    (place / manifest.NAME).write_text(kept.to_json(), encoding="utf-8")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
