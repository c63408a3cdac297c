"""Features like YouTube-8M's, generated from a seed: to compare models where the real data are not available.

    python benchmarks/generated_features.py OUTPUT [--videos 312000] [--classes 10] [--frames 0] [--clue all] [--seed 0]

Writes feature shards (`OUTPUT/features/*.parquet`) and `OUTPUT/vocabulary.csv`. `--frames T` adds the codes of each
frame, T/2 to T of them a video; the means are then those of the frames before quantisation, as in real shards.

What is in them. The numbers were chosen on seed 0, with a linear model and models 1 and 5, until they met the aim
below; compare models on another seed.

- Class frequencies. For 10 classes those reported for the ten of YouTube-8M (Game 102,216 … Performance Art 11,202);
  for other numbers they fall off as 1/(rank + 2).
- Modes. A class is several clusters (`MODES` for pictures, as many for sound). A cluster's centre is the class's own
  direction, plus one that it shares with the class it is confused with (classes go in pairs), plus one of its own.
- An interaction. Two more directions of a pair come with a sign each, and the product of the signs tells its two
  classes apart; each alone says nothing. This is what a linear model cannot learn. The first is seen; the second is
  seen in half of the clusters and heard in the others, so that pictures and sound are needed together.
- Label noise. `LABEL_NOISE` of the videos are labelled with a class drawn at random by frequency: no model can be right
  about them, other than by chance. Videos carry further labels behind the first, about three in all.
- Whitened noise around the centres, heavier in some videos than in others, in a subspace and isotropic.
- Order (`--frames` only). Frames move along a direction of time, the way up for classes at even positions of a pair and
  down for the odd ones, with the same mean either way; `ORDER_ONLY` of the videos show nothing else that tells the two
  classes of a pair apart. Only a model that sees the order can get those right.
- With `--clue order` that holds for all videos. With `--clue glimpse` order tells nothing, and the classes of a pair
  differ in a few frames alone, wherever they lie: these show a direction of their class, which all others lack by as
  much as leaves the mean as it was. Either way means tell the pair of a video, and nothing of which of its two classes.

Aim of the design: on means alone, a good dense model is right on about 90 to 95 % and a linear one visibly less. With
frames, models of means lose what only the order tells. Nothing here says what a model would reach on real YouTube-8M.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster.datasets.vocabulary import Vocabulary, write_vocabulary
from cluster.storage.parquet import write_table
from schemas.features import AUDIO_DIM, SCHEMA_VERSION, feature_schema
from schemas.quantization import quantize

RGB_DIM = 1024
REPORTED_COUNTS = {
    "Game": 102_216,
    "Vehicle": 54_225,
    "Concert": 49_153,
    "Cartoon": 22_328,
    "Food": 17_514,
    "Musician": 15_551,
    "Dance": 13_978,
    "Animal": 13_596,
    "Music Video": 12_401,
    "Performance Art": 11_202,
}
MODES = 4  # clusters of a class
SUBSPACE = 48  # directions in which videos of a class differ most
LABEL_NOISE = 0.06
ORDER_ONLY = 0.3  # of the videos with frames
# Lengths of the parts of a centre, against isotropic noise of `ISOTROPIC` a direction.
OWN, SHARED, MODE, INTERACTION, TIME = 0.35, 2.0, 2.0, 2.0, 3.0
ISOTROPIC, SUBSPACE_NOISE, FRAME_NOISE = 0.25, 0.4, 0.5
GLIMPSE, GLIMPSE_SHARE = 6.0, 0.125  # how much more of its class a frame shows that does, and how many frames do
ALL, BY_ORDER, BY_GLIMPSES = CLUES = ("all", "order", "glimpse")
VIDEOS_PER_SHARD = 8192
FRAME_VIDEOS_PER_SHARD = 256


@dataclass(frozen=True)
class World:
    """What all videos of a seed are drawn from, for one kind of feature; D wide, K classes.

    centres      (K, MODES, D)
    factors      (pairs, 2, D) the two directions whose product tells a pair's classes apart
    subspace     (SUBSPACE, D)
    time         (pairs, D) along which frames move
    glimpses     (K, D) of which few frames show more
    """

    centres: NDArray[np.float32]
    factors: NDArray[np.float32]
    subspace: NDArray[np.float32]
    time: NDArray[np.float32]
    glimpses: NDArray[np.float32]


def make_world(classes: int, dim: int, seed: int, stream: int) -> World:
    """Directions for `classes` classes, equal for equal arguments."""
    rng = np.random.default_rng((seed, stream))

    def directions(*shape: int) -> NDArray[np.float32]:
        drawn = rng.standard_normal((*shape, dim), dtype=np.float32)
        return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)

    pairs = (classes + 1) // 2
    pair = np.arange(classes) // 2
    shared, modes = SHARED * directions(pairs), MODE * directions(pairs, MODES)
    centres = OWN * directions(classes)[:, None] + shared[pair][:, None] + modes[pair]
    return World(centres, directions(pairs, 2), directions(SUBSPACE), directions(pairs), directions(classes))


def class_frequencies(classes: int) -> NDArray[np.float64]:
    """(K,) how often each class is the first label, adding up to 1."""
    if classes == len(REPORTED_COUNTS):
        weights = np.array(list(REPORTED_COUNTS.values()), float)
    else:
        weights = 1 / (np.arange(classes) + 2)
    return weights / weights.sum()


def class_names(classes: int) -> list[str]:
    """Those reported, and numbers behind them."""
    return [*list(REPORTED_COUNTS)[:classes], *(f"Class {index}" for index in range(len(REPORTED_COUNTS), classes))]


@dataclass(frozen=True)
class Truth:
    """What n videos show, before noise: class, cluster, and the two signs whose product belongs to the class."""

    classes: NDArray[np.int64]
    modes: NDArray[np.int64]
    signs: NDArray[np.float32]
    is_frames_only: NDArray[np.bool_]


def draw_truth(rng: np.random.Generator, count: int, classes: int, frames_only: float) -> Truth:
    """Draw `count` videos; of `frames_only` of them, frames alone tell the classes of a pair apart."""
    drawn = rng.choice(classes, count, p=class_frequencies(classes))
    first = rng.choice(np.array([-1, 1], np.float32), count)
    second = first * np.where(drawn % 2, 1, -1)
    is_frames_only = rng.random(count) < frames_only
    return Truth(drawn, rng.integers(0, MODES, count), np.stack([first, second], 1), is_frames_only)


def draw_means(rng: np.random.Generator, world: World, truth: Truth, *, heard: bool) -> NDArray[np.float32]:
    """(n, D) features of videos. In clusters with odd numbers the second factor is heard, in the others seen."""
    count, dim = len(truth.classes), world.centres.shape[2]
    pair = truth.classes // 2
    centres = world.centres.copy()
    blurred = centres.reshape(-1, MODES, dim)
    partner = np.minimum(np.arange(len(centres)) ^ 1, len(centres) - 1)
    middle = (blurred + blurred[partner]) / 2  # what the two classes of a pair have in common
    features = np.where(
        truth.is_frames_only[:, None], middle[truth.classes, truth.modes], centres[truth.classes, truth.modes]
    )
    is_heard = truth.modes % 2 == 1
    # The first factor is always seen; the second is in the sound or beside it in the picture.
    first = np.where(heard | truth.is_frames_only, 0, truth.signs[:, 0])
    second = np.where((is_heard == heard) & ~truth.is_frames_only, truth.signs[:, 1], 0)
    features += INTERACTION * first[:, None] * world.factors[pair, 0]
    features += INTERACTION * second[:, None] * world.factors[pair, 1]
    features += (SUBSPACE_NOISE * rng.standard_normal((count, SUBSPACE), dtype=np.float32)) @ world.subspace
    spread = ISOTROPIC * np.exp(0.25 * rng.standard_normal((count, 1), dtype=np.float32))
    noise = rng.standard_normal((count, dim), dtype=np.float32)
    noise *= spread
    features += noise
    return features


def draw_labels(rng: np.random.Generator, truth: Truth, classes: int) -> pa.ListArray:
    """The first label of each video, wrong for some, and none to four more."""
    count = len(truth.classes)
    frequencies = class_frequencies(classes)
    is_wrong = rng.random(count) < LABEL_NOISE
    first = np.where(is_wrong, rng.choice(classes, count, p=frequencies), truth.classes)
    more = rng.choice(classes, (count, 4), p=frequencies)
    lists = np.concatenate([first[:, None], more], 1)
    wanted = np.arange(5) <= rng.integers(0, 5, count)[:, None]
    for column in range(1, 5):  # a class stands once
        wanted[:, column] &= ~((lists[:, :column] == lists[:, column : column + 1]) & wanted[:, :column]).any(axis=1)
    offsets = np.concatenate([[0], np.cumsum(wanted.sum(axis=1))])
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(lists[wanted].astype(np.int32)))


def draw_frames(
    rng: np.random.Generator,
    world: World,
    truth: Truth,
    means: NDArray[np.float32],
    counts: NDArray[np.int64],
    clue: str,
) -> NDArray[np.float32]:
    """(F, D) frames around the means: they move up or down in time as the class says, or few of them show it."""
    of_video = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    within = np.arange(len(of_video)) - starts[of_video]
    position = 2 * within / np.maximum(counts[of_video] - 1, 1) - 1  # from -1 to 1, mean 0
    frames = FRAME_NOISE * rng.standard_normal((len(of_video), means.shape[1]), dtype=np.float32)
    frames += means[of_video]
    if clue == BY_GLIMPSES:
        shows = np.ceil(GLIMPSE_SHARE * counts)
        place = np.empty(len(of_video))  # of a frame, in an order drawn for each video
        place[np.lexsort((rng.random(len(of_video)), of_video))] = within
        more = GLIMPSE * ((place < shows[of_video]) - (shows / counts)[of_video])
        frames += more.astype(np.float32)[:, None] * world.glimpses[truth.classes][of_video]
    else:
        way = np.where(truth.classes % 2, -1, 1)[of_video] * position
        frames += (TIME * way).astype(np.float32)[:, None] * world.time[truth.classes // 2][of_video]
    return frames


def write_shard(
    path: Path, number: int, count: int, classes: int, frames: int, clue: str, seed: int, worlds: list[World]
) -> None:
    """One shard of `count` videos; what is in it depends on seed and number alone."""
    rng = np.random.default_rng((seed, 100 + number))
    truth = draw_truth(rng, count, classes, 0.0 if not frames else ORDER_ONLY if clue == ALL else 1.0)
    means = [draw_means(rng, world, truth, heard=heard) for world, heard in zip(worlds, (False, True), strict=True)]
    counts = rng.integers((frames + 1) // 2, frames + 1, count) if frames else np.full(count, 240)
    codes: dict[str, pa.Array] = {}
    if frames:
        for index, name in enumerate(("rgb", "audio")):
            values = draw_frames(rng, worlds[index], truth, means[index], counts, clue)
            starts = np.cumsum(counts) - counts
            means[index] = np.add.reduceat(values, starts) / counts[:, None].astype(np.float32)
            codes[name] = _code_lists(quantize(values), counts)
    first = f"{seed}-{number:05d}"
    columns = {
        "id": pa.array([f"{first}-{row:05d}" for row in range(count)]),
        "labels": draw_labels(rng, truth, classes),
        "mean_rgb": _vectors(means[0]),
        "mean_audio": _vectors(means[1]),
        "has_audio": pa.array(np.ones(count, bool)),
        "num_frames": pa.array(counts.astype(np.int32)),
        "duration_seconds": pa.array(counts.astype(np.float32)),
        "coverage": pa.array(np.ones(count, np.float32)),
        "split": pa.array([""] * count),
        "uri": pa.array([""] * count),
        **codes,
    }
    schema = feature_schema(RGB_DIM, frame_features=frames > 0)
    columns["gaps"] = pa.array([[]] * count, schema.field("gaps").type)
    metadata = {
        "framemill.schema_version": SCHEMA_VERSION,
        "framemill.fingerprint": json.dumps(
            {"source": f"generated:{seed}", "classes": str(classes), **({} if clue == ALL else {"clue": clue})}
        ),
        "framemill.run_id": f"generated-{seed}",
    }
    table = pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema.with_metadata(metadata))
    write_table(str(path), table)


def write_dataset(output: Path, *, videos: int, classes: int, frames: int, seed: int, clue: str = ALL) -> None:
    """All shards, and the vocabulary."""
    folder = output / "features"
    folder.mkdir(parents=True, exist_ok=True)
    worlds = [make_world(classes, dim, seed, stream) for stream, dim in enumerate((RGB_DIM, AUDIO_DIM))]
    size = FRAME_VIDEOS_PER_SHARD if frames else VIDEOS_PER_SHARD
    for number, start in enumerate(range(0, videos, size)):
        path = folder / f"part-{number:05d}.parquet"
        write_shard(path, number, min(size, videos - start), classes, frames, clue, seed, worlds)
    write_vocabulary(str(output / "vocabulary.csv"), Vocabulary(class_names(classes)))


def main(arguments: list[str] | None = None) -> None:
    """Write a data set and say how long that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--videos", type=int, default=312_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--frames", type=int, default=0, help="maximum frames per video; 0 for means only")
    parser.add_argument("--clue", choices=CLUES, default=ALL, help="which property of the frames reveals the class")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.videos < 1 or options.classes < 2 or options.frames < 0 or options.seed < 0:
        parser.error("--videos must be at least 1, --classes 2, --frames and --seed 0")
    if options.clue != ALL and not options.frames:
        parser.error(f"--clue {options.clue} is in the frames: give --frames")
    if list(options.output.glob("features/*")):
        parser.error(f"{options.output} holds features already: give another folder")
    started = time.perf_counter()
    write_dataset(
        options.output,
        videos=options.videos,
        classes=options.classes,
        frames=options.frames,
        seed=options.seed,
        clue=options.clue,
    )
    print(f"{options.videos} videos in {time.perf_counter() - started:.1f} s: {options.output}")


def _vectors(matrix: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def _code_lists(codes: NDArray[np.uint8], counts: NDArray[np.int64]) -> pa.ListArray:
    bounds = np.arange(len(codes) + 1, dtype=np.int32) * codes.shape[1]
    values = pa.Array.from_buffers(pa.binary(), len(codes), [None, pa.py_buffer(bounds), pa.py_buffer(codes)])
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)), values)


if __name__ == "__main__":
    main()
