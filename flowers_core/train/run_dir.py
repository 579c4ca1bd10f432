"""The folder of a training: its settings, history and weights, written so that a kill loses nothing."""

import csv
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowers_core.data import storage
from flowers_core.durable import name_file, with_home, without_home
from flowers_core.errors import InputError, near
from flowers_core.train.settings import Settings

if TYPE_CHECKING:
    import keras

FORMAT = 2
"""Version of training.json. History: 1, the first; 2, the kind of augmentation instead of a flag."""

SETTINGS, HISTORY, MODEL = "training.json", "history.csv", "model.keras"
PATHS = ("records", "weights")  # of the settings, in which `~` stands for the home folder
CURVES, LOGS = "curves.png", "logs"
CLASSES = "classes.json"  # in the file of the model: its outputs mean nothing without them
COLUMNS = (
    "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second",
    "elapsed_seconds",
)  # fmt: skip


class Run:
    """A folder on disk that holds one training."""

    def __init__(self, folder: str | Path):
        self.folder = Path(storage.normalize(folder))
        self.model, self.logs, self.curves = self.folder / MODEL, self.folder / LOGS, self.folder / CURVES

    @property
    def begun(self) -> bool:
        """Whether another training would overwrite something: the weights of an epoch."""
        return self.model.exists()

    def exclusive(self) -> AbstractContextManager[None]:
        """Keeps a second training out of the folder: it would mix with this one's history and weights."""
        return storage.exclusive(self.folder, "train")

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
        values: dict[str, Any] = {"format": FORMAT} | asdict(settings)
        values |= {name: without_home(values[name]) for name in PATHS if values[name]}
        text = json.dumps(values, indent=1) + "\n"
        storage.write_text(str(self.folder / SETTINGS), text)

    def settings(self) -> Settings:
        """The settings with which the training began.

        Raises:
            InputError: If the folder holds no training, its settings are damaged, or another version wrote them.
        """
        import msgspec

        path = self.folder / SETTINGS
        try:
            values = json.loads(path.read_text("utf-8"))
            version = values.pop("format")
            if version == FORMAT:
                values |= {name: with_home(values[name]) for name in PATHS if values[name]}
                return msgspec.convert(asdict(Settings(**values)), Settings)
        except FileNotFoundError as error:
            others = (path.parent.name for path in self.folder.parent.glob(f"*/{SETTINGS}"))
            raise InputError(
                f"{self.folder} must hold a training. Received: a folder without {SETTINGS}"
                f"{near(self.folder.name, others) or '.'} "
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
            InputError: If it is damaged, or its epochs are not 1, 2, 3 and so on.
        """
        path = self.folder / HISTORY
        if not path.exists():
            return []
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [{name: float(row[name]) for name in COLUMNS} for row in csv.DictReader(file)]
            if [row["epoch"] for row in rows] != list(range(1, len(rows) + 1)):
                raise ValueError("its epochs are out of order")
        except (ValueError, TypeError, KeyError, csv.Error) as error:
            raise InputError(
                f"{path} must be as it was written. Received: {type(error).__name__}: {error}. "
                f"Train into another folder"
            ) from error
        return rows

    def keep_history(self, rows: Sequence[dict[str, float]]) -> None:
        """Writes all rows: the whole file or nothing."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)
        storage.write_text(str(self.folder / HISTORY), text.getvalue())

    def keep_model(self, model: "keras.Model", classes: Sequence[str]) -> None:
        """Saves a model with its optimizer and the names of its classes, whole or not at all.

        The earlier one stays until then.

        Raises:
            OSError: If the disk refuses it.
        """
        temporary = self.folder / f"unfinished-{MODEL}"
        try:
            with name_file(self.model):
                model.save(temporary)
            with name_file(self.model), zipfile.ZipFile(temporary, "a") as file:  # Keras ignores what it does not know
                file.writestr(CLASSES, json.dumps(classes))
            storage.place(temporary, str(self.model))
        finally:
            temporary.unlink(missing_ok=True)

    def check_classes(self, named: Sequence[str], outputs: int) -> None:
        """Checks that the settings name the classes of the saved model, in their order.

        Args:
            named: The classes of the settings.
            outputs: How many classes the model tells apart.

        Raises:
            InputError: If they name others: every answer would be wrong.
        """
        import msgspec

        try:
            with zipfile.ZipFile(self.model) as file:
                held = CLASSES in file.namelist()
                kept = msgspec.json.decode(file.read(CLASSES), type=tuple[str, ...]) if held else None
        except (zipfile.BadZipFile, ValueError, NotImplementedError, zlib.error) as error:
            raise InputError(
                f"{CLASSES} in {self.model} must be as it was written. Received: {type(error).__name__}: {error}. "
                f"Train into another folder"
            ) from error
        if len(named) != outputs or kept not in (None, tuple(named)):
            raise InputError(
                f"{self.folder / SETTINGS} must name the classes of {self.model}: "
                f"{', '.join(kept) if kept else f'{outputs} of them'}. Received: {', '.join(named)}"
            )
