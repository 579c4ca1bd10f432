"""A user's own models and loaders, `path/to/file.py:function`, and the applications that come with Keras.

A model is a function of a file:

    def build(image_size, classes):
        return keras.Sequential([
            keras.Input((image_size, image_size, 3)),   # float32 in [0, 1]
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(classes, activation="softmax"),
        ])

It returns a `keras.Model` that takes images `(batch, image_size, image_size, 3)` and gives class probabilities
`(batch, classes)`. It is compiled as all other models are, whatever the function did itself.

A loader is a function of a file, too:

    def batches(source, image_size, batch_size):
        while True:
            yield images, labels    # float32 in [0, 1] or uint8 (batch_size, image_size, image_size, 3); integers

`source.photos` and `source.records` are the folders given by `--photos` and `--records`. It returns a
`tf.data.Dataset` or an iterable of NumPy pairs. One that ends begins anew; of batches that are not whole none is used.
Keras' own are named as there: `keras.applications:MobileNetV3Small`, without weights.

Within the harness a file goes by `stem:function@digest`, where the digest is of what the file, and the files beside it
that it imports, hold: another content is another model. Nothing but the standard library is imported until a function
is called, for the harness loads this file beside older commits of the package.
"""

import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from flowers_core.errors import InputError

MODEL, LOADER = ("image_size", "classes"), ("source", "image_size", "batch_size")
"""Parameters of a function that builds a model, and of one that gives batches; both are called by name."""

IMAGE_SIZE = 192  # of models that were designed for no other

DTYPES = ("float32", "uint8")  # of images that a loader gives
DIGITS = 8
APPLICATION = re.compile(r"keras\.applications:([A-Za-z]\w*)")
PEER = re.compile(r"(timm|torch):([A-Za-z][\w.]*)")
_OPTION = re.compile(r"(?P<path>.+\.py):(?P<function>[A-Za-z_]\w*)")
_NAME = re.compile(rf"(?P<stem>[\w.-]+):(?P<function>[A-Za-z_]\w*)@(?P<digest>[0-9a-f]{{{DIGITS}}})")


@dataclass(frozen=True, kw_only=True)
class UserFunction:
    """A function of a user's file.

    Attributes:
        path: The file.
        function: Its name.
        digest: Of what the file and those beside it that it imports hold.
    """

    path: Path
    function: str
    digest: str

    @property
    def name(self) -> str:
        """What the harness calls it; letters that a path, a page or a terminal might take for more are replaced."""
        return f"{re.sub(r'[^0-9A-Za-z_.-]', '_', self.path.stem)}:{self.function}@{self.digest}"

    @property
    def option(self) -> str:
        """What names it on a command line, from any folder."""
        return f"{self.path}:{self.function}"


def is_option(text: str) -> bool:
    """Whether a text names a function of a file, `path/to/file.py:function`."""
    return _OPTION.fullmatch(text) is not None


def is_name(name: str) -> bool:
    """Whether a name is that of a user's function."""
    return _NAME.fullmatch(name) is not None


def is_application(name: str) -> bool:
    """Whether a name is that of a model which comes with Keras."""
    return APPLICATION.fullmatch(name) is not None


def peer(name: str) -> str:
    """The NAME of a model that is measured beside ours, `timm:NAME` or `torch:NAME`; empty for all others."""
    match = PEER.fullmatch(name)
    return match[2] if match else ""


def peers_library(name: str) -> str:
    """Whose it is: `timm`, or `torch` for the codelab's model NAME in plain torch.nn; empty for no peer."""
    match = PEER.fullmatch(name)
    return match[1] if match else ""


def readable(name: str) -> str:
    """What tables show of a name: a user's function as `stem:function`, one of Keras by itself, any other as it is."""
    application = APPLICATION.fullmatch(name)
    if application:
        return application[1]
    return name.partition("@")[0] if is_name(name) else name


def as_option(name: str) -> str:
    """What names a function on a command line, run in the folder of its file; any other name as it is."""
    match = _NAME.fullmatch(name)
    return f"{match['stem']}.py:{match['function']}" if match else name


def locate(text: str, parameters: tuple[str, ...]) -> UserFunction:
    """Finds a function in a file and checks what can be told without running it.

    Args:
        text: `path/to/file.py:function`.
        parameters: `MODEL` or `LOADER`.

    Raises:
        InputError: If there is no such file, it is no Python, or it has no such function of these parameters.
    """
    match = _OPTION.fullmatch(text)
    if not match:
        raise InputError(f"Expected path/to/file.py:function. Received: {text!r}")
    path, function = Path(match["path"]).resolve(), match["function"]
    tree = _parse(path)
    definitions = dict(_definitions(tree.body))
    if function not in definitions:
        functions = [name for name, node in definitions.items() if isinstance(node, ast.FunctionDef)]
        there = f"its functions are {', '.join(functions)}" if functions else "it defines none"
        there += "".join(f"; did you mean {name}?" for name in get_close_matches(function, functions, n=1))
        raise InputError(f"{path} must define the function {_signature(function, parameters)}. Received: {there}")
    node = definitions[function]
    if isinstance(node, ast.FunctionDef) and (wrong := _misfit(node.args, parameters)):
        raise InputError(f"{path} must define {_signature(function, parameters)}. Received: {function}, {wrong}")
    return UserFunction(path=path, function=function, digest=_digest(path))


def _signature(function: str, parameters: tuple[str, ...]) -> str:
    return f"{function}({', '.join(parameters)})"


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        raise InputError(f"{path} must be a Python file. Received: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise InputError(f"{path} must be a Python file. Received: {error.args[0]}{line}") from error


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Names that the top level of a file defines or imports, with the statement that does."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield from ((target.id, node) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name, node) for alias in node.names)
        elif isinstance(node, ast.If | ast.Try):
            yield from _definitions([*node.body, *node.orelse])


def _misfit(arguments: ast.arguments, parameters: tuple[str, ...]) -> str:
    """Why a function cannot be called with some parameters by name; empty if it can."""
    named = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]
    missing = [name for name in parameters if name not in named] if arguments.kwarg is None else []
    if missing:
        return f"which has no parameter {' and no '.join(missing)}"
    plain = arguments.args[: len(arguments.args) - len(arguments.defaults)]
    keyword_only = [
        name.arg for name, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    ]
    wanted = [name for name in (*(argument.arg for argument in plain), *keyword_only) if name not in parameters]
    return f"which asks for {', '.join(wanted)} as well: give a default" if wanted else ""


def _digest(path: Path) -> str:
    """Digest of a file and of those beside it that it imports, directly or by way of another."""
    contents, waiting = {}, [path]
    while waiting:
        file = waiting.pop()
        if file in contents:
            continue
        contents[file] = file.read_bytes()
        waiting += _imports(file)
    digest = hashlib.sha256()
    for file, content in sorted(contents.items()):
        name = file.relative_to(path.parent).as_posix() if file != path else ""  # a renamed file holds the same
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:DIGITS]


def _imports(file: Path) -> Iterator[Path]:
    """Files in the folder of a file that it imports."""
    for node in ast.walk(_parse(file)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            beside = file.parent.joinpath(*name.split("."))
            yield from (found for found in (beside.with_suffix(".py"), beside / "__init__.py") if found.is_file())


def load(option: str, parameters: tuple[str, ...], *, digest: str = "") -> Callable[..., Any]:
    """Runs a file and gives its function.

    Args:
        option: `path/to/file.py:function`.
        parameters: `MODEL` or `LOADER`.
        digest: What the file held when it was found; empty for whatever it holds.

    Raises:
        InputError: If it is not there, has changed, raises an error, or the function takes other parameters.
    """
    found = locate(option, parameters)
    if digest and found.digest != digest:
        raise InputError(f"{found.path} has changed since the measurement began: begin it anew")
    module = _module(found.path)
    function = getattr(module, found.function, None)
    if not callable(function):
        raise InputError(f"{found.option} must be a function. Received: {function!r:.100}")
    try:
        inspect.signature(function).bind(**dict.fromkeys(parameters))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{found.option} must be {_signature(found.function, parameters)}. Received: {error}"
        ) from error
    return function


def _module(path: Path) -> ModuleType:
    """Runs a file once a process, with its folder on the path as a script has it."""
    name = (
        f"user_code_{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}"  # never that of another module: `random.py` is a name
    )
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} must be a Python file. Received: one that cannot be loaded")
    module = module_from_spec(spec)
    sys.modules[name] = module  # where Keras looks for classes of a saved model
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises
        del sys.modules[name]
        raise InputError(f"{path} must run. Received: {explain(error, path)}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def explain(error: BaseException, path: Path) -> str:
    """An error that a user's file raised, with the line of the file."""
    trace, line = error.__traceback__, 0
    while trace:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == str(path) else line
        trace = trace.tb_next
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}{f' (line {line} of {path.name})' if line else ''}"


def build_model(name: str, *, image_size: int, classes: int, digest: str = "") -> Any:
    """Builds an uncompiled `keras.Model` by `path/to/file.py:function` or `keras.applications:Name`.

    Args:
        name: Of the function.
        image_size: Side of the images in pixels.
        classes: How many the model tells apart.
        digest: What the file held when it was found; empty for whatever it holds.

    Raises:
        InputError: If it cannot be built so, takes other images, or gives something else than class probabilities.
    """
    application = APPLICATION.fullmatch(name)
    if application:
        return _application(application[1], image_size=image_size, classes=classes)
    function = load(name, MODEL, digest=digest)
    path = Path(name.rpartition(":")[0]).resolve()
    try:
        model = function(image_size=image_size, classes=classes)
    except Exception as error:  # whatever the user's function raises
        raise InputError(f"{name} must build a model. Received: {explain(error, path)}") from error
    return _functional(model, name, image_size=image_size, classes=classes)


def _application(name: str, *, image_size: int, classes: int) -> Any:
    """A network of keras.applications with its own top, for images in [0, 1]."""
    import keras

    models = [
        name for name, value in vars(keras.applications).items() if inspect.isfunction(value) and name[0].isupper()
    ]
    if name not in models:
        near = get_close_matches(name, models) or models
        raise InputError(
            f"`keras.applications` of Keras {keras.__version__} must have the model. Received: {name}. "
            f"It has {', '.join(near)}"
        )
    function = getattr(keras.applications, name)
    scales = "include_preprocessing" in inspect.signature(function).parameters  # from [0, 255]
    options = {"include_preprocessing": False} if scales else {}
    try:
        model = function(weights=None, input_shape=(image_size, image_size, 3), classes=classes, **options)
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"keras.applications:{name} must take {image_size} px. Received: {reason}") from error
    return _functional(model, f"keras.applications:{name}", image_size=image_size, classes=classes)


def _functional(model: Any, name: str, *, image_size: int, classes: int) -> Any:
    """The model with an input of known shape, if what it takes and gives fits."""
    import keras

    if not isinstance(model, keras.Model):
        raise InputError(f"{name} must return a keras.Model. Received: {type(model).__name__}")
    images = keras.Input((image_size, image_size, 3))
    try:
        outputs = model(images)
    except Exception as error:  # layers raise whatever they like
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{name} must take images (batch, {image_size}, {image_size}, 3). "
            f"Received: {type(error).__name__}: {reason}"
        ) from error
    shape = tuple(outputs.shape) if hasattr(outputs, "shape") else type(outputs).__name__
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] != classes:
        raise InputError(
            f"{name} must give class probabilities (batch, {classes}), for there are {classes} classes. "
            f"Received: {str(shape).replace('None', 'batch')}. Let it end in Dense(classes, activation='softmax')"
        )
    return model if getattr(model, "input_shape", None) else keras.Model(images, outputs)  # a subclass has none


class Loader:
    """A user's loader with its arguments; what goes wrong in it is said with the line of the file."""

    def __init__(self, option: str, *, source: Any, image_size: int, batch_size: int, digest: str = ""):
        """Finds the function.

        Args:
            option: `path/to/file.py:function`.
            source: Has the folders of photos and records.
            image_size: Side of the images in pixels.
            batch_size: Images a batch.
            digest: What the file held when it was found; empty for whatever it holds.

        Raises:
            InputError: As `load`.
        """
        self.option, self.path = option, Path(option.rpartition(":")[0])
        self.function = load(option, LOADER, digest=digest)
        self.arguments = {"source": source, "image_size": image_size, "batch_size": batch_size}

    def __call__(self) -> Any:
        """Calls the function."""
        try:
            batches = self.function(**self.arguments)
        except Exception as error:  # whatever the user's function raises
            raise InputError(f"{self.option} must give batches. Received: {explain(error, self.path)}") from error
        if not hasattr(batches, "__iter__"):
            raise InputError(
                f"{self.option} must return a tf.data.Dataset or an iterable of pairs. "
                f"Received: {type(batches).__name__}"
            )
        return batches

    def pairs(self, batches: Iterable) -> Generator:
        """Its batches; a generator that fails says where."""
        try:
            yield from batches
        except Exception as error:
            raise InputError(f"{self.option} must go on. Received: {explain(error, self.path)}") from error

    def endless(self, first: Iterable) -> Generator:
        """Whole batches for ever: where they end, the iterable or else the function begins anew.

        Args:
            first: What calling it gave.

        Raises:
            InputError: If a pass gives none.
        """
        batches, size = first, self.arguments["batch_size"]
        while True:
            count = 0
            for images, labels in self.pairs(batches):
                if len(images) == size:
                    count += 1
                    yield images, labels
            if not count:
                raise InputError(
                    f"{self.option} must give whole batches of {size} at each call, and a new generator if it is "
                    "one. Received: an end before the first"
                )
            batches = self() if iter(batches) is batches else batches


def check_batch(batch: Any, option: str, *, image_size: int, batch_size: int, classes: int) -> None:
    """Checks a batch of a user's loader.

    Args:
        batch: What the loader gave first.
        option: Names the loader in messages.
        image_size: Side in pixels of the images that were asked for.
        batch_size: Images of a batch, likewise.
        classes: How many the models tell apart; 0 for any number.

    Raises:
        InputError: If it is no pair, has no batch dimension, or is of another shape or type.
    """
    import numpy as np

    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise InputError(f"{option} must give pairs (images, labels). Received: {type(batch).__name__}")
    images, labels = map(np.asarray, batch)
    wanted = (batch_size, image_size, image_size, 3)
    if images.shape != wanted:
        hint = ""
        if images.shape == wanted[1:]:
            hint = ", a single image: there is no batch dimension. `dataset.batch(batch_size)` adds it"
        raise InputError(f"{option} must give images of shape {wanted}. Received: {images.shape}{hint}")
    if images.dtype.name not in DTYPES:
        raise InputError(
            f"{option} must give images as {' in [0, 1] or '.join(DTYPES)}. Received: {images.dtype.name}. Cast them"
        )
    if labels.shape != (batch_size,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{option} must give labels of shape ({batch_size},), integers from 0. "
            f"Received: {labels.shape}, {labels.dtype.name}"
        )
    if classes and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"{option} must give labels from 0 to {classes - 1}, for the models tell {classes} classes apart. "
            f"Received: labels from {labels.min()} to {labels.max()}. Give `--photos FOLDER`, of one folder a class"
        )
