"""The folder of a training: its settings, history and weights, written so that a kill loses nothing."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from flowers_core.data import storage
from flowers_core.errors import InputError
from flowers_core.train.settings import Settings

if TYPE_CHECKING:
    import keras

FORMAT = 2
"""Version of training.json. History: 1, the first; 2, the kind of augmentation instead of a flag."""

SETTINGS, HISTORY, MODEL = "training.json", "history.csv", "model.keras"
CURVES, LOGS = "curves.png", "logs"


class Run:
    """A folder on disk that holds one training."""

    def __init__(self, folder: str | Path):
        self.folder = Path(storage.normalize(folder))
        self.model, self.logs, self.curves = self.folder / MODEL, self.folder / LOGS, self.folder / CURVES

    @property
    def begun(self) -> bool:
        """Whether another training would overwrite something: the weights of an epoch."""
        return self.model.exists()

    def begin(self, settings: Settings) -> None:
        """Writes the settings.

        Raises:
            InputError: If the folder holds a training.
        """
        if self.begun:
            raise InputError(
                f"{self.folder} must be a new folder. Received: one that holds a training. Give --resume to go on "
                f"with it, or another folder by --output"
            )
        text = json.dumps({"format": FORMAT} | asdict(settings), indent=1) + "\n"
        storage.write_text(str(self.folder / SETTINGS), text)

    def settings(self) -> Settings:
        """The settings with which the training began.

        Raises:
            InputError: If the folder holds no training, its settings are damaged, or another version wrote them.
        """
        path = self.folder / SETTINGS
        try:
            values = json.loads(path.read_text("utf-8"))
            version = values.pop("format")
            if version == FORMAT:
                return Settings(**values | {"classes": tuple(values["classes"])})
        except FileNotFoundError as error:
            raise InputError(
                f"{self.folder} must hold a training. Received: a folder without {SETTINGS}. "
                f"Begin one: python -m flowers_core train MODEL --records FOLDER --output {self.folder}"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise InputError(
                f"{path} must be as it was written. Received: {type(error).__name__}: {error}. "
                f"Train into another folder"
            ) from error
        raise InputError(
            f"{path} must be of format {FORMAT}. Received: format {version!r}. Go on with the release that wrote it, "
            f"or train into another folder"
        )

    def check_same(self, settings: Settings) -> None:
        """Checks that a resumed training is the one that was begun; only its number of epochs may differ.

        Raises:
            InputError: If the model, the records or anything else differs.
        """
        begun = self.settings()
        others = [
            f"{field.name}={getattr(settings, field.name)!r} instead of {getattr(begun, field.name)!r}"
            for field in fields(Settings)
            if field.name != "epochs" and getattr(settings, field.name) != getattr(begun, field.name)
        ]
        if others:
            raise InputError(
                f"--resume goes on with the settings with which {self.folder} was begun. "
                f"Received: {', '.join(others)}. "
                f"Leave that out, or train into another folder by --output"
            )

    def history(self) -> list[dict[str, float]]:
        """A row an epoch, by column; none before the first epoch has ended.

        Raises:
            InputError: If it is damaged.
        """
        path = self.folder / HISTORY
        if not path.exists():
            return []
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{path} must be as it was written. Received: {error}. Train into another folder"
            ) from error

    def keep_history(self, rows: Sequence[dict[str, float]]) -> None:
        """Writes all rows: the whole file or nothing."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)
        storage.write_text(str(self.folder / HISTORY), text.getvalue())

    def keep_model(self, model: "keras.Model") -> None:
        """Saves a model with its optimizer, whole or not at all; the earlier one stays until then.

        Raises:
            OSError: If the disk refuses it.
        """
        temporary = self.folder / f"unfinished-{MODEL}"
        try:
            model.save(temporary)
            storage.place(temporary, str(self.model))
        finally:
            temporary.unlink(missing_ok=True)
