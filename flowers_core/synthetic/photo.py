"""How one flower photograph is drawn: background, flowers in space, light, lens blur, sensor noise, JPEG.

Numpy and Pillow only. A picture is float32 (height, width, 3), display RGB in [0, 1].
"""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFile, ImageFilter

from flowers_core.synthetic import backgrounds, flowers

# (longer, shorter side) in pixels and weight, as counted in 1000 of the 3670 real photos.
SIZES = {
    (500, 333): 256, (500, 375): 45, (500, 347): 16, (500, 313): 15, (500, 281): 18,
    (320, 240): 230, (320, 213): 118, (320, 228): 39, (320, 256): 45,
    (240, 180): 73, (240, 240): 69, (240, 160): 37, (240, 221): 39,
}  # fmt: skip
UPRIGHT = {500: 0.0, 320: 0.0, 240: 0.7}  # share of upright photos by longer side, counted likewise
QUALITY = {500: 96, 320: 90, 240: 90}  # JPEG quality by longer side, read from the real quantisation tables
GRAIN = {500: 0.012, 320: 0.026, 240: 0.02}  # small photos were reduced by their site: more detail a pixel
SHARPNESS = 2  # flowers are drawn this many times larger and then reduced: smooth edges

# Petal colours (base, tip, rim) of each kind and their weights: several kinds share white, yellow and
# pink, so that colour alone does not tell them apart.
WHITE, CREAM = (0.9, 0.9, 0.89), (0.95, 0.9, 0.72)
YELLOW, GOLD, ORANGE = (0.96, 0.8, 0.08), (0.93, 0.62, 0.04), (0.94, 0.45, 0.1)
PINK, MAGENTA, RED = (0.93, 0.55, 0.68), (0.8, 0.2, 0.5), (0.75, 0.06, 0.1)
LILAC, PURPLE, RUST, PEACH = (0.75, 0.62, 0.88), (0.4, 0.12, 0.42), (0.5, 0.14, 0.05), (0.96, 0.7, 0.52)
GREENISH = (0.75, 0.78, 0.4)
TINTS = {
    "daisy": [(WHITE, WHITE, 9), (WHITE, PINK, 2), (PINK, PINK, 2), (LILAC, LILAC, 2), (MAGENTA, PINK, 1),
              (CREAM, YELLOW, 2), (ORANGE, ORANGE, 1)],
    "dandelion": [(GOLD, YELLOW, 6), (YELLOW, YELLOW, 3), (ORANGE, GOLD, 1)],
    "seed_head": [(WHITE, WHITE, 3), (CREAM, CREAM, 1)],
    "roses": [(RED, RED, 4), (PINK, PINK, 4), (WHITE, WHITE, 3), (GOLD, YELLOW, 3), (CREAM, PEACH, 2),
              (ORANGE, ORANGE, 2), (LILAC, LILAC, 1), (MAGENTA, MAGENTA, 1)],
    "sunflowers": [(GOLD, YELLOW, 8), (ORANGE, GOLD, 3), (YELLOW, CREAM, 2), (RUST, RUST, 2), (RUST, GOLD, 2),
                   (CREAM, WHITE, 1)],
    "tulips": [(RED, RED, 3), (YELLOW, YELLOW, 3), (PINK, PINK, 3), (WHITE, WHITE, 3), (PURPLE, PURPLE, 2),
               (GOLD, RED, 2), (WHITE, MAGENTA, 2), (ORANGE, ORANGE, 2), (GREENISH, LILAC, 1)],
}  # fmt: skip
SHAPES = {
    "daisy": flowers.daisy, "dandelion": flowers.dandelion, "seed_head": flowers.seed_head,
    "roses": flowers.rose, "sunflowers": flowers.sunflower, "tulips": flowers.tulip,
}  # fmt: skip
TILTS = {"roses": (0.1, 1.2), "tulips": (0.9, 1.65)}  # radians away from the viewer; tulips are seen from the side


def _pick(rng: np.random.Generator, weighted: list[tuple]) -> tuple:
    """Returns one of `weighted`, whose last items are the weights."""
    weights = np.array([row[-1] for row in weighted], float)
    return weighted[rng.choice(len(weighted), p=weights / weights.sum())]


def _turn(*, spin: float, tilt: float, roll: float) -> np.ndarray:
    """Returns the matrix that turns points around the flower's axis, away from the viewer, in the photo's plane."""
    whole = np.eye(3)
    for axes, angle in (((0, 1), spin), ((1, 2), tilt), ((0, 1), roll)):
        turn = np.eye(3)
        turn[np.ix_(axes, axes)] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        whole = turn @ whole
    return whole


def _lit(mesh: flowers.Mesh, light: np.ndarray, contrast: float) -> flowers.Mesh:
    """Returns the mesh with every quad shaded by its angle to the light; petals let some light through."""
    corners = mesh.corners
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
    facing = (normal * light).sum(axis=-1) * np.sign(normal[:, 2] + 1e-9)
    shade = 1 - contrast + contrast * (np.clip(facing, 0, 1) * 1.3 + 0.45 * np.clip(-facing, 0, 1))
    return flowers.Mesh(corners, mesh.colours * shade[:, None])


def _stem(
    rng: np.random.Generator, foot: np.ndarray, lean: np.ndarray, radius: float, height: int, green: np.ndarray
) -> flowers.Mesh:
    """Returns a round stem from the flower's foot down out of the photo, in pixels."""
    t = np.linspace(0, 1, 24)[:, None]
    below = height - foot[1] + 2 * radius
    bent = foot[:2] + lean * min(0.5 * below, 2 * radius)
    end = np.array([foot[0] + rng.normal(0, 0.12) * below, height + radius])
    line = (1 - t) ** 2 * foot[:2] + 2 * t * (1 - t) * bent + t**2 * end
    along = np.gradient(line, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=-1) / np.linalg.norm(along, axis=-1, keepdims=True)
    across = np.linspace(-1, 1, 7)
    points = line[:, None] + normal[:, None] * across[:, None] * radius * rng.uniform(0.035, 0.06)
    depth = np.broadcast_to(foot[2] - radius * 0.3 * np.arange(24)[:, None, None] / 24, (*points.shape[:2], 1))
    mesh = flowers.paint(np.concatenate([points, depth], axis=-1)[None], rng, green, green * 0.8)
    roundness = np.tile(1.05 - 0.5 * np.linspace(-1, 1, 6) ** 2, 23)[:, None]
    return flowers.Mesh(mesh.corners, mesh.colours * roundness)


def _plant(
    rng: np.random.Generator, kind: str, *, centre: np.ndarray, radius: float, size: tuple[int, int], scene: dict
) -> flowers.Mesh:
    """Returns one flower with stem and leaves as quads in pixels, x right, y down, z towards the viewer."""
    low, high = TILTS.get(kind, (0.0, 1.1))
    tilt, roll = rng.uniform(low, high), rng.normal(0, 0.2)
    fine = np.clip(0.1 * np.sqrt(radius), 0.4, 1.15) * (1 if scene["blur"] < 1 else 0.7)
    mesh = SHAPES[kind](rng, scene["tint"], scene["green"], fine)
    turn = _turn(spin=rng.uniform(0, 7), tilt=tilt, roll=roll)
    x, y, z = np.split(mesh.corners, 3, axis=-1)  # no matrix product: its threads cost more than they give
    corners = (x * turn[:, 0] + y * turn[:, 1] + z * turn[:, 2]) * radius + (*centre, 0)
    contrast = 0 if kind == "seed_head" else scene["contrast"]  # hairs have no side
    flower = _lit(flowers.Mesh(corners, mesh.colours), scene["light"], contrast)
    axis = turn[:, 2]
    foot = np.array([*centre, 0]) - axis * radius * (0.74 if kind == "tulips" else 0.12)
    lean = -axis[:2] / (np.linalg.norm(axis[:2]) + 0.3)
    parts = [flower, _stem(rng, foot, lean, radius, size[1], scene["green"])]
    if rng.random() < 0.6:
        leaves = flowers.sheets(
            rng.uniform(-2.6, -0.5, 4) + np.pi,
            base=(0.2, -0.9),
            blade=(rng.uniform(0.7, 1.8, 4), rng.uniform(0.1, 0.35)),
            bend=(rng.normal(0, 0.4, 4), rng.normal(0, 0.6, 4)),
            tip=(0.6, 0.8),
            cup=1.5,
        )
        leaves = leaves * radius + foot + (0, radius * rng.uniform(0.1, 1.0), 0)
        painted = flowers.paint(leaves, rng, scene["green"] * 0.8, scene["green"] * 1.1, uneven=0.1)
        parts.append(_lit(painted, scene["light"], scene["contrast"]))
    return flowers.join(parts)


def _rendered(mesh: flowers.Mesh, width: int, height: int, scale: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws quads from back to front.

    Returns:
        Colours float32 (height, width, 3), zero outside; cover and depth, float32 (height, width, 1) in [0, 1].
    """
    depth = mesh.corners[..., 2].mean(axis=1)
    order = np.argsort(depth, kind="stable")
    rank = np.clip((depth - depth.min()) / (np.ptp(depth) + 1e-6), 0, 1) * 254 + 1
    red, green, blue = (np.clip(mesh.colours, 0, 1) * 255).astype(np.int64).T
    inks = red | green << 8 | blue << 16 | rank.astype(np.int64) << 24
    # Four bands without a meaning for Pillow, which would multiply the colours of RGBA by the fourth.
    canvas = Image.new("CMYK", (width * scale, height * scale))
    draw = ImageDraw.Draw(canvas).polygon
    corners = (mesh.corners[order, :, :2] * scale).reshape(-1, 8).tolist()
    for corner, ink in zip(corners, inks[order].tolist(), strict=True):
        draw(corner, fill=ink)
    cover = canvas.getchannel("K").point([0] + [255] * 255)
    bands = np.asarray(canvas.reduce(scale), np.float32) / 255
    return bands[..., :3], np.asarray(cover.reduce(scale), np.float32)[..., None] / 255, bands[..., 3:]


def _shadowed(colours: np.ndarray, depth: np.ndarray, light: np.ndarray, radius: float) -> np.ndarray:
    """Darkens what lies behind nearer petals, more so away from the light."""
    near = Image.fromarray((depth[..., 0] * 255).astype(np.uint8))
    near = backgrounds.blur(near, radius * 0.1, ImageFilter.BoxBlur)
    near = np.roll(np.asarray(near, np.float32), (-light[1::-1] * radius * 0.06).astype(int), axis=(0, 1))
    return colours * (1 - np.clip((near[..., None] / 255 - depth) * 3, 0, 0.6))


def _place(
    rng: np.random.Generator, picture: np.ndarray, mesh: flowers.Mesh, *, blur: float, radius: float, light: np.ndarray
) -> None:
    """Puts a mesh in front of a picture, in place, `blur` pixels out of focus."""
    size = picture.shape[1::-1]
    margin = 3 * blur + 2
    low, high = mesh.corners[..., :2].min(axis=1), mesh.corners[..., :2].max(axis=1)
    seen = ((high > -margin) & (low < np.array(size) + margin)).all(axis=1)
    if not seen.any():
        return
    left, top = np.clip(low[seen].min(axis=0) - margin, 0, np.array(size) - 3).astype(int).tolist()
    right, bottom = np.clip(high[seen].max(axis=0) + margin, (left + 3, top + 3), size).astype(int).tolist()
    mesh = flowers.Mesh(mesh.corners[seen] - (left, top, 0), mesh.colours[seen])
    colours, cover, depth = _rendered(mesh, right - left, bottom - top, 1 if blur > 1.2 else SHARPNESS)
    colours = _shadowed(colours, depth, light, radius)
    colours *= 1 + 0.035 * backgrounds.noise(rng, right - left, bottom - top, max(right - left, bottom - top) / 2.2)
    if blur > 0.3:
        both = (np.clip(np.concatenate([colours, cover], axis=-1), 0, 1) * 255).astype(np.uint8)
        both = np.asarray(backgrounds.blur(Image.fromarray(both), blur), np.float32) / 255
        colours, cover = both[..., :3], both[..., 3:]
    part = picture[top:bottom, left:right]
    part *= 1 - cover
    part += colours


def _flowers(rng: np.random.Generator, picture: np.ndarray, kind: str) -> None:
    """Puts one to some ten flowers of one kind before a background, far ones first and less in focus."""
    height, width = picture.shape[:2]
    if kind == "dandelion" and rng.random() < 0.35:
        kind = "seed_head"
    angle, high = rng.uniform(0, 7), rng.uniform(0.5, 0.95)
    flat = np.sqrt(1 - high**2)
    scene: dict = {
        "light": np.array([flat * np.cos(angle), -abs(flat * np.sin(angle)), high]),
        "contrast": rng.uniform(0.25, 0.6),
        "green": np.array([rng.uniform(0.2, 0.45), rng.uniform(0.42, 0.6), rng.uniform(0.1, 0.3)]),
    }
    count = int(rng.choice([1, 2, 3, 5, 9], p=[0.55, 0.18, 0.12, 0.09, 0.06]))
    largest = min(width, height) * rng.choice([rng.uniform(0.28, 0.5), rng.uniform(0.5, 0.75)]) / count**0.35
    *tint, _ = _pick(rng, TINTS[kind])
    far = np.sort(rng.uniform(0, 1, count))[::-1] if count > 1 else np.zeros(1)
    for distance in far - far.min():
        radius = largest * (1 - 0.5 * distance) * (0.75 if kind == "tulips" else 1)
        spread = 0.12 if count == 1 else 0.3
        centre = np.clip(rng.normal(0.5, spread, 2), 0.1, 0.9) * (width, height * 0.9)
        scene["tint"] = [np.clip(np.array(colour) * rng.normal(1, 0.05, 3), 0, 1) for colour in (*tint, tint[-1])]
        scene["blur"] = distance * rng.uniform(0.01, 0.03) * width
        mesh = _plant(rng, kind, centre=centre, radius=radius, size=(width, height), scene=scene)
        _place(rng, picture, mesh, blur=scene["blur"], radius=radius, light=scene["light"])


def _exposed(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Returns what the camera makes of a picture, uint8: white balance, exposure, tone, fall-off of light, noise."""
    height, width = picture.shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corners = (1 - rng.uniform(0, 0.25) * (x**2 + y**2)).astype(np.float32)[..., None]
    gain = (rng.normal(1, 0.05, 3) * rng.lognormal(0.06, 0.16)).astype(np.float32)
    picture = np.clip(picture * corners * gain, 0, 1)
    picture *= 1 + rng.uniform(-0.25, 0.4) * (1 - picture)
    grain = rng.lognormal(np.log(GRAIN[max(width, height)]), 0.75)
    picture += grain * rng.standard_normal((height, width, 1), dtype=np.float32)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def draw(kind: str, seed: np.random.SeedSequence) -> bytes:
    """Draws one photo.

    Args:
        kind: One of `daisy`, `dandelion`, `roses`, `sunflowers`, `tulips`.
        seed: Decides everything else about the photo.

    Returns:
        A baseline JPEG file.
    """
    rng = np.random.default_rng(seed)
    longer, shorter, _ = _pick(rng, [(*size, weight) for size, weight in SIZES.items()])
    width, height = (shorter, longer) if rng.random() < UPRIGHT[longer] else (longer, shorter)
    picture = backgrounds.draw(rng, width, height)
    _flowers(rng, picture, kind)
    file = io.BytesIO()
    image = Image.fromarray(_exposed(rng, picture))
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 3 * width * height)  # or Pillow gives up on a large optimised JPEG
    image.save(file, "JPEG", quality=QUALITY[longer], subsampling="4:4:4", optimize=True)
    return file.getvalue()
