"""Every loader that is compared: decode ceilings, our pipelines and other libraries' loaders, with how each works."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flowers_core.data.decoding import LEAST
from flowers_core.errors import InputError, near, one_of
from flowers_core.input.registry import PIPELINES

JOBS = {"photos": "native photos", "records": "records"}
KINDS = ("ceiling", "pipeline", "peer")


@dataclass(frozen=True, kw_only=True)
class Loader:
    """One way to make batches of a job's images.

    Attributes:
        name: As the table shows it.
        kind: `ceiling` (the work without a loader around it), `pipeline` (ours) or `peer` (another library's).
        job: `photos` (native JPEGs, to be resized) or `records` (JPEGs of the right size).
        module: Module of `bench.input.loaders` that holds `function`.
        function: Yields the batches.
        variant: What that function is to do.
        description: Decoder, resize and container, in a few words.
        decode: `scaled` or `smallest` where it decodes large photos smaller, see `flowers_core.data.decoding`: other
            pixels, compared only where asked for, and with their like. It ends the name. Empty for the full decode.
    """

    name: str
    kind: str
    job: str
    module: str
    function: str = "load"
    variant: str
    description: str
    decode: str = ""

    def __post_init__(self):
        one_of("kind", self.kind, KINDS)
        one_of("job", self.job, JOBS)

    @property
    def takes_workers(self) -> bool:
        """Whether it decodes by as many threads or processes as it is told; tf.data chooses for itself."""
        return self.kind != "pipeline" or PIPELINES[self.variant].by_processes

    @property
    def id(self) -> str:
        """Names the loader among those of both jobs; stored results hold it."""
        return f"{self.job}/{self.name}"

    @property
    def whole(self) -> str:
        """The id of what it is a variant of; its own where it decodes photos whole."""
        return self.id.removesuffix(f", {self.decode}") if self.decode else self.id


_TURBO, _PIL = "libjpeg-turbo (simplejpeg), fast DCT", "libjpeg-turbo (PIL), slow DCT"
_TENSORFLOW, _DALI = "libjpeg-turbo (TensorFlow), fast DCT", "libjpeg-turbo (nvImageCodec), fast DCT"
_TORCHVISION = "libjpeg-turbo (torchvision), slow DCT"
_EACH_CORE = "a process per core"

# name, job, description
_CEILINGS = (
    ("decode and resize", "photos", f"{_TURBO}; cv2 bilinear, cropped first; {_EACH_CORE}"),
    ("decode alone", "photos", f"{_TURBO}; {_EACH_CORE}"),
    ("page cache", "photos", f"files read, nothing else; {_EACH_CORE}"),
    ("decode", "records", f"{_TURBO}; {_EACH_CORE}"),
    ("page cache", "records", f"files read, nothing else; {_EACH_CORE}"),
)

# What those of our pipelines decode and resize with that do not leave it to TensorFlow.
_DESCRIPTIONS = {
    "photos_turbo": f"{_TURBO}; cv2 bilinear, cropped first; {_EACH_CORE}",
    "records_turbo": f"{_TURBO}; {_EACH_CORE}; records read past TensorFlow, checksums tested",
}

# name, function, variant, decoder, resize, container
_PEERS = (
    ("torch, PIL", "load_torch", "PIL", _PIL, "PIL bilinear with antialias", "files"),
    ("torch, simplejpeg", "load_torch", "cv2", _TURBO, "cv2 bilinear", "files"),
    ("torch, torchvision", "load_torchvision", "torchvision", _TORCHVISION, "torchvision bilinear", "files"),
    ("SPDL", "load_spdl", "cv2", _TURBO, "cv2 bilinear", "files, by threads"),
    ("litdata", "load_litdata", "cv2", _TURBO, "cv2 bilinear", "chunks, through torch's DataLoader"),
    ("datasets", "load_datasets", "PIL", _PIL, "PIL bilinear with antialias", "Arrow, through torch's DataLoader"),
    ("grain", "load_grain", "cv2", _TURBO, "cv2 bilinear", "array_record"),
    ("webdataset", "load_webdataset", "cv2", _TURBO, "cv2 bilinear", "tar, through torch's DataLoader"),
    ("DALI", "load_dali", "DALI", _DALI, "DALI bilinear", "files"),
    ("ffcv", "load_ffcv", "ffcv", "libjpeg-turbo (ffcv)", "cv2 area", "beton"),
)


def _ceiling(name: str, job: str, description: str) -> Loader:
    return Loader(name=name, kind="ceiling", job=job, module="decode_ceiling", variant=name, description=description)


def _pipeline(name: str, job: str) -> Loader:
    usual = f"{_TENSORFLOW}; TensorFlow bilinear" if job == "photos" else _TENSORFLOW
    description = _DESCRIPTIONS.get(name, usual)
    return Loader(name=name, kind="pipeline", job=job, module="flowers", variant=name, description=description)


def _peer(job: str, name: str, function: str, variant: str, decoder: str, resize: str, container: str) -> Loader:
    steps = (decoder, resize, container) if job == "photos" else (decoder, container)
    how = {"module": "other_libraries", "function": function, "variant": variant, "description": "; ".join(steps)}
    return Loader(name=name, kind="peer", job=job, **how)


# Which loaders decode large photos smaller, and how: ours in both ways, others down to the size wanted.
_SMALLER = {
    "decode and resize": f"{_TURBO}, at 1/2 to 1/8; cv2 bilinear, cropped first; {_EACH_CORE}",
    "photos_parallel": f"{_TENSORFLOW}, at 1/2 to 1/8; TensorFlow bilinear",
    "photos_turbo": f"{_TURBO}, at 1/2 to 1/8; cv2 bilinear, cropped first; {_EACH_CORE}",
    "torch, PIL": f"{_PIL}, smaller by `draft`; PIL bilinear with antialias; files",
    "torch, simplejpeg": f"{_TURBO}, smaller by `min_height` and `min_width`; cv2 bilinear; files",
}


def _smaller(loaders: Sequence[Loader]) -> list[Loader]:
    """The variants of some loaders of photos that decode large ones smaller."""
    return [
        replace(loader, name=f"{loader.name}, {size}", description=_SMALLER[loader.name], decode=size)
        for loader in loaders
        if loader.job == "photos" and loader.name in _SMALLER
        for size in (LEAST if loader.kind != "peer" else ("smallest",))
    ]


def _all(job: str) -> list[Loader]:
    """The loaders of a job; of our pipelines those whose first epoch shows their speed."""
    ceilings = [_ceiling(*row) for row in _CEILINGS if row[1] == job]
    ours = [
        _pipeline(name, job) for name, pipeline in PIPELINES.items() if pipeline.reads == job and not pipeline.cached
    ]
    loaders = [*ceilings, *ours, *(_peer(job, *row) for row in _PEERS)]
    return [*loaders, *_smaller(loaders)]


LOADERS: dict[str, Loader] = {loader.id: loader for job in JOBS for loader in _all(job)}
CEILINGS = {"photos": "photos/decode and resize", "records": "records/decode"}  # that each job is compared with


def select(
    jobs: Sequence[str] = (), names: Sequence[str] = (), *, scaled: bool = False, workers: bool = False
) -> list[Loader]:
    """Loaders of the given jobs, or of all; with `names` only those whose name holds one of them, and the ceilings.

    Args:
        jobs: Of `JOBS`.
        names: Parts of names.
        scaled: Whether those that decode large photos smaller are among them, in both ways.
        workers: Whether only those are that decode by as many threads or processes as they are told.

    Raises:
        InputError: If only ceilings are left.
    """
    selected = [
        loader
        for loader in LOADERS.values()
        if (not jobs or loader.job in jobs)
        and (scaled or not loader.decode)
        and (loader.takes_workers or not workers)
        and (not names or loader.kind == "ceiling" or any(name.lower() in loader.name.lower() for name in names))
    ]
    if all(loader.kind == "ceiling" for loader in selected):
        known = ", ".join(dict.fromkeys(loader.name for loader in LOADERS.values() if loader.kind != "ceiling"))
        meant = near(names[-1], (word for loader in LOADERS.values() for word in loader.name.split()))
        raise InputError(f"`--only` must be part of a name, one of {known}. Received: {', '.join(names)}{meant}")
    return selected
