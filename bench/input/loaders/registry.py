"""What races: limits, our pipelines and other loaders, each with what it decodes and scales by."""

from dataclasses import dataclass

from flowers_core.errors import InputError, one_of
from flowers_core.input.registry import PIPELINES

JOBS = {"photos": "native photos", "records": "records"}
SIDES = ("limit", "ours", "peer", "ingredient")


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One way to make batches of a job's images.

    Attributes:
        name: As the table shows it.
        side: `limit`, `ours`, `peer`, or `ingredient`: the limit with one thing done otherwise.
        job: `photos` (native JPEGs, to be scaled) or `records` (JPEGs of the right size).
        module: Room of `bench.input.loaders` whose `draw` makes the batches.
        way: What that room is to do.
        does: Decoder, resize and container, in a few words.
    """

    name: str
    side: str
    job: str
    module: str
    way: str
    does: str

    def __post_init__(self):
        one_of("side", self.side, SIDES)
        one_of("job", self.job, JOBS)

    @property
    def id(self) -> str:
        """Names the lane among those of both jobs."""
        return f"{self.job}/{self.name}"


_TURBO, _PIL = "libjpeg-turbo (simplejpeg), fast DCT", "libjpeg-turbo (PIL), slow DCT"
_TENSORFLOW = "libjpeg-turbo (TensorFlow), fast DCT"
_SCALED = {"cv2": "cv2 bilinear", "PIL": "PIL bilinear with antialias", "TensorFlow": "TensorFlow bilinear"}

# What each of our pipelines decodes and scales by.
_OURS = {
    "photos_turbo": f"{_TURBO}; {_SCALED['cv2']}, cut first; a process a core",
    "records_turbo": f"{_TURBO}; a process a core; records read past TensorFlow, checksums tested",
}


def _limits() -> list[Lane]:
    bare = {
        ("photos", "decode and resize"): f"{_TURBO}; {_SCALED['cv2']}, cut first",
        ("photos", "decode alone"): _TURBO,
        ("photos", "page cache"): "files read, nothing done",
        ("records", "decode"): _TURBO,
        ("records", "page cache"): "files read, nothing done",
    }
    return [
        Lane(name=name, side="limit", job=job, module="decode_ceiling", way=name, does=f"{does}; a process a core")
        for (job, name), does in bare.items()
    ]


def _ingredients() -> list[Lane]:
    """What each thing gains that the limit does: its share of the limit without it."""
    without = {
        ("photos", "slow DCT"): "the slow integer DCT instead of the fast one",
        ("photos", "scale all"): "all of the photo scaled, its middle cut out afterwards",
        ("photos", "fresh memory"): "memory asked of the system for each photo and batch",
        ("records", "slow DCT"): "the slow integer DCT instead of the fast one, and copied into the batch",
        ("records", "fresh memory"): "memory asked of the system for each image and batch, and copied",
        ("records", "copied"): "decoded elsewhere, then copied into the batch",
    }
    return [
        Lane(name=name, side="ingredient", job=job, module="ingredients", way=name, does=f"{does}; a process a core")
        for (job, name), does in without.items()
    ]


def _ours() -> list[Lane]:
    """Our pipelines in their first epoch: those that only a later one shows are left out."""
    return [
        Lane(
            name=name,
            side="ours",
            job=pipeline.reads,
            module="flowers",
            way=name,
            does=_OURS.get(name, _TENSORFLOW + (f"; {_SCALED['TensorFlow']}" if pipeline.reads == "photos" else "")),
        )
        for name, pipeline in PIPELINES.items()
        if not pipeline.cached
    ]


def _peers() -> list[Lane]:
    rooms = {
        "torch, PIL": ("torch_loader", "PIL", _PIL, "files"),
        "torch, simplejpeg": ("torch_loader", "cv2", _TURBO, "files"),
        "grain": ("grain_loader", "cv2", _TURBO, "array_record"),
        "webdataset": ("webdataset_loader", "cv2", _TURBO, "tar, through torch's DataLoader"),
        "DALI": ("dali_loader", "DALI", "libjpeg-turbo (nvImageCodec), fast DCT", "files"),
        "ffcv": ("ffcv_loader", "ffcv", "libjpeg-turbo (ffcv)", "beton"),
    }
    scaled = {**_SCALED, "DALI": "DALI bilinear", "ffcv": "cv2 area"}
    return [
        Lane(
            name=name,
            side="peer",
            job=job,
            module=module,
            way=way,
            does=f"{decoder}; {scaled[way]}; {container}" if job == "photos" else f"{decoder}; {container}",
        )
        for job in JOBS
        for name, (module, way, decoder, container) in rooms.items()
    ]


LANES = tuple(sorted((*_limits(), *_ours(), *_peers(), *_ingredients()), key=lambda lane: list(JOBS).index(lane.job)))
LIMITS = {"photos": "decode and resize", "records": "decode"}  # which limit each job is held against


def named(lane_id: str) -> Lane:
    """The lane of an id.

    Raises:
        InputError: If there is none.
    """
    one_of("lane", lane_id, [lane.id for lane in LANES])
    return next(lane for lane in LANES if lane.id == lane_id)


def chosen(jobs=(), words=(), *, ingredients: bool = False) -> list[Lane]:
    """Lanes of some jobs, all if none are named; with words only those whose name has one of them, and the limits.

    Ingredients race instead of loaders, never beside them.

    Raises:
        InputError: If no lane but limits is left.
    """
    found = [
        lane
        for lane in LANES
        if (not jobs or lane.job in jobs)
        and (lane.side == "limit" or (lane.side == "ingredient") == ingredients)
        and (not words or lane.side == "limit" or any(word.lower() in lane.name.lower() for word in words))
    ]
    if all(lane.side == "limit" for lane in found):
        names = ", ".join(dict.fromkeys(lane.name for lane in LANES if lane.side != "limit"))
        raise InputError(f"`--only` must be part of a name, one of {names}. Received: {', '.join(words)}")
    return found
