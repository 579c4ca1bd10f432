"""One point of the benchmark matrix and its id."""

from dataclasses import dataclass, replace
from typing import Any

from bench.machine.own import user_code
from bench.run import product
from flowers_core.errors import InputError, one_of

NO_MODEL = "none"  # the pipeline alone: batches are drawn and thrown away
GIVEN = "given"  # what a user's loader reads: whichever of photos and records there is
RESIDENT = "resident"  # the step alone: one batch of noise that stays on the device
MODES = ("train", "predict")
PEERS_BACKEND = "torch"  # of models that are measured beside ours
COMPILERS = {"xla": "XLA", "torch_compile": "torch.compile"}  # fields of a cell, and `BackendSpec.compiler` of each
STEPS = "steps_per_execution"
SWITCH = {"off": False, "on": True, "false": False, "true": True}
AUTO = "auto"  # the pipeline's own number of something, mostly AUTOTUNE's

# Fields of a cell that say how its pipeline works, see `flowers_core.input.registry.Options`: the least number of each
# and what it is called in a name, or None for a switch.
INPUT_OPTIONS: dict[str, tuple[int, str] | None] = {
    "augment": None,
    "ordered": None,
    "parallel_calls": (1, "calls"),
    "parallel_reads": (1, "reads"),
    "prefetch": (0, "prefetch"),
}
INPUT_MOST = 1024  # of each number


def is_users(name: str) -> bool:
    """Whether a model or pipeline is a user's own function, or a model that comes with Keras."""
    return user_code.is_name(name) or user_code.is_application(name)


def is_cached(pipeline: str) -> bool:
    """Whether a pipeline keeps what it has decoded, so that its first epoch is unlike all others."""
    return pipeline in product.pipelines() and product.pipelines()[pipeline].cached


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the benchmark matrix.

    Attributes:
        model: An architecture of `flowers_core.models.MODELS`, a user's own (`stem:function@digest`),
            `keras.applications:NAME`, `timm:NAME` of another library, `torch:NAME` for an architecture of ours in
            plain torch.nn, or `none` for the pipeline alone.
        pipeline: An input pipeline of `flowers_core.input.registry.PIPELINES`, a user's own likewise, or `resident`
            for the step alone.
        batch_size: Images a step over all replicas (the global batch).
        image_size: Side of the square images in pixels.
        mode: `train` (forward, backward, update) or `predict` (forward).
        device: `cpu`, `gpu` or `tpu`.
        precision: A Keras dtype policy of `flowers_core.backends.precision.PRECISIONS`.
        backend: Keras backend, one of `flowers_core.backends.BACKENDS`.
        xla: Whether the step is compiled by XLA; always so on JAX, see `BackendSpec.always_compiled`.
        torch_compile: Whether it is compiled by `torch.compile`, on torch alone, which has no XLA.
        steps_per_execution: How many training steps one call runs, in a loop on the device; figures are of one step.
        augment: Whether the pipeline flips images and changes their saturation at random (the codelab's section 5).
        ordered: Whether images come in the order of the files, not as they are ready (its section 3).
        parallel_calls: Images that the pipeline decodes at once, or decode workers; None as it does by itself.
        parallel_reads: Shards that it reads at once; likewise.
        prefetch: Batches that it makes ahead, 0 for none; likewise.
    """

    model: str
    pipeline: str = RESIDENT
    batch_size: int = 32
    image_size: int = 192
    mode: str = "train"
    device: str = "cpu"
    precision: str = "float32"
    backend: str = "tensorflow"
    xla: bool = False
    torch_compile: bool = False
    steps_per_execution: int = 1
    augment: bool = False
    ordered: bool = False
    parallel_calls: int | None = None
    parallel_reads: int | None = None
    prefetch: int | None = None

    def __post_init__(self):
        if user_code.peer(self.model):
            self._check_peer()
        elif not is_users(self.model):
            one_of("model", self.model, (*product.MODELS, NO_MODEL))
        if not user_code.is_name(self.pipeline):
            one_of("pipeline", self.pipeline, (*product.pipelines(), RESIDENT))
        one_of("mode", self.mode, MODES)
        one_of("device", self.device, product.DEVICES)
        one_of("precision", self.precision, product.PRECISIONS)
        one_of("backend", self.backend, product.backends())
        for name in COMPILERS:
            one_of(name, getattr(self, name), (False, True))
        for name in ("batch_size", "image_size", STEPS):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise InputError(f"`{name}` must be a whole number from 1. Received: {name}={value!r}")
        if (self.model, self.pipeline) == (NO_MODEL, RESIDENT):
            raise InputError("A cell needs a model, a pipeline or both. Received: model='none' and pipeline='resident'")
        if self.model == NO_MODEL:
            self._check_pipeline_alone()
        if self.mode != "train" and self.steps_per_execution > 1:
            raise InputError(
                f"`{STEPS}` is of training: leave it out. Received: {STEPS}={self.steps_per_execution} and "
                f"mode={self.mode!r}"
            )
        self._check_compiler()
        self._check_input_options()

    def _check_peer(self) -> None:
        """Checks that a model of timm or torch is there, and to run where it can."""
        if user_code.peers_library(self.model) == "torch":
            one_of("model", user_code.peer(self.model), product.MODELS)
        if self.backend != PEERS_BACKEND:
            raise InputError(
                f"Models of timm and torch run on torch: give `--backend {PEERS_BACKEND}`. "
                f"Received: backend={self.backend!r}"
            )

    def _check_compiler(self) -> None:
        """Checks that the backend has the compiler that is asked for."""
        spec = product.backends()[self.backend]
        if spec.always_compiled and not self.xla:
            raise InputError(f"On {self.backend} every step is compiled by XLA: give `xla=True` (`--xla on`)")
        for name, compiler in COMPILERS.items():
            if getattr(self, name) and spec.compiler != compiler:
                raise InputError(
                    f"`{name}` must be left out: steps on {self.backend} are compiled by {spec.compiler}. "
                    f"Received: {name}=True"
                )

    def _check_input_options(self) -> None:
        """Checks what is chosen of the pipeline; whether that one takes it is said by `product.why_not_input`."""
        for name, number in INPUT_OPTIONS.items():
            value = getattr(self, name)
            if number is None:
                one_of(name, value, (False, True))
            elif value is not None and (type(value) is not int or not number[0] <= value <= INPUT_MOST):
                allowed = f"from {number[0]} to {INPUT_MOST}"
                raise InputError(f"`{name}` must be a whole number {allowed}. Received: {name}={value!r}")
        if self.input_options and self.pipeline not in product.pipelines():
            what = "the resident batch" if self.pipeline == RESIDENT else "a pipeline of your own"
            named = ", ".join(f"`{name}`" for name in self.input_options)
            raise InputError(f"{named} must be left out: {what} has none. Received: pipeline={self.pipeline!r}")

    def _check_pipeline_alone(self) -> None:
        """Checks that a pipeline alone claims nothing of a step, or one thing would have many names."""
        for name in ("mode", "device", "precision", "backend", *COMPILERS, STEPS):
            value = getattr(self, name)
            if value != _default(name):
                raise InputError(f"A pipeline alone has no `{name}`: leave it out. Received: {name}={value!r}")

    @property
    def compiled(self) -> bool:
        """Whether a compiler makes the step, whichever."""
        return self.xla or self.torch_compile

    @property
    def chosen_compiler(self) -> str:
        """What compiles a step that the backend could run without it: `XLA`, `torch.compile`; else empty."""
        spec = product.backends()[self.backend]
        return spec.compiler if self.compiled and not spec.always_compiled else ""

    @property
    def loop(self) -> str:
        """How many steps a call runs, in words: `8 steps a call`; empty where it is one."""
        return f"{self.steps_per_execution} steps a call" if self.steps_per_execution > 1 else ""

    def compile(self) -> "Cell":
        """The same step, compiled by what its backend has for that."""
        spec = product.backends()[self.backend]
        chosen: dict[str, Any] = {name: spec.compiler == compiler for name, compiler in COMPILERS.items()}
        return replace(self, **chosen)

    def on(self, backend: str) -> "Cell":
        """The same step on another backend; compiled where it always is, or by a chosen compiler that both have."""
        one_of("backend", backend, product.backends())
        spec = product.backends()[backend]
        chosen: dict[str, Any] = {
            name: compiler == spec.compiler == self.chosen_compiler for name, compiler in COMPILERS.items()
        }
        chosen["xla"] |= spec.always_compiled
        return replace(self, **chosen, backend=backend)

    @property
    def input_options(self) -> dict[str, bool | int]:
        """What is chosen of its pipeline, by field, where that is not the default."""
        return {name: value for name in INPUT_OPTIONS if (value := getattr(self, name)) != _default(name)}

    @property
    def input_words(self) -> tuple[str, ...]:
        """The same in words: `augment`, `ordered`, `calls 4`, `reads 2`, `prefetch 0`."""
        numbers = {name: number for name, number in INPUT_OPTIONS.items() if number}
        return tuple(
            f"{numbers[name][1]} {value}" if name in numbers else name for name, value in self.input_options.items()
        )

    @property
    def input_alone(self) -> "Cell":
        """Its pipeline alone."""
        fields = {name: getattr(self, name) for name in ("pipeline", "batch_size", "image_size", *INPUT_OPTIONS)}
        return Cell(model=NO_MODEL, **fields)

    @property
    def step_alone(self) -> "Cell":
        """Its step alone, on a resident batch."""
        usual: dict[str, Any] = {name: _default(name) for name in INPUT_OPTIONS}
        return replace(self, pipeline=RESIDENT, **usual)

    @property
    def alike(self) -> tuple:
        """What cells have in common that are one step on several backends."""
        names = [name for name in self.__dataclass_fields__ if name not in ("backend", *COMPILERS)]
        return (*(getattr(self, name) for name in names), bool(self.chosen_compiler))

    @property
    def id(self) -> str:
        """Names the cell in tables and as a file, e.g. `squeezenet-train-resident-192-b32-cpu-float32-tensorflow`."""
        chosen = "".join(f"-{word.replace(' ', '')}" for word in self.input_words)
        if self.model == NO_MODEL:  # a pipeline alone has neither mode nor precision
            return f"{_in_path(self.pipeline)}-{self.image_size}-b{self.batch_size}{chosen}"
        compiled = {"XLA": "-xla", "torch.compile": "-compile"}.get(self.chosen_compiler, "")
        compiled += f"-spe{self.steps_per_execution}" if self.steps_per_execution > 1 else ""
        place = f"{self.device}-{self.precision}-{self.backend}{compiled}"
        names = f"{_in_path(self.model)}-{self.mode}-{_in_path(self.pipeline)}"
        return f"{names}-{self.image_size}-b{self.batch_size}-{place}{chosen}"

    @property
    def command(self) -> str:
        """What measures this cell again."""
        words = [f"--{name.replace('_', '-')} {value}" for name, value in self._options().items()]
        return " ".join(["python -m bench measure", *words])

    def _options(self) -> dict[str, str | int]:
        """Fields as options, those of a step only where there is a model."""
        further = (*COMPILERS, *INPUT_OPTIONS, *([] if self.loop else [STEPS]))
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in further}
        fields |= {name: user_code.as_option(fields[name]) for name in ("model", "pipeline")}
        chosen = {name: "on" if value is True else value for name, value in self.input_options.items()}
        if self.model == NO_MODEL:
            return {name: fields[name] for name in ("model", "pipeline", "batch_size", "image_size")} | chosen
        compiled = [name for name, compiler in COMPILERS.items() if compiler == self.chosen_compiler]
        return fields | dict.fromkeys(compiled, "on") | chosen

    @property
    def frameworks(self) -> list[str]:
        """Packages that it runs on: TensorFlow where a pipeline feeds it, Keras, and its backend."""
        used = {
            user_code.peers_library(self.model) or "keras",
            self.backend,
            *["tensorflow"] * (self.pipeline != RESIDENT),
        }
        return sorted(used, key=lambda name: (name != "tensorflow", name not in ("keras", "timm"), name))

    @property
    def reads(self) -> str:
        """What the cell needs on disk: `photos`, `records`, either (`given`) or nothing (the empty string)."""
        if user_code.is_name(self.pipeline):
            return GIVEN
        return product.pipelines()[self.pipeline].reads if self.pipeline != RESIDENT else ""

    def to_json(self) -> dict[str, str | int | bool]:
        """Gives the fields as plain values; `Cell(**fields)` is the way back."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def read_input_option(name: str, text: str) -> bool | int | None:
    """A value of one of `INPUT_OPTIONS`, as a user writes it: `on`, `off`, a number or `auto`.

    Raises:
        InputError: If it is none.
    """
    number = INPUT_OPTIONS[name]
    if number is None:
        one_of(name, text, SWITCH)
        return SWITCH[text]
    if text == AUTO:
        return None
    if not (text.isascii() and text.isdecimal() and number[0] <= int(text[:6]) and len(text) <= 4):
        allowed = f"from {number[0]} to {INPUT_MOST}"
        raise InputError(f"`{name}` must be a whole number {allowed}, or {AUTO}. Received: {text!r}")
    return int(text)


def _default(name: str) -> Any:
    return Cell.__dataclass_fields__[name].default


def _in_path(name: str) -> str:
    """A model or pipeline as part of a folder's name: some systems that keep one take no colon."""
    return name.replace(":", ".")
