"""Videos of motions that go on, to train stream networks on and to find out when they notice a change.

    python benchmarks/generated_motions.py OUTPUT [--scenes 60 10] [--long 4] [--size 48] [--seed 0]

Writes training and validation clips of `CLIP_SECONDS`, `OUTPUT/<split>/<class>/<nnn>.mp4`, with `OUTPUT/manifest.csv`;
`OUTPUT/long/<n>.mp4`, each all four classes after one another in a random order, for 20 to 40 seconds each; and
`OUTPUT/truth.csv`, which says when what happens there (`cluster.timelines.annotations`). Equal seeds give equal files.

A shape slides over a still background to the right, or to the left, or it grows, or shrinks, over and over. Played
backwards, a video of one class is a video of another, so that no single frame says which it is. Shapes, outlines and
backgrounds are those of `generated_actions`; the long videos have outlines that no training clip has.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_actions import ACTION_SETS, OUTLINES, X264, Frames, draw_scene

RATE = 5  # frames a second, as movinet-a0-stream watches
CLIP_SECONDS = 4
TURN_FRAMES = 10  # of a motion, until it begins anew
CLASSES = ("right", "left", "grow", "shrink")
SPLITS = ("train", "validation")
SHORTEST, LONGEST = 20, 40  # seconds of a motion in a long video


@dataclass(frozen=True)
class Part:
    """A motion in a long video."""

    name: str
    start_seconds: int
    end_seconds: int


def draw_turns(seed: Sequence[int], split: str, size: int) -> Mapping[str, Frames]:
    """One turn of each class, uint8 (TURN_FRAMES, size, size, 3), all in front of one background."""
    motions = ACTION_SETS["actions"]
    acts = draw_scene(np.random.default_rng(seed), motions, OUTLINES[split], 2 * TURN_FRAMES, size)
    turns: dict[str, Frames] = {}
    for motion, act in zip(motions, acts, strict=True):
        turn = act[np.linspace(0, len(act) - 1, TURN_FRAMES).round().astype(int)]
        turns |= {motion.forward: turn, motion.backward: turn[::-1]}
    return turns


def write_motions(path: Path, turns: Mapping[str, Frames], parts: Iterable[tuple[str, int]], first: int = 0) -> Path:
    """Write a video of motions, each with its seconds, from frame `first` of a turn on."""
    size = len(turns[CLASSES[0]][0])
    path.parent.mkdir(parents=True, exist_ok=True)
    # bitexact: no random ids and no library versions in the file.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=RATE, options=X264)
        video.height = video.width = size
        video.pix_fmt = "yuv420p"
        video.codec_context.gop_size = 50
        video.thread_count = 1
        for number, pixels in enumerate(_frames(turns, parts, first)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def _frames(turns: Mapping[str, Frames], parts: Iterable[tuple[str, int]], first: int) -> Iterator[Frames]:
    number = first
    for name, seconds in parts:
        for _ in range(seconds * RATE):
            yield turns[name][number % TURN_FRAMES]
            number += 1


def random_parts(rng: np.random.Generator) -> list[Part]:
    """All classes after one another."""
    parts, start = [], 0
    for place in rng.permutation(len(CLASSES)):
        end = start + int(rng.integers(SHORTEST, LONGEST + 1))
        parts.append(Part(CLASSES[place], start, end))
        start = end
    return parts


def write_set(output: Path, *, scenes: Mapping[str, int], long: int, size: int = 48, seed: int = 0) -> Path:
    """Write clips of `scenes`, counted by split, `long` videos, manifest and truth; returns the manifest."""
    clips, truth = [], []
    for split, number in ((split, number) for split, count in scenes.items() for number in range(count)):
        turns = draw_turns((seed, SPLITS.index(split), number), split, size)
        for place, name in enumerate(CLASSES):
            path = f"{split}/{name}/{number:03d}.mp4"
            write_motions(output / path, turns, [(name, CLIP_SECONDS)], first=3 * number + place)
            clips.append((path, name, split))
    for number in range(long):
        parts = random_parts(np.random.default_rng((seed, len(SPLITS), number)))
        turns = draw_turns((seed, len(SPLITS), number), "test", size)
        write_motions(
            output / "long" / f"{number}.mp4",
            turns,
            [(part.name, part.end_seconds - part.start_seconds) for part in parts],
        )
        truth += [(f"{number}", part.start_seconds, part.end_seconds, part.name) for part in parts]
    _write_table(output / "truth.csv", ("id", "start_seconds", "end_seconds", "label"), truth)
    return _write_table(output / "manifest.csv", ("uri", "labels", "split"), clips)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([header, *rows])
    return path


def main(arguments: list[str] | None = None) -> None:
    """Write a set and say what it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--scenes", type=int, nargs=2, default=(60, 10), metavar="COUNT", help="of each split")
    parser.add_argument("--long", type=int, default=4, help="long videos")
    parser.add_argument("--size", type=int, default=48, help="height and width in pixels")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if min(*options.scenes, options.long, options.seed) < 0 or options.size < 16 or options.size % 2:
        parser.error("--scenes, --long and --seed must be at least 0, --size 16 and even")
    if options.output.exists() and any(options.output.iterdir()):
        parser.error(f"{options.output} holds files already: give another folder")
    scenes = dict(zip(SPLITS, options.scenes, strict=True))
    manifest = write_set(options.output, scenes=scenes, long=options.long, size=options.size, seed=options.seed)
    print(
        f"{sum(options.scenes) * len(CLASSES)} clips of {len(CLASSES)} classes, {options.long} long videos: {manifest}"
    )


if __name__ == "__main__":
    main()
