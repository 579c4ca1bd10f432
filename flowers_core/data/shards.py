"""Paths of shards, with what else is needed to read their records."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Self

from flowers_core import errors


@dataclass(frozen=True, kw_only=True)
class Features:
    """How a record holds image and label: the features' names, which others choose for themselves, and the encoding.

    Attributes:
        image: Name of the feature of the image.
        label: That of the label, one integer.
        encoding: How the image is encoded, see `encodings.ENCODINGS`; those of others are JPEGs.
    """

    image: str = "image"
    label: str = "class"
    encoding: str = "jpeg444"

    def __post_init__(self):
        if not self.image or not self.label or self.image == self.label:
            raise errors.InputError(
                f"Features of records must be two names, one of the image and one of the label. "
                f"Received: image={self.image!r}, label={self.label!r}"
            )

    @property
    def unusual(self) -> dict[str, str]:
        """Names that differ from the codelab's, as options are called: `image_feature`, `label_feature`."""
        names = {name: value for name, value in asdict(self).items() if name != "encoding"}
        return {f"{name}_feature": value for name, value in names.items() if value != getattr(Features, name)}


CODELAB = Features()


def parse_classes(text: str) -> tuple[str, ...]:
    """The classes that a text names, joined by commas, or so many as it says, `0`, `1` and so on; none in an empty one.

    Raises:
        InputError: If it names fewer than two, or one twice.
    """
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    if len(names) == 1 and names[0].isascii() and names[0].isdecimal():
        names = tuple(map(str, range(int(names[0][:6]))))
    if text and (len(set(names)) < max(2, len(names)) or not all(names)):
        raise errors.InputError(
            f"`classes` must be two names or more, none twice, joined by commas, or how many there are. "
            f"Received: {text!r}"
        )
    return names


class Shards(tuple[str, ...]):
    """Paths of shards: a tuple of them to whoever needs no more.

    Attributes:
        features: Names of the features of their records.
        images: Number of records by path, where it is known.
    """

    features: Features
    images: Mapping[str, int]

    def __new__(
        cls, paths: Iterable[str], *, features: Features | None = None, images: Mapping[str, int] | None = None
    ) -> Self:
        """The paths, of records as the codelab's unless features are given."""
        shards = super().__new__(cls, paths)
        shards.features, shards.images = features or CODELAB, images or {}
        return shards

    def select(self, paths: Iterable[str]) -> "Shards":
        """Some of these shards, in the order given."""
        return Shards(paths, features=self.features, images=self.images)


def of(paths: Iterable[str]) -> Shards:
    """The shards as they are, or plain paths as shards of records like the codelab's."""
    return paths if isinstance(paths, Shards) else Shards(paths)
