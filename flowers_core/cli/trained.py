"""Commands that use a trained model: evaluate, predict, export. They parse, call and print only."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowers_core.cli import entry, source_options
from flowers_core.cli.train import BACKEND, JSON, load_backend, shown_name
from flowers_core.data import photos as photo_kinds
from flowers_core.errors import InputError
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import Settings

if TYPE_CHECKING:
    import keras

RUN = click.argument("run", type=click.Path(file_okay=False, path_type=Path))


@click.command()
@RUN
@click.option("--split", default="validation", show_default=True, help="Which of its shards, validation or training.")
@click.option("--records", help="Other records, all of them.")
@source_options.IMAGE_FEATURE
@source_options.LABEL_FEATURE
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Draw the mistaken images, as PNG.")
@BACKEND
@JSON
def evaluate(
    run: Path,
    *,
    split: str,
    records: str | None,
    image_feature: str,
    label_feature: str,
    sheet: Path | None,
    json: bool,
) -> None:
    """Evaluate a trained model: accuracy and confusion.

    For each class it says how its images were classified.

    Example: python -m flowers_core evaluate results/training/convnet_gap --sheet mistaken.png
    """
    features = source_options.features(image_feature, label_feature)
    settings, model = _load(run)
    from flowers_core.train import evaluate, plots

    evaluation, mistaken = evaluate.evaluate(model, settings, split=split, records=records, features=features)
    if sheet:
        plots.draw_contact_sheet(sheet, mistaken, evaluation.captions())
    if json:
        click.echo(entry.json_line(evaluation.to_json()))
        return
    entry.print_table(
        ("class", "images", "precision", "recall", *(f"as {number}" for number, _ in enumerate(settings.classes, 1))),
        [
            (
                f"{number} {row['class']}",
                str(row["images"]),
                _share(row["precision"]),
                _share(row["recall"]),
                *map(str, row["taken_for"].values()),
            )
            for number, row in enumerate(evaluation.rows(), start=1)
        ],
        title=f"{shown_name(settings.model)}: accuracy {evaluation.accuracy:.3f} over {len(evaluation.labels)} images",
    )


@click.command()
@RUN
@click.argument("photos", nargs=-1, required=True)
@BACKEND
@source_options.EXIF
@source_options.DECODE
@source_options.MAX_MEGAPIXELS
@JSON
def predict(
    run: Path,
    photos: tuple[str, ...],
    *,
    exif: str | None,
    decode: str | None,
    max_megapixels: int | None,
    json: bool,
) -> None:
    """Classify photos: files, or folders of them.

    JPEG, PNG or WebP, which become pixels as those of the training's records unless told otherwise. Hidden files in
    folders are passed over.

    Exit code: 0 done, 1 a photo does not decode, 2 wrong use.

    Example: python -m flowers_core predict results/training/convnet_gap data/synthetic/roses
    """
    paths = [path for name in photos for path in _photo_files(name)]
    settings, model = _load(run)
    from flowers_core.train import evaluate

    how = source_options.decoding(exif=exif, decode=decode, max_megapixels=max_megapixels, usual=settings.decoding)
    probabilities = evaluate.predict(model, paths, image_size=settings.image_size, decoding=how)
    rows = [
        {"photo": path, "class": None, "reason": row}
        if isinstance(row, str)
        else {"photo": path, "class": settings.classes[row.argmax()], "probability": float(row.max())}
        for path, row in zip(paths, probabilities, strict=True)
    ]
    if json:
        click.echo(entry.json_line(rows))
    else:
        for row in rows:
            answer = f"{row['class']} {row['probability']:.1%}" if row["class"] else f"n/a: {row['reason']}"
            entry.say(f"{row['photo']}: {answer}")
    if any(row["class"] is None for row in rows):
        raise click.exceptions.Exit(entry.FAILED)


def _photo_files(name: str) -> list[str]:
    """A photo, or those in a folder and its folders."""
    path = Path(name)
    if path.is_file():
        return [name]
    suffixes = (*photo_kinds.JPEG_SUFFIXES, *(f".{kind}" for kind in photo_kinds.ACCEPTABLE))
    files = sorted(
        str(file)
        for file in path.rglob("*")
        if file.suffix.lower() in suffixes and not file.is_dir() and not file.name.startswith(".")
    )
    if not files:
        raise InputError(
            f"`photos` must be JPEG, PNG or WebP files or folders that hold some. Received: {name!r}, with none"
        )
    return files


@click.command()
@RUN
@click.argument("target", type=click.Path(path_type=Path))
@BACKEND
def export(run: Path, target: Path) -> None:
    """Export a trained model.

    To NAME.keras, NAME.weights.h5, or a folder for a TensorFlow SavedModel.

    Example: python -m flowers_core export results/training/convnet_gap flowers.keras
    """
    if target.exists():
        raise InputError(f"`target` must not exist yet. Received: {target}. Remove it, or give another name")
    _, model = _load(run)
    from flowers_core.train import fit

    fit.export(model, target)
    entry.say(f"{run} in {target}")


def _load(folder: Path) -> tuple[Settings, "keras.Model"]:
    """Settings and model of a training; loads the frameworks."""
    run = Run(folder)
    settings = run.settings()
    load_backend()
    from flowers_core.train import fit

    return settings, fit.load_trained(run, settings)


def _share(share: float | None) -> str:
    return "n/a" if share is None else f"{share:.3f}"
