"""What is said of shards beside their paths."""

import pytest

from flowers_core import errors
from flowers_core.data import shards
from flowers_core.data.shards import Features


@pytest.mark.parametrize(
    ("text", "names"), [("", ()), ("a,b", ("a", "b")), ("tulips, roses", ("tulips", "roses")), ("3", ("0", "1", "2"))]
)
def test_parse_classes(text, names):
    """Names joined by commas, or how many there are."""
    assert shards.parse_classes(text) == names


@pytest.mark.parametrize("text", ["a", "a,a", "a,,b", "1", "0", ","])
def test_parse_classes_refuses_what_names_no_two_classes(text):
    """The message repeats what was given."""
    with pytest.raises(errors.InputError, match=f"Received: {text!r}"):
        shards.parse_classes(text)


@pytest.mark.parametrize("names", [("", "class"), ("image", ""), ("class", "class")])
def test_features_must_be_two(names):
    """An image and a label."""
    with pytest.raises(errors.InputError, match="two names"):
        Features(image=names[0], label=names[1])


def test_shards_are_paths_that_remember():
    """Equal to a tuple of paths; those of plain paths are the codelab's."""
    some = shards.Shards(["a", "b"], features=Features(image="img"), images={"a": 2})
    assert some == ("a", "b")
    assert shards.of(some) is some
    assert some.select(["b"]).features.image == "img"
    assert shards.of(["a"]).features == shards.CODELAB
