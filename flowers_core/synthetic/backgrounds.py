"""What stands behind the flowers: grass, leaves, sky, soil, wall, bokeh; soft pictures made from few random numbers.

Every background is a function `(rng, width, height) -> picture`, float32 (height, width, 3), display RGB,
about in [0, 1]. None knows which flower will stand before it.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def noise(rng: np.random.Generator, width: int, height: int, cells: float) -> np.ndarray:
    """Returns smooth noise, float32 (height, width, 1), about normal, with `cells` blobs along the longer side."""
    cell = max(width, height) / cells
    small = rng.standard_normal((int(height / cell) + 3, int(width / cell) + 3), dtype=np.float32)
    big = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(big)[..., None]


def blur(image: Image.Image, radius: float, kernel: type = ImageFilter.GaussianBlur) -> Image.Image:
    """Returns an image out of focus by `radius` pixels; `ImageFilter.BoxBlur` costs a third and looks rougher."""
    return image.filter(kernel(float(radius)))  # Pillow 13 takes no numpy number here


def _strokes(width: int, height: int, colours: np.ndarray, outlines: np.ndarray) -> Image.Image:
    """Draws polygons, back to front; the nearer, the brighter; the farthest third is out of focus.

    Args:
        width: Pixels.
        height: Pixels.
        colours: Shape (n, 3) in [0, 1].
        outlines: Corners in pixels, shape (n, corners, 2).
    """
    shade = np.linspace(0.35, 1.1, len(colours))[:, None]
    fills = (np.clip(colours * shade, 0, 1) * 255).astype(int).tolist()
    canvas = Image.new("RGB", (width, height), tuple(fills[0]))
    pen = ImageDraw.Draw(canvas)
    flat = outlines.reshape(len(outlines), -1).tolist()
    for index, (outline, fill) in enumerate(zip(flat, fills, strict=True)):
        pen.polygon(outline, fill=tuple(fill))
        if index == len(flat) // 3:
            canvas = blur(canvas, 0.008 * max(width, height), ImageFilter.BoxBlur)
            pen = ImageDraw.Draw(canvas)
    return canvas


def _green(rng: np.random.Generator) -> np.ndarray:
    return np.array([rng.uniform(0.16, 0.5), rng.uniform(0.38, 0.62), rng.uniform(0.06, 0.28)])


def _picture(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32) / 255


def _varied(rng: np.random.Generator, colour: np.ndarray, count: int, spread: float = 0.18) -> np.ndarray:
    """Returns `count` colours around one, shape (count, 3)."""
    return colour * rng.normal(1, spread, (count, 1)) + rng.normal(0, spread / 5, (count, 3))


def grass(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Blades of grass, in and out of focus."""
    count, size = int(rng.integers(150, 600)), max(width, height)
    foot = rng.uniform([-0.1, 0.2], [1.1, 1.5], (count, 2)) * (width, height)
    tip = foot + np.stack([rng.normal(0, 0.18, count), -rng.uniform(0.2, 0.7, count)], axis=-1) * size
    middle = (foot + tip) / 2 + rng.normal(0, 0.03 * size, (count, 2))
    thick = np.stack([rng.uniform(0.002, 0.009, count) * size, np.zeros(count)], axis=-1)
    outlines = np.stack([foot - thick, middle - thick, tip, middle + thick, foot + thick], axis=1)
    return _picture(_strokes(width, height, _varied(rng, _green(rng), count, 0.25), outlines))


def leaves(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Foliage: leaves of one shape at any angle over dark gaps."""
    count, size = int(rng.integers(120, 420)), max(width, height)
    length = rng.uniform(0.03, 0.14) * size * rng.uniform(0.5, 1.5, (count, 1))
    along = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    slim = rng.uniform(0.25, 0.6)
    turn, centre = rng.uniform(0, 7, (count, 1)), rng.uniform(0, 1, (count, 2)) * (width, height)
    x, y = length * np.cos(along), length * slim * np.sin(along) * (1 - 0.4 * np.cos(along))
    whole = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=-1)
    half = whole[:, [0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6]]  # folded along the middle: one side is darker
    outlines = np.stack([whole, half], axis=1).reshape(-1, 12, 2) + np.repeat(centre, 2, axis=0)[:, None]
    colours = np.repeat(_varied(rng, _green(rng) * rng.uniform(0.6, 1.1), count, 0.25), 2, axis=0)
    colours[1::2] *= rng.uniform(0.7, 0.95)
    return _picture(_strokes(width, height, colours, outlines))


def sky(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A sky from clear to overcast, at times with a far horizon."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    top = np.array([0.2, 0.42, 0.75]) * rng.uniform(0.8, 1.2)
    clouds = np.clip(
        noise(rng, width, height, 5) * 0.5 + noise(rng, width, height, 12) * 0.25 + rng.normal(0, 0.5), 0, 1
    )
    picture = (top * (1 - down) + np.array([0.66, 0.79, 0.92]) * down) * (1 - clouds) + 0.93 * clouds
    if rng.random() < 0.5:
        horizon = rng.uniform(0.55, 1) + 0.03 * noise(rng, width, 1, 8)[0]
        land = np.clip((down - horizon[None]) * 25, 0, 1)
        picture = picture * (1 - land) + _green(rng) * (1 + 0.2 * noise(rng, width, height, 20)) * land
    return picture


def soil(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Earth, gravel or dry leaves: rough noise of many sizes."""
    rough = sum(noise(rng, width, height, 6 * 2**octave) / 1.45**octave for octave in range(5))
    colour = np.array([0.42, 0.33, 0.25]) * rng.uniform(0.5, 1.4) + rng.normal(0, 0.03, 3)
    return colour * (1 + 0.22 * rough)


def wall(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A wall, cloth or paper of any colour, unevenly lit, at times with boards."""
    colour = rng.uniform(0.1, 0.95) + rng.normal(0, 0.1, 3)
    picture = colour * (1 + 0.06 * noise(rng, width, height, 2) + 0.03 * noise(rng, width, height, 60))
    if rng.random() < 0.4:
        boards = np.arange(width) / width * rng.integers(3, 9) % 1
        picture = picture * np.where(boards < 0.05, 0.6, 1)[None, :, None]
        picture = picture * (1 + 0.05 * noise(rng, width, 1, 90))
    return picture


def bokeh(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Lights far out of focus: bright discs on a dark or coloured ground."""
    ground = rng.uniform(0.02, 0.45) * (1 + rng.normal(0, 0.35, 3)) * (1 + 0.4 * noise(rng, width, height, 3))
    canvas = Image.fromarray((np.clip(ground, 0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(canvas, "RGBA")
    size, tint = max(width, height), rng.uniform(0.3, 1, 3)
    for _ in range(int(rng.integers(10, 60))):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), size * rng.uniform(0.015, 0.07)
        colour = np.clip(tint + rng.normal(0, 0.2, 3), 0, 1) * 255
        pen.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            fill=(*colour.astype(int).tolist(), int(rng.integers(20, 110))),
        )
    return _picture(canvas)


KINDS = (grass, leaves, sky, soil, wall, bokeh)
WEIGHTS = (0.24, 0.3, 0.1, 0.12, 0.12, 0.12)


def _far_flowers(rng: np.random.Generator, image: Image.Image) -> None:
    """Draws soft spots of one random hue, as flowers of any kind look from afar, in place."""
    pen, size, hue = ImageDraw.Draw(image), max(image.size), rng.uniform(0.1, 1, 3)
    for _ in range(int(rng.integers(3, 25))):
        x, y = rng.uniform(0, image.width), rng.uniform(0, image.height)
        a, b = size * rng.uniform(0.02, 0.06, 2)
        colour = (np.clip(hue * rng.normal(1, 0.15) + rng.normal(0, 0.05, 3), 0, 1) * 255).astype(int)
        pen.ellipse((x - a, y - b, x + a, y + b), fill=tuple(colour.tolist()))


def draw(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Returns a background of a random kind, in focus or not, float32 (height, width, 3) in [0, 1]."""
    kind = KINDS[rng.choice(len(KINDS), p=WEIGHTS)]
    sharp = rng.random() < 0.45
    scale = 1 if sharp else 3  # what is out of focus is painted small, which costs less and looks the same
    small = np.clip(kind(rng, width // scale, height // scale) * rng.uniform(0.5, 1.25), 0, 1)
    image = Image.fromarray((small * 255).astype(np.uint8))
    if not sharp and rng.random() < 0.5:
        _far_flowers(rng, image)
    if sharp:
        return _picture(blur(image, 0.5, ImageFilter.BoxBlur))
    image = blur(image, 0.5 + rng.uniform(0.0013, 0.0067) * max(width, height))
    return _picture(image.resize((width, height), Image.Resampling.BICUBIC))
