"""What each model eats on its device against what this host delivers: cores needed, or a cache, or smaller images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.input.stall.emulate import Consumer
from bench.input.stall.stages import Stages
from bench.results.cell import NO_MODEL, RESIDENT, is_cached
from bench.results.summary import Summary
from flowers_core.input import cache
from flowers_core.input.registry import PIPELINES

CORES = (1, 2, 4, 8, 16, 32, 64)
SIZES = (96, 128, 160, 192, 224, 256, 331)


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A pipeline alone on this host.

    Attributes:
        pipeline: One of `flowers_core.input.registry.PIPELINES`.
        image_size: Side of the images in pixels.
        images_per_second: What it delivers.
        cpu_seconds: CPU seconds an image.
        cores: That it might use.
        images: How many there are to read.
    """

    pipeline: str
    image_size: int
    images_per_second: float
    cpu_seconds: float
    cores: int
    images: int

    @property
    def scales(self) -> bool:
        """Whether more cores would help."""
        return not PIPELINES[self.pipeline].serial

    def at(self, cores: int) -> float | None:
        """Images a second on so many cores, computed as if each core added the same; None where it uses one only."""
        if not self.scales:
            return self.images_per_second if cores <= self.cores else None
        return self.images_per_second * cores / self.cores


@dataclass(frozen=True, kw_only=True)
class Eater:
    """A model on a device.

    Attributes:
        model: Its name.
        device: Its name.
        batch_size: Images a step.
        image_size: Side of the images in pixels.
        images_per_second: What it eats if it never waits.
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
    """How one eater is fed best.

    Attributes:
        eater: Who.
        provider: The fastest pipeline that keeps nothing between epochs; None where none delivers this image size.
        cores: That it needs for this: images a second times CPU seconds an image. None without a provider.
        cache_bytes: What all images take decoded; None without a provider.
        cache_fits: Whether training would keep them in memory, see `flowers_core.input.cache`.
        cached: The fastest pipeline that keeps decoded images, once it has; None where none was measured.
        image_size: The largest of `SIZES` at which the provider would keep up, computed; None if none or not known.
    """

    eater: Eater
    provider: Provider | None
    cores: float | None = None
    cache_bytes: int | None = None
    cache_fits: bool = False
    cached: Provider | None = None
    image_size: int | None = None

    @property
    def fed(self) -> float | None:
        """What is delivered over what is eaten: from 1 on it is fed, by cores that do nothing else."""
        return self.provider and self.provider.images_per_second / self.eater.images_per_second


def providers(summaries: Iterable[Summary]) -> list[Provider]:
    """Pipelines alone; of each at each image size the fastest batch size."""
    found: dict[tuple[str, int], Provider] = {}
    for one in summaries:
        cell = one.cell
        if cell.model != NO_MODEL or one.status != "ok":
            continue
        made = Provider(
            pipeline=cell.pipeline,
            image_size=cell.image_size,
            images_per_second=one.images_per_second,
            cpu_seconds=one.cpu_seconds / cell.batch_size,
            cores=one.measurement.machine.get("usable_cores") or 1,
            images=one.measurement.data.get("images", 0),
        )
        before = found.get((cell.pipeline, cell.image_size))
        if before is None or before.images_per_second < made.images_per_second:
            found[cell.pipeline, cell.image_size] = made
    return list(found.values())


def eaters(summaries: Iterable[Summary], consumers: Iterable[Consumer]) -> list[Eater]:
    """Training steps on a resident batch, the hungriest cell of each model and device, and emulated accelerators."""
    found: dict[tuple, Eater] = {}
    for one in summaries:
        cell = one.cell
        if one.status != "ok" or (cell.mode, cell.pipeline) != ("train", RESIDENT) or cell.model == NO_MODEL:
            continue
        key = cell.model, cell.device, cell.image_size
        if key not in found or found[key].images_per_second < one.images_per_second:
            found[key] = Eater(
                model=cell.model,
                device=cell.device,
                batch_size=cell.batch_size,
                image_size=cell.image_size,
                images_per_second=one.images_per_second,
                origin="measured",
            )
    others = [
        Eater(
            model=one.model,
            device=one.accelerator,
            batch_size=one.batch_size,
            image_size=one.image_size,
            images_per_second=one.images_per_second,
            origin=one.origin,
        )
        for one in consumers
    ]
    return [*found.values(), *others]


def plan(eater: Eater, found: Sequence[Provider], *, memory_bytes: int, stages: dict[str, Stages]) -> Plan:
    """The plan for one eater.

    Args:
        eater: Who is to be fed.
        found: Pipelines of this host.
        memory_bytes: Of this host.
        stages: Costs of stages by kind, `photos` or `records`.
    """
    able = [one for one in found if one.image_size == eater.image_size]
    provider = max(
        (one for one in able if not is_cached(one.pipeline)), key=lambda one: one.images_per_second, default=None
    )
    if provider is None:
        return Plan(eater=eater, provider=None)
    size = provider.images * eater.image_size**2 * 3
    return Plan(
        eater=eater,
        provider=provider,
        cores=eater.images_per_second * provider.cpu_seconds,
        cache_bytes=size,
        cache_fits=size <= cache.MEMORY_SHARE * memory_bytes,
        cached=max(
            (one for one in able if is_cached(one.pipeline)), key=lambda one: one.images_per_second, default=None
        ),
        image_size=_smaller(eater, provider, stages.get(PIPELINES[provider.pipeline].reads)),
    )


def _smaller(eater: Eater, provider: Provider, costs: Stages | None) -> int | None:
    """The largest image size below the eater's at which its rate would be reached."""
    sizes = [size for size in SIZES if size < eater.image_size]
    return next(
        (size for size in reversed(sizes) if (resized(provider, size, costs) or 0) >= eater.images_per_second), None
    )


def resized(provider: Provider, image_size: int, costs: Stages | None) -> float | None:
    """Images a second at another image size, computed from the measured costs of stages; None where there are none."""
    if costs is None or costs.status != "ok":
        return None
    return provider.images_per_second * costs.at(provider.image_size) / costs.at(image_size)
