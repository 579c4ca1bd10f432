"""Demand and supply in images/s: what each model could use, what this host delivers, and what would close a gap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.input.stall.accelerators import Workload, is_step
from bench.input.stall.stages import Stages
from bench.results.cell import GIVEN, NO_MODEL, Cell
from bench.results.summary import Summary
from flowers_core.input import cache
from flowers_core.input.registry import PIPELINES, Pipeline

CORES = (1, 2, 4, 8, 16, 32, 64)
SIZES = (96, 128, 160, 192, 224, 256, 331)


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What a pipeline alone delivers on this host.

    Attributes:
        pipeline: One of `flowers_core.input.registry.PIPELINES`.
        image_size: Side of the images in pixels.
        images_per_second: What it delivers.
        cpu_seconds: CPU seconds per image.
        cores: That it may use.
        images: How many there are to read.
    """

    pipeline: str
    image_size: int
    images_per_second: float
    cpu_seconds: float
    cores: int
    images: int

    @property
    def row(self) -> Pipeline:
        """What is known of the pipeline; of a user's own not even whether more cores would help."""
        return PIPELINES.get(self.pipeline) or Pipeline(build="", reads=GIVEN, serial=True)

    @property
    def scales(self) -> bool:
        """Whether more cores would help."""
        return not self.row.serial

    def at(self, cores: int) -> float | None:
        """Images/s on so many cores, computed as if each core added the same; None where it uses only one."""
        if not self.scales:
            return self.images_per_second if cores <= self.cores else None
        return self.images_per_second * cores / self.cores


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a model on a device trains on if it never waits.

    Attributes:
        model: Its name.
        device: Its name.
        batch_size: Images per step.
        image_size: Side of the images in pixels.
        images_per_second: How many.
        origin: `measured` here or elsewhere, or `published`.
    """

    model: str
    device: str
    batch_size: int
    image_size: int
    images_per_second: float
    origin: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one demand is met best.

    Attributes:
        demand: Which.
        supply: The fastest pipeline that keeps nothing between epochs; None where none delivers this image size.
        cores: That it needs to meet the demand: images/s times CPU seconds per image. None without a supply.
        cache_bytes: What all images take decoded; None without a supply.
        cache_fits: Whether training would keep them in memory, see `flowers_core.input.cache`.
        cached: The fastest pipeline that keeps decoded images, once it has; None where none was measured.
        image_size: The largest of `SIZES` at which the supply would keep up, computed; None if none or unknown.
    """

    demand: Demand
    supply: Supply | None
    cores: float | None = None
    cache_bytes: int | None = None
    cache_fits: bool = False
    cached: Supply | None = None
    image_size: int | None = None

    @property
    def coverage(self) -> float | None:
        """Supply over demand: from 1 on it is met, by cores that do nothing else."""
        return self.supply.images_per_second / self.demand.images_per_second if self.supply else None


def supplies(summaries: Iterable[Summary]) -> list[Supply]:
    """Pipelines alone; of each at each image size the fastest batch size."""
    fastest: dict[tuple[str, int], Supply] = {}
    for summary in summaries:
        cell = summary.cell
        if cell.model != NO_MODEL or summary.images_per_second is None or summary.cpu_seconds is None:
            continue
        if cell.input_options:  # training reads by the pipeline as it is
            continue
        supply = Supply(
            pipeline=cell.pipeline,
            image_size=cell.image_size,
            images_per_second=summary.images_per_second,
            cpu_seconds=summary.cpu_seconds / cell.batch_size,
            cores=summary.measurement.machine.get("usable_cores") or 1,
            images=summary.measurement.data.get("images", 0),
        )
        fastest[cell.pipeline, cell.image_size] = max(
            fastest.get((cell.pipeline, cell.image_size), supply), supply, key=_images_per_second
        )
    return list(fastest.values())


def demands(summaries: Iterable[Summary], workloads: Iterable[Workload]) -> list[Demand]:
    """Training steps on a resident batch, the fastest cell of each model and device, and emulated accelerators."""
    fastest: dict[tuple, Demand] = {}
    for summary in summaries:
        cell = summary.cell
        if is_step(summary) and summary.images_per_second is not None:
            demand = _demand(cell, cell.device, summary.images_per_second, "measured")
            key = cell.model, cell.device, cell.image_size
            fastest[key] = max(fastest.get(key, demand), demand, key=_images_per_second)
    others = [_demand(load, load.accelerator, load.images_per_second, load.origin) for load in workloads]
    return [*fastest.values(), *others]


def _demand(of: Cell | Workload, device: str, images_per_second: float, origin: str) -> Demand:
    """The demand of a cell or a workload."""
    return Demand(
        model=of.model,
        device=device,
        batch_size=of.batch_size,
        image_size=of.image_size,
        images_per_second=images_per_second,
        origin=origin,
    )


def _images_per_second(rated: Supply | Demand) -> float:
    return rated.images_per_second


def plan(demand: Demand, available: Sequence[Supply], *, memory_bytes: int, stages: dict[str, Stages]) -> Plan:
    """The plan for one demand.

    Args:
        demand: What is to be met.
        available: Pipelines of this host.
        memory_bytes: Of this host.
        stages: Costs of stages by kind, `photos` or `records`.
    """
    able = [supply for supply in available if supply.image_size == demand.image_size]
    cached = [supply for supply in able if supply.row.cached]
    supply = max((supply for supply in able if supply not in cached), key=_images_per_second, default=None)
    if supply is None:
        return Plan(demand=demand, supply=None)
    cache_bytes = supply.images * demand.image_size**2 * 3
    return Plan(
        demand=demand,
        supply=supply,
        cores=demand.images_per_second * supply.cpu_seconds,
        cache_bytes=cache_bytes,
        cache_fits=cache_bytes <= cache.MEMORY_SHARE * memory_bytes,
        cached=max(cached, key=_images_per_second, default=None),
        image_size=_smaller(demand, supply, stages.get(supply.row.reads)),
    )


def _smaller(demand: Demand, supply: Supply, costs: Stages | None) -> int | None:
    """The largest image size below the demand's at which its rate would be reached."""
    sizes = [size for size in SIZES if size < demand.image_size]
    enough = (size for size in reversed(sizes) if (resize(supply, size, costs) or 0) >= demand.images_per_second)
    return next(enough, None)


def resize(supply: Supply, image_size: int, costs: Stages | None) -> float | None:
    """Images/s at another image size, computed from the measured costs of stages; None where there are none."""
    if costs is None or costs.status != "ok":
        return None
    return supply.images_per_second * costs.at(supply.image_size) / costs.at(image_size)
