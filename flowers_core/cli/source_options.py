"""Options of both command lines that say how photos and records of others are read."""

import click

from flowers_core.cli.entry import Choice
from flowers_core.data import decoding as decodings
from flowers_core.data.decoding import CODELAB, Decoding
from flowers_core.data.shards import Features, parse_classes
from flowers_core.errors import InputError


class Classes(click.ParamType):
    """Names of classes, joined by commas in the order of their labels, or how many there are."""

    name = "names"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Reads the names; `3` stands for 0, 1 and 2."""
        if isinstance(value, tuple):
            return value
        try:
            return parse_classes(str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)


def features(image: str, label: str) -> Features:
    """Names of features as given; an empty one is the codelab's."""
    return Features(image=image or Features.image, label=label or Features.label)


IMAGE_FEATURE = click.option(
    "--image-feature",
    default="",
    metavar="NAME",
    envvar="FLOWERS_IMAGE_FEATURE",
    help="Of records without a manifest: the feature that holds the JPEG. [image]",
)
LABEL_FEATURE = click.option(
    "--label-feature",
    default="",
    metavar="NAME",
    envvar="FLOWERS_LABEL_FEATURE",
    help="Likewise the one that holds the label, an integer. [class]",
)
CLASSES = click.option(
    "--classes",
    type=Classes(),
    default="",
    metavar="A,B,C",
    envvar="FLOWERS_CLASSES",
    help="Likewise the classes in the order of their labels, or how many there are. [the codelab's five]",
)
RECORDS_OF_OTHERS = (IMAGE_FEATURE, LABEL_FEATURE, CLASSES)

EXIF = click.option(
    "--exif",
    type=Choice(decodings.EXIF),
    envvar="FLOWERS_EXIF",
    help="`apply` turns photos as the orientation in their EXIF data says. [ignore, as the codelab]",
)
DECODE = click.option(
    "--decode",
    type=Choice(decodings.SIZES),
    envvar="FLOWERS_DECODE",
    help="`scaled` decodes photos at 1/2 to 1/8, down to twice the size wanted, `smallest` down to that size: "
    "faster, other pixels. [full]",
)
MAX_MEGAPIXELS = click.option(
    "--max-megapixels",
    type=click.IntRange(1),
    metavar="N",
    help=f"Largest photo that is taken. [{decodings.MEGAPIXELS}]",
)
PHOTOS = (EXIF, DECODE)


def decoding(
    *, exif: str | None = None, decode: str | None = None, max_megapixels: int | None = None, usual: Decoding = CODELAB
) -> Decoding:
    """How photos become pixels, as given; what is not given is as usual."""
    return Decoding(
        exif=exif or usual.exif,
        size=decode or usual.size,
        max_megapixels=max_megapixels or usual.max_megapixels,
    )
