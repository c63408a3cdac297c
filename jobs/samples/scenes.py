"""Moving pictures for the sample videos: one function for each kind of content, by name in `SCENES`.

In: width and height in pixels, a seeded generator. Out: `draw(seconds)`, which gives the picture at that moment as
(H, W, 3) uint8 RGB. Colours and speeds vary with the seed; the content does not, since it is the class.

Drawing is vectorised, and smooth fields go through a palette of 256 colours, so that a picture of 320x240 takes about a
millisecond. Sizes are fractions of the height, so that a scene looks the same at every size.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jobs.samples.canvas import Picture, axes, cyclic_ramp, fold, paint, ramp, scheme, shape_mask
from jobs.samples.glyphs import text_mask

Draw = Callable[[float], Picture]
Scene = Callable[[int, int, np.random.Generator], Draw]

SCENES: dict[str, Scene] = {}

SLIDE_WORDS = (
    "FRAMES", "SOUND", "SHARDS", "LABELS", "ONE PER SECOND", "DECODE", "EMBED", "QUANTISE", "WRITE", "MEASURE TWICE",
    "CHAPTER 1", "CHAPTER 2", "SUMMARY", "RESULTS", "METHOD", "THANK YOU",
)  # fmt: skip


def scene(name: str) -> Callable[[Scene], Scene]:
    """Register a function in `SCENES`; duplicate names raise."""

    def enter(function: Scene) -> Scene:
        if name in SCENES:
            raise ValueError(f"scene {name!r} is defined twice")
        SCENES[name] = function
        return function

    return enter


@scene("bouncing")
def bouncing(width: int, height: int, rng: np.random.Generator) -> Draw:
    """Balls and polygons that bounce off the borders."""
    colours = scheme(rng)
    ground = np.broadcast_to(ramp(colours[:2] * 0.9, height)[:, None], (height, width, 3))
    bodies = []
    for _ in range(int(rng.integers(4, 7))):
        radius = height * rng.uniform(0.07, 0.17)
        mask = shape_mask(int(rng.choice([0, 0, 4, 6])), radius, rng.uniform(0, np.pi))
        start, speed = rng.uniform(0, 1, 2) * (width, height), rng.uniform(0.25, 0.8, 2) * height
        bodies.append((radius, mask, start, speed, colours[int(rng.integers(2, 4))] * rng.uniform(0.85, 1.0)))

    def draw(seconds: float) -> Picture:
        picture = ground.copy()
        for radius, mask, start, speed, colour in bodies:
            x, y = (
                fold(start[i] + speed[i] * seconds, room - 2 * radius) + radius
                for i, room in enumerate((width, height))
            )
            half = mask.shape[0] // 2
            paint(picture, x - half + 0.03 * height, y - half + 0.04 * height, mask * 0.35, colours[0] * 0.4)
            paint(picture, x - half, y - half, mask, colour)
        return picture

    return draw


@scene("plasma")
def plasma(width: int, height: int, rng: np.random.Generator) -> Draw:
    """Colours that flow into one another."""
    palette = cyclic_ramp(scheme(rng))
    x, y = axes(width, height)
    phase, speed = rng.uniform(0, 2 * np.pi, 4), rng.uniform(0.4, 1.2, 4)
    size = rng.uniform(3.0, 6.0, 4).astype(np.float32)
    diagonal = (x + y) * size[2]
    distance = np.sqrt((x - np.float32(0.2)) ** 2 + (y + np.float32(0.1)) ** 2) * size[3] * np.float32(1.5)

    def draw(seconds: float) -> Picture:
        turn = (phase + speed * seconds).astype(np.float32)
        field = (np.sin(x * size[0] + turn[0]) + np.sin(y * size[1] + turn[1])) + float(4 + seconds * 0.4)
        field = field + np.sin(diagonal + turn[2]) + np.sin(distance - turn[3])
        picture: Picture = palette[(field * 48).astype(np.int32) & 255]
        return picture

    return draw


@scene("landscape")
def landscape(width: int, height: int, rng: np.random.Generator) -> Draw:
    """Hills under a sky whose sun rises and sets, with stars at night."""
    x, y = axes(width, height)
    night, dusk, day = (
        np.array(pair, dtype=np.float32)
        for pair in (
            [(8, 10, 34), (38, 42, 84)],
            [(70, 52, 110), (250, 142, 80)],
            [(64, 140, 214), (206, 232, 244)],
        )
    )
    hue = rng.uniform(0.8, 1.2, 3).astype(np.float32)
    layer_of = np.zeros((height, width), dtype=np.uint8)  # 0 sky, then the ridges from far to near
    for layer in range(4):
        bumps = sum(
            rng.uniform(0.3, 1.0) / k * np.sin(x[0] * (2 + 1.7 * k) + rng.uniform(0, 6.28)) for k in range(1, 6)
        )
        layer_of[y > 0.06 + 0.11 * layer + 0.06 * bumps[None, :]] = layer + 1
    shades = np.array([86, 124, 92], dtype=np.float32) * hue * np.linspace(1.15, 0.4, 4, dtype=np.float32)[:, None]
    horizon = int(np.flatnonzero((layer_of == 0).any(axis=1)).max(initial=0)) + 1  # below it there is land only
    rows = np.minimum(np.linspace(0, 1.5, height, dtype=np.float32)[:horizon, None], 1)
    stars = (rng.uniform(size=(horizon, width)) > 0.997) * rng.uniform(90, 220, (horizon, width)).astype(np.float32)
    period, start = rng.uniform(9, 14), rng.uniform(0, 1)

    def draw(seconds: float) -> Picture:
        angle = 2 * np.pi * (seconds / period + start)
        rise = float(-np.cos(angle))  # -1 at midnight, 1 at noon
        light = float(np.clip(rise * 1.4 + 0.45, 0, 1))
        glow = float(np.exp(-((rise - 0.1) ** 2) / 0.12))
        ends = night + (day - night) * light
        ends = ends + (dusk - ends) * glow * 0.85
        column = ends[0] + (ends[1] - ends[0]) * rows  # (horizon, 3)
        sun_x, sun_y = float(0.55 * np.sin(angle - np.pi)), 0.12 - 0.42 * rise
        distance = np.sqrt((x - sun_x) ** 2 + (y[:horizon] - sun_y) ** 2)
        halo = np.exp(-7 * distance) * (90 * (light + glow)) + stars * max(0.0, 0.7 - light)
        disc = np.clip((0.075 - distance) * height, 0, 1)
        sky = [  # a channel at a time: arrays of (horizon, W) are faster than (horizon, W, 3)
            np.minimum(column[:, channel, None] + halo * warmth, bright) * (1 - disc) + bright * disc
            for channel, (warmth, bright) in enumerate(((1.0, 255), (0.8, 238), (0.45, 225)))
        ]
        land = np.clip(shades * (0.22 + 0.78 * light) + ends[1] * 0.08, 0, 255)
        picture = np.concatenate([np.zeros((1, 3)), land]).astype(np.uint8)[layer_of]
        picture[:horizon][layer_of[:horizon] == 0] = np.stack(sky, axis=-1)[layer_of[:horizon] == 0].astype(np.uint8)
        return picture

    return draw


def _fitting(rng: np.random.Generator, room_pixels: int, dot_pixels: int) -> NDArray[np.bool_]:
    """Draw as many random words as fit into the width."""
    room = room_pixels // (6 * dot_pixels)  # in characters
    line = ""
    for words in rng.permutation([words for words in SLIDE_WORDS if len(words) <= room]):
        if len(line) + 1 + len(words) <= room:
            line = f"{line} {words}".strip()
    return text_mask(line, dot_pixels)


@scene("slides")
def slides(width: int, height: int, rng: np.random.Generator) -> Draw:
    """Headlines and lines of text that scroll upwards over a plain ground."""
    colours = scheme(rng)
    paper, ink, accent = (colours[3], colours[0], colours[1]) if rng.uniform() < 0.6 else colours[[0, 3, 2]]
    scale = max(height // 120, 1)
    column = np.zeros((height * 3, width), dtype=np.uint8)  # 0 paper, 1 ink, 2 accent
    margin, top = width // 12, height // 5
    room = width - 2 * margin
    while top < column.shape[0] - 50 * scale:
        lines = [_fitting(rng, room, scale * 2)] + [_fitting(rng, room, scale) for _ in range(int(rng.integers(2, 5)))]
        for i, line in enumerate(lines):
            part = column[top : top + line.shape[0], margin : margin + line.shape[1]]
            part[line[: part.shape[0]]] = 1 if i else 2
            top += line.shape[0] + 5 * scale
        top += 8 * scale
    palette = np.stack([paper, ink, accent]).astype(np.uint8)
    speed = height * rng.uniform(0.12, 0.25)
    stripe = max(width // 60, 2)

    def draw(seconds: float) -> Picture:
        lines = (np.arange(height) + int(seconds * speed)) % column.shape[0]
        picture: Picture = palette[column[lines]]
        picture[:, :stripe] = palette[2]
        return picture

    return draw


@scene("starfield")
def starfield(width: int, height: int, rng: np.random.Generator) -> Draw:
    """A flight through stars that pass on all sides."""
    count = 700
    where = rng.uniform(-1, 1, (count, 2))
    depth, speed = rng.uniform(0, 1, count), rng.uniform(0.15, 0.35)
    tint = scheme(rng)[2]
    colours = np.where(rng.uniform(size=(count, 1)) < 0.7, 255.0, tint)
    x, y = axes(width, height)
    nebula = np.exp(-((x - rng.uniform(-0.3, 0.3)) ** 2 * 3 + (y - rng.uniform(-0.2, 0.2)) ** 2 * 6))
    ground: Picture = (nebula[..., None] * tint * 0.45 + np.array([6, 8, 22])).astype(np.uint8)

    def draw(seconds: float) -> Picture:
        picture = ground.copy()
        # Three moments of each star make its trail.
        for back, strength in ((0.06, 0.35), (0.03, 0.6), (0.0, 1.0)):
            far = (depth - speed * (seconds - back)) % 1.0 + 0.04
            column = (where[:, 0] / far * 0.25 * height + width / 2).astype(np.int32)
            row = (where[:, 1] / far * 0.25 * height + height / 2).astype(np.int32)
            shine = (colours * (np.minimum(1.3 - far, 1) * strength)[:, None]).astype(np.uint8)
            reach = np.where(far < 0.25, 3, np.where(far < 0.6, 2, 1)) * max(height // 240, 1)
            for dx in range(int(reach.max())):
                for dy in range(int(reach.max())):
                    seen = (reach > max(dx, dy)) & (column >= -dx) & (column + dx < width)
                    seen &= (row >= -dy) & (row + dy < height)
                    picture[row[seen] + dy, column[seen] + dx] = shine[seen]
        return picture

    return draw


@scene("pulsing")
def pulsing(width: int, height: int, rng: np.random.Generator) -> Draw:
    """A grid of shapes on a flat ground that grow and shrink in turn."""
    colours = scheme(rng)
    sides = int(rng.choice([0, 3, 4, 5, 6]))
    rows = int(rng.integers(2, 5))
    cell = height / rows
    columns = int(np.ceil(width / cell))
    phase = rng.uniform(0, 2 * np.pi, (rows, columns)) * 0.15
    wave, speed, spin = rng.uniform(0.4, 1.1, 2), rng.uniform(2.0, 4.0), rng.uniform(-0.6, 0.6)
    left = (width - columns * cell) / 2
    ground = np.broadcast_to(colours[3], (height, width, 3)).astype(np.uint8)

    def draw(seconds: float) -> Picture:
        picture = ground.copy()
        for row in range(rows):
            for column in range(columns):
                turn = speed * seconds + wave[0] * row + wave[1] * column + phase[row, column]
                radius = cell * (0.3 + 0.17 * np.sin(turn))
                mask = shape_mask(sides, radius, spin * seconds + np.pi / 2)
                corner = np.array([column + 0.5, row + 0.5]) * cell - mask.shape[0] // 2
                paint(picture, left + corner[0], corner[1], mask, colours[(row + column) % 3])
        return picture

    return draw


@scene("waves")
def waves(width: int, height: int, rng: np.random.Generator) -> Draw:
    """Layers of water that roll under an even sky."""
    colours = scheme(rng)
    palette = np.stack([colours[3], *ramp(colours[[2, 1, 0]], 6).astype(np.float32)]).astype(np.uint8)
    x, _ = axes(width, height)
    rows = np.arange(height)[:, None]
    layers = [
        (0.28 + 0.12 * i, rng.uniform(3, 8), rng.uniform(0.8, 2.2) * (-1) ** i, rng.uniform(0.02, 0.05))
        for i in range(6)
    ]

    def draw(seconds: float) -> Picture:
        index = np.zeros((height, width), dtype=np.uint8)
        for base, size, speed, swing in layers:
            crest = base + swing * np.sin(x * size + speed * seconds) + swing * 0.4 * np.sin(x * size * 2.3 - seconds)
            index += rows > crest * height
        picture: Picture = palette[index]
        return picture

    return draw


@scene("bar-chart")
def bar_chart(width: int, height: int, rng: np.random.Generator) -> Draw:
    """A bar chart with a title whose values change."""
    colours = scheme(rng)
    bars = int(rng.integers(5, 9))
    phase, speed, level = rng.uniform(0, 6.28, bars), rng.uniform(0.7, 2.0, bars), rng.uniform(0.35, 0.65, bars)
    scale = max(height // 120, 1)
    ground = np.broadcast_to(np.array([250, 250, 248]), (height, width, 3)).astype(np.uint8)
    top, bottom, left, right = height * 0.22, height * 0.9, width * 0.08, width * 0.95
    for line in np.linspace(top, bottom, 5).astype(int):
        ground[line, int(left) : int(right)] = 216
    title = text_mask(str(rng.choice(SLIDE_WORDS)), scale * 2)[:, : width - int(left)].astype(np.float32)
    paint(ground, left, height * 0.06, title, colours[0])
    ground[int(bottom) : int(bottom) + scale, int(left) : int(right)] = 60
    slot = (right - left) / bars

    def draw(seconds: float) -> Picture:
        picture = ground.copy()
        values = np.clip(level + 0.33 * np.sin(phase + speed * seconds), 0.03, 1.0)
        for i, value in enumerate(values):
            x0, x1 = int(left + slot * (i + 0.15)), int(left + slot * (i + 0.85))
            picture[int(bottom - value * (bottom - top)) : int(bottom), x0:x1] = colours[1 + (i == values.argmax())]
        return picture

    return draw


@scene("tunnel")
def tunnel(width: int, height: int, rng: np.random.Generator) -> Draw:
    """A flight down a chequered tube that turns."""
    palette = ramp(scheme(rng)[[0, 2]])
    x, y = axes(width, height)
    radius = np.sqrt((x - float(rng.uniform(-0.1, 0.1))) ** 2 + (y - float(rng.uniform(-0.1, 0.1))) ** 2) + 0.02
    spokes, speed, spin = int(rng.integers(4, 8)) * 2, float(rng.uniform(0.6, 1.4)), float(rng.uniform(-0.12, 0.12))
    depth = 1.05 / radius
    turn = np.arctan2(y, x) * (spokes / (2 * np.pi)) + spokes  # above 0, so that truncating rounds down
    shade = np.minimum(radius * 2.2, 1.0)
    light, dark = (shade * 255).astype(np.uint8), (shade * 70).astype(np.uint8)

    def draw(seconds: float) -> Picture:
        rings = (depth + 3 * speed * seconds).astype(np.int32)
        sectors = (turn + spin * seconds * spokes).astype(np.int32)
        picture: Picture = palette[np.where((rings + sectors) & 1, light, dark)]
        return picture

    return draw
