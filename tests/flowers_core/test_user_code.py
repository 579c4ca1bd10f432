"""A user's own models and loaders: found and checked without running them, digested, built."""

import pytest

from flowers_core import models, user_code
from flowers_core.errors import InputError

NET = """
import keras
from parts import width


def build(image_size, classes):
    return keras.Sequential([
        keras.Input((image_size, image_size, 3)),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(width),
        keras.layers.Dense(classes, activation="softmax"),
    ])
"""


@pytest.fixture
def file(tmp_path):
    """Writes a user's file: `file("net", text)`; gives its path."""

    def write(text, name="net"):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def other(): ...", "build(image_size, classes). Received: its functions are other"),
        ("x = 1", "it defines none"),
        ("def build(image_size): ...", "which has no parameter classes"),
        ("def build(image_size, classes, depth): ...", "which asks for depth as well: give a default"),
        ("def build(image_size, classes, *, depth): ...", "which asks for depth"),
        ("def build(", "must be a Python file. Received: '(' was never closed, line 1"),
    ],
)
def test_locate_says_what_does_not_fit(text, said, file):
    """A function that is not there, or cannot be called so, is said before anything runs."""
    with pytest.raises(InputError) as refused:
        user_code.locate(f"{file(text)}:build", user_code.MODEL)

    assert said in str(refused.value)


def test_locate_says_that_there_is_no_file(tmp_path):
    """The path is named."""
    with pytest.raises(InputError, match=r"gone\.py must be a Python file\. Received: No such file"):
        user_code.locate(f"{tmp_path}/gone.py:build", user_code.MODEL)


@pytest.mark.parametrize(
    "text",
    [
        "def build(image_size, classes, depth=3): ...",
        "def build(**options): ...",
        "from parts import build",
        "build = lambda image_size, classes: None",
        "try:\n    import jax as build\nexcept ImportError:\n    build = None",
    ],
)
def test_locate_accepts_what_may_be_called(text, file):
    """Defaults, keywords, names that are imported or assigned."""
    assert user_code.locate(f"{file(text)}:build", user_code.MODEL).function == "build"


def test_name_holds_the_content_of_the_file_and_of_what_it_imports(file):
    """Another content, of the file or of a file beside it that it imports, is another name; a new place is not."""
    path = file(NET)
    first = user_code.locate(f"{path}:build", user_code.MODEL).name
    file("width = 3", "parts")
    second = user_code.locate(f"{path}:build", user_code.MODEL).name
    file("width = 4", "parts")
    third = user_code.locate(f"{path}:build", user_code.MODEL).name
    (path.parent / "deeper").mkdir()
    for name in ("net", "parts"):
        (path.parent / f"{name}.py").rename(path.parent / "deeper" / f"{name}.py")
    moved = user_code.locate(f"{path.parent}/deeper/net.py:build", user_code.MODEL).name

    assert len({first, second, third}) == 3
    assert moved == third
    assert user_code.is_name(first)
    assert user_code.readable(first) == "net:build"
    assert user_code.as_option(first) == "net.py:build"


def test_name_holds_nothing_that_a_page_or_terminal_would_obey(tmp_path):
    """Whatever the file is called, its name is letters, digits, dots and dashes."""
    path = tmp_path / "<b>[red]\x1b net.py"
    path.write_text("def build(image_size, classes): ...")

    assert user_code.readable(user_code.locate(f"{path}:build", user_code.MODEL).name) == "_b__red___net:build"


@pytest.mark.parametrize("name", ["dense", "none", "net:build", "net.py"])
def test_readable_leaves_other_names(name):
    """Only a user's function loses its digest, and one of Keras its module."""
    assert user_code.readable(name) == name
    assert user_code.readable("keras.applications:VGG16") == "VGG16"


def test_build_gives_a_users_model(file):
    """The package builds it as any other, of the asked size and classes; it may import what lies beside it."""
    file("width = 3", "parts")
    model = models.build(f"{file(NET)}:build", image_size=16, classes=7)

    assert model.input_shape == (None, 16, 16, 3)
    assert model.output_shape == (None, 7)
    assert models.image_size("x/net.py:build") == 192


def test_build_gives_an_application_of_keras():
    """Without weights, for images in [0, 1]."""
    model = models.build("keras.applications:MobileNetV3Small", image_size=32, classes=3)

    assert model.output_shape == (None, 3)
    assert not any(layer.name.startswith("rescaling") for layer in model.layers)


def test_build_names_applications_that_there_are():
    """A slip of the pen is answered with what is near."""
    with pytest.raises(InputError, match=r"Received: MobilNetV3Small\. It has MobileNetV3Small"):
        models.build("keras.applications:MobilNetV3Small")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 3", "must return a keras.Model. Received: int"),
        ("raise KeyError('depth')", "Received: KeyError: 'depth' (line 4 of net.py)"),
        (
            "return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(classes + 1)])",
            "(batch, 5), for there are 5 classes. Received: (batch, 6)",
        ),
        ("return keras.Sequential([keras.layers.Conv2D(classes, 3)])", "Received: (batch, 14, 14, 5)"),
        ("return keras.Sequential([keras.Input((8,)), keras.layers.Dense(classes)])", "must take images (batch, 16"),
    ],
)
def test_build_says_what_does_not_fit(body, said, file):
    """What the function raises or returns is a sentence, with the line."""
    text = f"import keras\n\ndef build(image_size, classes):\n    {body}"
    with pytest.raises(InputError) as refused:
        models.build(
            f"{file(text)}:build",
            image_size=16,
        )

    assert said in str(refused.value)


def test_build_wraps_a_subclass(file):
    """A model that knows no shape of its input gets one: pipelines of uint8 need it."""
    path = file(
        "import keras\n\n\nclass Net(keras.Model):\n    def __init__(self, classes):\n        super().__init__()\n"
        "        self.last = keras.layers.Dense(classes)\n\n    def call(self, images):\n"
        "        return self.last(keras.ops.mean(images, (1, 2)))\n\n\n"
        "def build(image_size, classes):\n    return Net(classes)\n"
    )
    model = models.build(f"{path}:build", image_size=16)

    assert models.from_uint8(model).input_shape == (None, 16, 16, 3)


def test_load_refuses_a_file_that_has_changed(file):
    """A figure would be of another model than its name says."""
    path = file("def build(image_size, classes): ...")
    found = user_code.locate(f"{path}:build", user_code.MODEL)
    file("def build(image_size, classes): return 1")

    with pytest.raises(InputError, match="has changed since the measurement began"):
        user_code.load(found.option, user_code.MODEL, digest=found.digest)
