"""Synthetic videos of actions that only motion distinguishes, to test whether a network learns motion.

    python benchmarks/generated_actions.py OUTPUT [--set actions] [--scenes 120 20 40] [--size 48] [--frames 16]

Writes `OUTPUT/<split>/<class>/<nnnnn>.mp4`, so that each folder is a class, and `OUTPUT/manifest.csv` with
`id,uri,labels,split`. `--scenes` counts the scenes of training, validation and test; a scene gives one video of each
class. Equal seeds give equal files.

A scene is two acts in front of a still background, one after the other, each of a single moving shape. The motions
depend on the set: for `actions` one shape slides and one changes its size; for `other` (for pretraining) one rises or
falls and one circles the centre. The class is the order of the two acts and the direction of each, eight classes:

    right-grow  right-shrink  left-grow  left-shrink  grow-right  shrink-right  grow-left  shrink-left

Only the order of the frames distinguishes them. A scene is rendered once, sensor noise and flicker included, and its
eight videos are its frames in eight orders: an act played backwards is the act of the opposite direction, and a video
of one class played backwards is a video of another. Every frame is a key frame with the same quantiser, so that its
coding does not depend on its position: the eight videos decode to the same frames to the bit. No frame, and no set of
frames, carries information about the class.

Backgrounds and shapes have textures with the spectrum of natural images (amplitude 1/f), drawn for each scene; the
outlines of the shapes differ between training, validation and test.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]
Frames = NDArray[np.uint8]
Outline = Callable[[Field, Field], Field]

RATE = 16  # frames a second
SHORTEST_ACT = 0.375  # of a video's frames
# Of brightness, 0 to 255.
CONTRAST, COLOUR, SENSOR_NOISE, FLICKER = 28.0, 14.0, 5.0, 3.0
DISTINCT = 70.0  # distance of a shape's mean brightness from the background's
# Radius and reach in halves of a frame's side: a shape moves from -REACH to REACH. A shape grows by the factor GROWTH,
# and circles from -ARC to ARC radians.
RADIUS, REACH, GROWTH, ARC = 0.42, 0.5, 2.4, 1.6
# One quantiser, and key frames only: the coding of a frame depends on that frame alone.
X264 = {"preset": "veryfast", "qp": "20", "threads": "1", "bf": "0"}


@dataclass(frozen=True)
class Poses:
    """Centre, radius and angle of a shape in each of T frames, each (T, 1, 1)."""

    x: Field
    y: Field
    radius: Field
    angle: Field


@dataclass(frozen=True)
class Motion:
    """One kind of act: the names of its two directions, and its poses at a progress (T, 1, 1) from -1 to 1."""

    forward: str
    backward: str
    poses: Callable[[Field, Poses], Poses]


def _slide(progress: Field, at: Poses) -> Poses:
    return Poses(REACH * progress, at.y, at.radius, at.angle)


def _rise(progress: Field, at: Poses) -> Poses:
    return Poses(at.x, -REACH * progress, at.radius, at.angle)


def _grow(progress: Field, at: Poses) -> Poses:
    return Poses(at.x, at.y, at.radius * np.float32(GROWTH) ** (progress / 2), at.angle)


def _circle(progress: Field, at: Poses) -> Poses:
    turned = at.angle + ARC * progress
    return Poses(REACH * np.cos(turned), REACH * np.sin(turned), at.radius, turned)


ACTION_SETS: dict[str, tuple[Motion, Motion]] = {
    "actions": (Motion("right", "left", _slide), Motion("grow", "shrink", _grow)),
    "other": (Motion("up", "down", _rise), Motion("clockwise", "counter", _circle)),
}


def _polygon(sides: int) -> Outline:
    turns = 2 * np.pi * np.arange(sides) / sides

    def outline(x: Field, y: Field) -> Field:
        edges = [x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn)) for turn in turns]
        field: Field = np.maximum.reduce(edges) - np.float32(np.sqrt(np.cos(np.pi / sides)))
        return field

    return outline


def _ellipse(flatness: float) -> Outline:
    return lambda x, y: np.hypot(x, y / np.float32(flatness)) - 1


def _cross(x: Field, y: Field) -> Field:
    field: Field = np.minimum(np.maximum(abs(x), 2.4 * abs(y)), np.maximum(2.4 * abs(x), abs(y))) - 1
    return field


def _frame(x: Field, y: Field) -> Field:
    field: Field = abs(np.maximum(abs(x), abs(y)) - np.float32(0.6)) - np.float32(0.27)
    return field


def _angle(x: Field, y: Field) -> Field:
    return np.maximum(np.maximum(abs(x), abs(y)) - np.float32(0.85), np.minimum(x, y) + np.float32(0.1))


def _ring(x: Field, y: Field) -> Field:
    field: Field = abs(np.hypot(x, y) - np.float32(0.72)) - np.float32(0.3)
    return field


def _moon(x: Field, y: Field) -> Field:
    field: Field = np.maximum(np.hypot(x, y) - 1, np.float32(0.75) - np.hypot(x - np.float32(0.65), y))
    return field


# Signed distances, roughly, from the edge of a shape of radius 1: negative inside.
OUTLINES: dict[str, tuple[Outline, ...]] = {
    "train": (_ellipse(1.0), _polygon(4), _polygon(6), _cross, _frame, _angle),
    "validation": (_ellipse(0.65), _polygon(5)),
    "test": (_polygon(3), _ring, _moon),
}


def class_names(action_set: str) -> tuple[str, ...]:
    """The eight classes of a set; the index of a name is the class."""
    first, second = ((motion.forward, motion.backward) for motion in ACTION_SETS[action_set])
    pairs = [(one, two) for one in first for two in second]
    return tuple(f"{one}-{two}" for one, two in pairs) + tuple(f"{two}-{one}" for one, two in pairs)


def reversed_class(action_set: str, name: str) -> str:
    """The class of a video of class `name` when played backwards."""
    opposite: dict[str, str] = {}
    for motion in ACTION_SETS[action_set]:
        opposite |= {motion.forward: motion.backward, motion.backward: motion.forward}
    one, two = name.split("-")
    return f"{opposite[two]}-{opposite[one]}"


def draw_texture(rng: np.random.Generator, size: int) -> Field:
    """A texture (size, size, 3) with the spectrum of natural images and mean 0: brightness and, weaker, colours."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    frequency[0, 0] = np.inf
    white = np.fft.fft2(rng.standard_normal((4, size, size)))
    fields = np.fft.ifft2(white / frequency).real
    fields /= fields.std(axis=(1, 2), keepdims=True)
    texture = CONTRAST * fields[0, :, :, None] + COLOUR * np.moveaxis(fields[1:], 0, -1)
    return texture.astype(np.float32)


def draw_scene(
    rng: np.random.Generator, motions: Sequence[Motion], outlines: Sequence[Outline], frames: int, size: int
) -> list[Frames]:
    """The two acts of a scene in forward direction, each uint8 (T', size, size, 3), together `frames` frames."""
    shortest = max(2, round(SHORTEST_ACT * frames))
    first = int(rng.integers(shortest, frames - shortest + 1))
    background = 128 + draw_texture(rng, size) + rng.uniform(-25, 25, 3).astype(np.float32)
    return [
        _draw_act(rng, motion, outlines[int(rng.integers(len(outlines)))], background, length)
        for motion, length in zip(motions, (first, frames - first), strict=True)
    ]


def _draw_act(rng: np.random.Generator, motion: Motion, outline: Outline, background: Field, frames: int) -> Frames:
    size = len(background)
    x, y, turn = (np.float32(value) for value in (*rng.uniform(-0.3, 0.3, 2), rng.uniform(0, 2 * np.pi)))
    radius = np.float32(RADIUS * rng.uniform(0.85, 1.15))
    still = np.ones((frames, 1, 1), np.float32)
    progress = np.linspace(-1, 1, frames, dtype=np.float32)[:, None, None]
    poses = motion.poses(progress, Poses(x * still, y * still, radius * still, turn * still))
    side = np.float32(rng.choice((-1, 1)))  # darker or brighter than the background
    texture = 128 + side * DISTINCT + 1.3 * draw_texture(rng, size)
    coverage, shape = _render(poses, outline, texture, size)
    video = background + coverage[..., None] * (shape - background)  # (T, H, W, 3)
    video += rng.normal(0, FLICKER, (frames, 1, 1, 1)) + rng.normal(0, SENSOR_NOISE, video.shape)
    return video.round().clip(0, 255).astype(np.uint8)


def _render(poses: Poses, outline: Outline, texture: Field, size: int) -> tuple[Field, Field]:
    """The share of each pixel that the shape covers, (T, H, W), and its texture there, (T, H, W, 3)."""
    axis = ((np.arange(size) + 0.5) * 2 / size - 1).astype(np.float32)
    x, y = axis[None, None, :] - poses.x, axis[None, :, None] - poses.y
    cos, sin = np.cos(poses.angle) / poses.radius, np.sin(poses.angle) / poses.radius
    u, v = x * cos + y * sin, y * cos - x * sin  # in the shape's own coordinates, its radius 1
    coverage = np.clip(0.5 - outline(u, v) * poses.radius * (size / 2), 0, 1)  # edges are a pixel wide
    return coverage.astype(np.float32), _sample(texture, u, v)


def _sample(texture: Field, u: Field, v: Field) -> Field:
    """Bilinear values of a texture that spans -1 to 1."""
    last = len(texture) - 1
    column, row = (np.clip((at * 0.5 + 0.5) * last, 0, last - 1e-3) for at in (u, v))
    left, top = column.astype(np.int64), row.astype(np.int64)
    right_share, bottom_share = (column - left)[..., None], (row - top)[..., None]
    upper = texture[top, left] * (1 - right_share) + texture[top, left + 1] * right_share
    lower = texture[top + 1, left] * (1 - right_share) + texture[top + 1, left + 1] * right_share
    found: Field = upper * (1 - bottom_share) + lower * bottom_share
    return found


def videos_of_scene(action_set: str, acts: Sequence[Frames]) -> dict[str, Frames]:
    """The eight videos of a scene by class: its frames in eight orders."""
    by_direction: dict[str, Frames] = {}
    for motion, act in zip(ACTION_SETS[action_set], acts, strict=True):
        by_direction |= {motion.forward: act, motion.backward: act[::-1]}
    return {name: np.concatenate([by_direction[one] for one in name.split("-")]) for name in class_names(action_set)}


def write_clip(path: Path, frames: Frames) -> None:
    """Encode frames, uint8 (T, H, W, 3), each as a key frame."""
    # bitexact: no random ids and no library versions in the file.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=RATE, options=X264)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.codec_context.gop_size = 1
        video.thread_count = 1
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def write_actions(
    output: Path, action_set: str, *, scenes: Mapping[str, int], frames: int = 16, size: int = 48, seed: int = 0
) -> Path:
    """Write the videos of `scenes`, counted by split, and the manifest; returns the path of the manifest."""
    for split, name in product(scenes, class_names(action_set)):
        (output / split / name).mkdir(parents=True)
    rows = []
    for split, number in ((split, number) for split, count in scenes.items() for number in range(count)):
        rng = np.random.default_rng((seed, list(ACTION_SETS).index(action_set), list(OUTLINES).index(split), number))
        acts = draw_scene(rng, ACTION_SETS[action_set], OUTLINES[split], frames, size)
        for name, video in videos_of_scene(action_set, acts).items():
            path = f"{split}/{name}/{number:05d}.mp4"
            write_clip(output / path, video)
            rows.append((path.removesuffix(".mp4"), path, name, split))
    manifest = output / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "uri", "labels", "split"))
        writer.writerows(rows)
    return manifest


def main(arguments: list[str] | None = None) -> None:
    """Write a set and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--set", choices=tuple(ACTION_SETS), default="actions", dest="action_set")
    parser.add_argument("--scenes", type=int, nargs=3, default=(120, 20, 40), metavar="COUNT")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=48, help="height and width in pixels")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if min(options.scenes) < 0 or options.frames < 4 or options.size < 16 or options.size % 2 or options.seed < 0:
        parser.error("--scenes and --seed must be at least 0, --frames 4, and --size 16 and even")
    if options.output.exists() and any(options.output.iterdir()):
        parser.error(f"{options.output} holds files already: give another folder")
    started = time.perf_counter()
    scenes = dict(zip(OUTLINES, options.scenes, strict=True))
    manifest = write_actions(
        options.output, options.action_set, scenes=scenes, frames=options.frames, size=options.size, seed=options.seed
    )
    videos = sum(options.scenes) * len(class_names(options.action_set))
    print(f"{videos} videos in {time.perf_counter() - started:.1f} s: {manifest}")


if __name__ == "__main__":
    main()
