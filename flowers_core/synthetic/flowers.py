"""Flowers of five kinds as small surfaces in space: every petal is a bent sheet, cut into coloured quads.

A flower stands in its own frame: its axis is z, the viewer looks from +z once it is posed, its radius
is about 1. Colours are display RGB in [0, 1].
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

GOLDEN_ANGLE = 2.399963  # radians; the angle at which plants place one seed or petal after another

Values = float | np.ndarray
Pair = tuple[Values, Values]


class Mesh(NamedTuple):
    """Quads of a flower: `corners` (m, 4, 3) and `colours` (m, 3), both float."""

    corners: np.ndarray
    colours: np.ndarray


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Returns one mesh that holds all the quads of `meshes`."""
    return Mesh(*(np.concatenate(parts) for parts in zip(*meshes, strict=True)))


def sheets(
    azimuth: np.ndarray,
    *,
    base: Pair,
    blade: Pair,
    bend: Pair,
    cup: Values = 0.3,
    tip: tuple[float, float] = (0.6, 0.4),
    grid: tuple[int, int] = (8, 5),
) -> np.ndarray:
    """Returns petals as bent sheets around the axis.

    Args:
        azimuth: Direction of each petal around the axis in radians, shape (n,).
        base: Where a petal starts: (distance from the axis, height), scalars or (n,).
        blade: (length, half width), scalars or (n,).
        bend: (elevation at the base, its change up to the tip) in radians, scalars or (n,).
        cup: Curvature across the petal, 1 / radius; positive bends the edges towards the axis.
        tip: Exponents (a, b) of the outline u^a (1 - u)^b; a small b is blunt, a large one pointed.
        grid: Points along and across each petal.

    Returns:
        Points, shape (n, grid[0], grid[1], 3).
    """
    u, v = np.linspace(0, 1, grid[0]), np.linspace(-1, 1, grid[1])
    away, height, length, half, rise, curl, cup = (
        np.broadcast_to(value, azimuth.shape)[:, None] for value in (*base, *blade, *bend, cup)
    )
    outline = (u + 0.02) ** tip[0] * (1.02 - u) ** tip[1]
    across = (half * outline / outline.max())[..., None] * v
    cup = np.where(np.abs(cup) < 1e-3, 1e-3, cup)[..., None]
    side, inward = np.sin(cup * across) / cup, (1 - np.cos(cup * across)) / cup
    middle, slope = rise + curl * u / 2, (rise + curl * u)[..., None]
    radial = (away + length * u * np.cos(middle))[..., None] - np.sin(slope) * inward
    z = (height + length * u * np.sin(middle))[..., None] + np.cos(slope) * inward
    cos, sin = np.cos(azimuth)[:, None, None], np.sin(azimuth)[:, None, None]
    return np.stack([radial * cos - side * sin, radial * sin + side * cos, z], axis=-1)


def paint(
    points: np.ndarray,
    rng: np.random.Generator,
    inner: np.ndarray,
    outer: np.ndarray,
    *,
    edge: np.ndarray | None = None,
    uneven: float = 0.06,
) -> Mesh:
    """Cuts sheets into quads and colours them from `inner` at the base to `outer` at the tip.

    Args:
        points: Sheets, shape (n, rows, columns, 3).
        rng: Source of the differences between petals and between their veins.
        inner: Colour at the base, shape (3,).
        outer: Colour at the tip, shape (3,).
        edge: Colour of the rim, or None for a rim like the rest.
        uneven: Standard deviation of a petal's brightness.

    Returns:
        The quads; brightness varies from petal to petal and from vein to vein.
    """
    count, rows, columns = points.shape[0], points.shape[1] - 1, points.shape[2] - 1
    u = ((np.arange(rows) + 0.5) / rows)[None, :, None, None]
    colours = np.asarray(inner) * (1 - u) + np.asarray(outer) * u
    if edge is not None:
        v = np.abs(np.linspace(-1, 1, columns))[None, None, :, None]
        rim = np.clip(1.6 * np.maximum(v, u**3) ** 2 - 0.5, 0, 1)
        colours = colours * (1 - rim) + np.asarray(edge) * rim
    petal = rng.normal(1, uneven, (count, 1, 1, 1)) + rng.normal(0, uneven / 3, (count, 1, 1, 3))
    veins = rng.normal(1, uneven / 2, (count, 1, columns, 1))
    colours = np.broadcast_to(colours * petal * veins, (count, rows, columns, 3)).reshape(-1, 3)
    corners = np.stack([points[:, :-1, :-1], points[:, 1:, :-1], points[:, 1:, 1:], points[:, :-1, 1:]], axis=3)
    return Mesh(corners.reshape(-1, 4, 3), colours)


def _grid(rows: int, columns: int, fine: float) -> tuple[int, int]:
    """Returns fewer points along and across a petal where `fine` < 1; the number of columns stays odd."""
    return max(4, round(rows * fine)), max(1, round(columns * fine / 2)) * 2 + 1


def ring(rng: np.random.Generator, count: int, *, jitter: float = 0.35) -> np.ndarray:
    """Returns `count` directions around the axis in radians, evenly spread but for a random `jitter`."""
    return (np.arange(count) + rng.normal(0, jitter, count)) * (2 * np.pi / count) + rng.uniform(0, 7)


def disc(
    rng: np.random.Generator, *, radius: float, height: float, count: int, colours: tuple[np.ndarray, np.ndarray]
) -> Mesh:
    """Returns the middle of a composite flower: florets on a dome, placed as plants place them.

    Args:
        rng: Source of the florets' differences.
        radius: Of the disc.
        height: Of the dome at its middle.
        count: Florets.
        colours: (middle, rim), each of shape (3,).
    """
    share = (np.arange(count) + 0.5) / count
    away, angle = radius * np.sqrt(share), np.arange(count) * GOLDEN_ANGLE
    size = 0.95 * radius / np.sqrt(count) * rng.uniform(0.8, 1.2, count)
    centre = np.stack([away * np.cos(angle), away * np.sin(angle), height * (1 - share**1.5)], axis=-1)
    turn = angle[:, None] + np.arange(4) * (np.pi / 2)
    flat = np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], axis=-1)
    hue = colours[0] * (1 - share[:, None]) + colours[1] * share[:, None]
    hue = hue * rng.normal(1, 0.14, (count, 1))
    under = centre[:, None] + flat * 1.9 * size[:, None, None]
    over = centre[:, None] + flat * 0.95 * size[:, None, None] + np.array([0, 0, 1.2]) * size[:, None, None]
    return Mesh(np.concatenate([under, over]), np.concatenate([hue * 0.55, hue * 1.12]))


def sepals(rng: np.random.Generator, green: np.ndarray, *, length: float, height: float, count: int = 9) -> Mesh:
    """Returns the green leaves that hold the flower from below."""
    points = sheets(
        ring(rng, count), base=(0.03, height), blade=(length, 0.13), bend=(-0.2, 0.5), tip=(0.3, 0.9), grid=(5, 3)
    )
    return paint(points, rng, green * 0.7, green)


def daisy(rng: np.random.Generator, tint: Sequence[np.ndarray], green: np.ndarray, fine: float) -> Mesh:
    """Returns a daisy: narrow rays in one or two rows around a yellow disc."""
    count, radius = int(rng.integers(15, 30)), rng.uniform(0.22, 0.3)
    rise, curl = rng.uniform(-0.25, 0.4), rng.uniform(-0.5, 0.15)
    half = rng.uniform(0.075, 0.1) * (22 / count) ** 0.6
    rows = []
    for row in range(int(rng.integers(1, 3))):
        length = rng.normal(0.76 - 0.06 * row, 0.04, count)
        points = sheets(
            ring(rng, count),
            base=(radius * 0.85, rng.uniform(-0.04, 0.02, count) + 0.03 * row),
            blade=(length, half * rng.uniform(0.85, 1.2, count)),
            bend=(rng.normal(rise, 0.08, count), rng.normal(curl, 0.12, count)),
            cup=rng.uniform(-2, 3),
            tip=(0.35, 0.22),
            grid=_grid(8, 4, fine),
        )
        rows.append(paint(points, rng, tint[0], tint[1]))
    yellow = np.array([0.93, rng.uniform(0.6, 0.78), 0.08])
    middle = disc(rng, radius=radius, height=0.12, count=130, colours=(yellow * [0.85, 1, 1], yellow))
    return join([*rows, middle, sepals(rng, green, length=0.4, height=-0.12)])


def sunflower(rng: np.random.Generator, tint: Sequence[np.ndarray], green: np.ndarray, fine: float) -> Mesh:
    """Returns a sunflower: two rows of broad pointed rays around a wide dark disc."""
    count, radius = int(rng.integers(15, 25)), rng.uniform(0.4, 0.55)
    rows = []
    for row in range(2):
        points = sheets(
            ring(rng, count),
            base=(radius * 0.88, rng.uniform(-0.05, 0.03, count) - 0.05 * row),
            blade=(rng.normal(1.08 - radius, 0.06, count), rng.uniform(0.1, 0.15, count)),
            bend=(rng.normal(0.25, 0.15, count), rng.normal(-0.4, 0.3, count)),
            cup=rng.uniform(1, 4),
            tip=(0.45, 0.75),
            grid=_grid(8, 4, fine),
        )
        rows.append(paint(points, rng, tint[0], tint[1], uneven=0.09))
    brown = np.array([0.25, 0.14, 0.06]) * rng.uniform(0.6, 1.5)
    middle = np.array([0.4, 0.36, 0.12]) if rng.random() < 0.4 else brown * 0.7
    outer = disc(rng, radius=radius, height=0.1, count=330, colours=(middle, brown * [1.9, 1.6, 0.8]))
    return join([*rows, outer, sepals(rng, green, length=0.95, height=-0.15, count=13)])


def dandelion(rng: np.random.Generator, tint: Sequence[np.ndarray], green: np.ndarray, fine: float) -> Mesh:
    """Returns a dandelion in flower: some hundred strap-shaped florets from flat to upright."""
    count = int(rng.integers(180, 260))
    middle = np.linspace(0, 1, count) ** rng.uniform(0.8, 1.4)
    opened = rng.uniform(-0.1, 0.35)
    points = sheets(
        np.arange(count) * GOLDEN_ANGLE,
        base=(0.12 * (1 - middle), 0.1 * middle),
        blade=(rng.normal(1, 0.07, count) * (0.98 - 0.55 * middle), 0.048),
        bend=(opened + 1.2 * middle + rng.normal(0, 0.1, count), rng.normal(-0.15, 0.2, count)),
        cup=4.0,
        tip=(0.25, 0.12),
        grid=_grid(4, 2, fine),
    )
    florets = paint(points, rng, tint[0], tint[1], uneven=0.1)
    gold = np.asarray(tint[0]) * 0.92
    heart = disc(rng, radius=0.3, height=0.32, count=90, colours=(gold * 0.85, gold))
    return join([florets, heart, sepals(rng, green, length=0.6, height=-0.15, count=14)])


def seed_head(rng: np.random.Generator, tint: Sequence[np.ndarray], green: np.ndarray, fine: float) -> Mesh:
    """Returns a dandelion in seed: a ball of stalks, each with a small parachute of hairs."""
    count, hairs = int(rng.integers(110, 150)), max(5, round(11 * fine))
    z = 1 - 2 * (np.arange(count) + 0.5) / count
    angle = np.arange(count) * GOLDEN_ANGLE
    ray = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=-1)
    ray = ray[rng.random(count) < rng.choice([1.0, 1.0, 0.75])][:, None]
    spread = rng.normal(0, 0.16, (len(ray), hairs, 3))
    foot = np.broadcast_to(0.74 * ray, spread.shape)
    ends = rng.normal(0.98, 0.03, (len(ray), 1, 1)) * (ray + spread) / np.linalg.norm(ray + spread, axis=-1)[..., None]
    thin = np.array([0.006, 0.006, 0])
    parachutes = np.stack([foot, ends, ends + thin, foot + thin], axis=-2).reshape(-1, 4, 3)
    stalks = np.stack([0.12 * ray, 0.74 * ray, 0.74 * ray + thin, 0.12 * ray + thin], axis=-2).reshape(-1, 4, 3)
    core = disc(rng, radius=0.16, height=0.1, count=60, colours=(np.array([0.4, 0.3, 0.2]),) * 2)
    white = Mesh(parachutes, np.broadcast_to(tint[1], (len(parachutes), 3)))
    grey = Mesh(stalks, np.broadcast_to(np.asarray(tint[1]) * 0.7, (len(stalks), 3)))
    return join([grey, core, white, sepals(rng, green, length=0.3, height=-0.1)])


def rose(rng: np.random.Generator, tint: Sequence[np.ndarray], green: np.ndarray, fine: float) -> Mesh:
    """Returns a rose: petals wound in a spiral, upright in the middle, opened and rolled back outside."""
    count = int(rng.integers(22, 34))
    out = np.linspace(0, 1, count) ** rng.uniform(0.9, 1.2)
    opened = rng.uniform(0.75, 1.25)
    away = 0.03 + 0.34 * out
    points = sheets(
        np.arange(count) * GOLDEN_ANGLE + rng.normal(0, 0.15, count),
        base=(away, 0.12 * (1 - out) - 0.1 * out),
        blade=(0.42 + 0.32 * out, 0.16 + 0.38 * out),
        bend=(1.62 - opened * 0.75 * out, -0.05 - 0.9 * opened * out**1.5 + rng.normal(0, 0.08, count)),
        cup=0.8 / (0.07 + 0.5 * out),
        tip=(0.3, 0.16),
        grid=_grid(10, 10, fine),
    )
    points[..., 2] += 0.02 * np.sin(points[..., 0] * 17 + points[..., 1] * 13)  # petals are wavy
    base, outer = np.asarray(tint[0]) * 0.78, np.asarray(tint[1])
    heart = disc(rng, radius=0.34, height=0.04, count=40, colours=(base * 0.6, base * 0.6))
    spiral = paint(points, rng, base, outer, edge=outer * 1.08, uneven=0.04)
    return join([spiral, heart, sepals(rng, green, length=0.6, height=-0.2, count=5)])


def tulip(rng: np.random.Generator, tint: Sequence[np.ndarray], green: np.ndarray, fine: float) -> Mesh:
    """Returns a tulip: three petals inside three, closed to an egg or opened to a cup."""
    opened = rng.choice([rng.uniform(0, 0.3), rng.uniform(0.3, 0.95)], p=[0.65, 0.35])
    start = rng.uniform(0, 7)
    whorls = []
    for whorl in range(2):
        azimuth = start + np.arange(3) * (2 * np.pi / 3) + whorl * np.pi / 3 + rng.normal(0, 0.06, 3)
        points = sheets(
            azimuth,
            base=(0.06 + 0.08 * whorl, -0.75),
            blade=(rng.normal(1.55 + 0.05 * whorl, 0.04, 3), rng.uniform(0.5, 0.62)),
            bend=(0.55 - 0.3 * opened + rng.normal(0, 0.04, 3), 1.6 - 1.0 * opened - 0.06 * whorl),
            cup=1.55 - 0.5 * opened,
            tip=(0.62, rng.uniform(0.4, 0.75)),
            grid=_grid(15, 14, fine),
        )
        whorls.append(paint(points, rng, tint[0], tint[1], edge=tint[2], uneven=0.05))
    pistil = sheets(ring(rng, 6), base=(0.05, -0.7), blade=(0.5, 0.04), bend=(1.3, 0.1), tip=(0.2, 0.2))
    return join([*whorls, paint(pistil, rng, green, np.array([0.15, 0.1, 0.08]))])
