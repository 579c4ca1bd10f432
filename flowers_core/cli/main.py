"""Commands of the package: synthetic, download, records, models, and those beside it. They parse and call only."""

import os
from dataclasses import asdict
from typing import Any

import click

from flowers_core import resources
from flowers_core.cli import entry, source_options, train, trained
from flowers_core.data import encodings, storage
from flowers_core.data import photos as photo_kinds
from flowers_core.errors import one_of

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
def cli() -> None:
    """Makes flower photos and their records, and trains models on them.

    Example: python -m flowers_core synthetic data/synthetic
    """


@cli.command()
@click.argument("folder")
@click.option("--photos", "count", default="300", show_default=True, help="How many; `full`: 3,670 as the real set.")
@click.option("--seed", default=0, show_default=True, help="Another seed draws other photos.")
def synthetic(folder: str, count: str, seed: int) -> None:
    """Draw photographs of five kinds of flowers by code.

    Nothing is downloaded.

    Example: python -m flowers_core synthetic data/synthetic --photos full
    """
    from flowers_core.synthetic import dataset as drawer

    if count != "full" and not count.isdecimal():
        raise click.BadParameter(f"expected a whole number or `full`. Received: {count!r}", param_hint="--photos")
    photos = drawer.draw(folder, count=drawer.FULL if count == "full" else int(count), seed=seed)
    entry.say(f"photos in {photos}")


@cli.command()
@click.argument("folder")
def download(folder: str) -> None:
    """Download the real photos (229 MB) and unpack them.

    It resumes an interrupted download.

    Example: python -m flowers_core download data
    """
    from flowers_core.data import download as downloader

    entry.say(f"photos in {downloader.download(folder)}")


@cli.command()
@click.argument("photos")
@click.argument("folder")
@click.option("--image-size", default=192, show_default=True, help="Side of the square images: 192, 224, 331 or 512.")
@click.option("--shards", type=int, help="How many files. [16, or one a photo where there are fewer]")
@click.option("--seed", default=35155, show_default=True, help="Of the one shuffle; the default is the codelab's.")
@entry.list_option(
    "--accept",
    kind=entry.Choice(photo_kinds.ACCEPTABLE),
    metavar="KIND[,KIND]",
    help=f"{' or '.join(photo_kinds.ACCEPTABLE)}, or both: take these photos beside JPEG.",
)
@source_options.EXIF
@source_options.DECODE
@source_options.MAX_MEGAPIXELS
@click.option("--strict", is_flag=True, help="Stop at a photo that does not decode cleanly instead of skipping it.")
@click.option(
    "--format",
    "encoding",
    type=entry.Choice(encodings.ENCODINGS),
    default=encodings.JPEG,
    show_default=True,
    help="JPEG with whole or halved colours, planes as video has, or pixels: `python -m bench formats` compares them.",
)
@click.option(
    "--runner",
    type=entry.Choice(["direct", "dataflow", "flink", "spark"]),
    metavar="NAME",
    help="Work by a pipeline of Apache Beam: direct (here), dataflow, flink or spark; their flags stand behind `--`.",
)
@click.option("--json", is_flag=True, help="Print the manifest.")
@click.argument("beam_flags", nargs=-1, metavar="[-- BEAM_FLAGS]")
def records(  # noqa: PLR0913 - its options
    photos: str,
    folder: str,
    *,
    runner: str | None,
    beam_flags: tuple[str, ...],
    image_size: int,
    shards: int | None,
    seed: int,
    accept: tuple[str, ...],
    exif: str | None,
    decode: str | None,
    max_megapixels: int | None,
    strict: bool,
    encoding: str,
    json: bool,
) -> None:
    """Write a folder or bucket of photos as TFRecord shards.

    Photos are stored as their pixels lie, as in the codelab, unless --exif apply is given.

    Example: python -m flowers_core records data/synthetic data/synthetic-192

    Example: python -m flowers_core records gs://b/photos gs://b/192 --runner dataflow -- --project=p --region=r
    """
    from flowers_core.data import sharding

    engine = _engine(runner, beam_flags)
    if engine:
        photos, folder = map(storage.absolute, (photos, folder))  # workers may stand in other folders

    one_of("image_size", image_size, sharding.IMAGE_SIZES)
    decoding = source_options.decoding(exif=exif, decode=decode, max_megapixels=max_megapixels)
    photo_files = photo_kinds.find(photos, accept=accept, decoding=decoding)
    if passed_over := photo_kinds.describe(photo_files.passed_over):
        entry.tell(passed_over)
    from flowers_core.data import tfrecords as writer

    if writer.has_tensorflow():
        entry.load("tensorflow")

    shards = min(writer.SHARDS, len(photo_files)) if shards is None else shards
    written = writer.write(
        photo_files,
        folder,
        image_size=image_size,
        shards=shards,
        seed=seed,
        accept=accept,
        strict=strict,
        encoding=encoding,
        engine=engine,
    )
    if json:
        click.echo(entry.json_line(asdict(written)))
        return
    for photo in written.skipped:
        entry.tell(f"skipped {entry.printable(photo.path)}: {photo.reason}")
    entry.say(f"{written.images:,} records of {image_size} px in {len(written.shards)} shards in {folder}")


def _engine(runner: str | None, flags: tuple[str, ...]) -> Any:
    """What writes records: a pipeline of Beam; None for this process alone."""
    if runner is None:
        if flags:
            raise click.UsageError(f"Got unexpected extra arguments ({' '.join(flags)}); Beam's flags want --runner")
        return None
    from flowers_core.data import beam_records

    return beam_records.engine(runner, flags)


@cli.command()
@click.option("--json", is_flag=True, help="Print rows as JSON.")
def models(json: bool) -> None:
    """List the models and what each costs an image.

    Image size, parameters, multiply-adds, FLOPs and activations.

    Example: python -m flowers_core models
    """
    entry.load("keras")
    from flowers_core.train import flops

    rows = flops.table()
    if json:
        click.echo(entry.json_line(rows))
        return
    entry.print_table(
        ("model", "px", "parameters", "trainable", "M MACs", "GFLOPs", "train", "MB"),
        [
            (
                row["name"],
                str(row["image_size"]),
                f"{row['parameters']:,}",
                f"{row['trainable_parameters']:,}",
                f"{row['multiply_adds'] / 1e6:,.0f}",
                f"{row['forward_gflops']:.3f}",
                f"{row['training_gflops']:.3f}",
                f"{row['activation_megabytes']:.1f}",
            )
            for row in rows
        ],
    )
    click.echo(
        "Of one image: million multiply-adds forward; GFLOPs forward and in a training step; MB of float32 activations."
    )


for command in (train.train, trained.evaluate, trained.predict, trained.export):
    cli.add_command(command)


def main() -> None:
    """Runs the command line, with threads of frameworks as the quota of a container leaves work for."""
    resources.limit_threads(os.environ)
    entry.enter(cli)
