"""Folders that cells read: those given, those the environment names, or those that `make bench` has filled."""

import os
from dataclasses import dataclass
from pathlib import Path

from bench.lab.machine import HOUSE

DATA = HOUSE / "data"
FILLED = {"photos": DATA / "garden", "records": DATA / "garden-192"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Folders or `gs://` prefixes, found from any working directory; an empty one is not to be had."""

    photos: str = ""
    records: str = ""


def find(*, photos: str = "", records: str = "") -> Source:
    """Finds what cells read; FLOWERS_PHOTOS and FLOWERS_RECORDS stand in for what is not given."""
    return Source(photos=_folder("photos", photos), records=_folder("records", records))


def _folder(name: str, given: str) -> str:
    given = given or os.environ.get(f"FLOWERS_{name.upper()}", "")
    if given:
        return given if "://" in given else str(Path(given).resolve())
    return str(FILLED[name]) if FILLED[name].is_dir() else ""
