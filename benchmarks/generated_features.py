"""Synthetic features in the form of YouTube-8M's, to compare models where the real data are not available.

    python benchmarks/generated_features.py OUTPUT [--videos 312000] [--classes 10] [--frames 0] [--clue all] [--seed 0]

Writes feature shards (`OUTPUT/features/*.parquet`) and `OUTPUT/vocabulary.csv`; equal seeds give equal files.
`--frames T` adds the codes of each frame, T/2 to T of them a video; the means are then those of the frames before
quantisation, as in real shards.

The model of the data. Its constants were tuned on seed 0 with a linear model and models 1 and 5 until they met the aim
below: compare models on another seed.

- Class frequencies. For 10 classes, those reported for the ten of YouTube-8M (Game 102,216 … Performance Art 11,202);
  for other numbers they fall off as 1/(rank + 2).
- Clusters. A class is `MODES` clusters of pictures, and as many of sound. The centre of a cluster is the sum of a
  direction of the class, one of its pair of classes, and one of the cluster, the same in both classes of the pair.
- Interaction. Each pair of classes has two factors, directions with a sign; the product of the signs distinguishes the
  two classes, and either sign alone carries no information. A linear model cannot learn this. The first factor is in
  the pictures; the second is in the pictures for half of the clusters and in the sound for the others, so that a model
  needs both.
- Label noise. `LABEL_NOISE` of the videos are labelled with a class drawn at random by frequency, which no model can
  predict better than chance. Videos have further labels after the first, about three in all.
- Gaussian noise around the centres, in a subspace and isotropic; the scale of the latter varies between videos.
- Order (`--frames` only). Frames move along a direction of time, upwards for the first class of a pair and downwards
  for the second, with the same mean. In `ORDER_ONLY` of the videos nothing else distinguishes the two classes, so that
  only a model that uses the order can classify those.
- Clues. With `--clue order`, this holds for all videos. With `--clue glimpse`, the order carries no information, and
  the two classes differ in a few frames at random positions: these are displaced along a direction of their class, and
  all others in the opposite direction, so that the mean stays the same. With either clue, means determine the pair of
  a video and carry no information about which of its two classes it is.

Aim of the design: on means alone, a good dense model reaches about 90 to 95 % accuracy and a linear one clearly less.
With frames, models of means lose the videos that only the order distinguishes. Accuracies on these data do not predict
those on the real YouTube-8M.
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
GLIMPSE, GLIMPSE_SHARE = 6.0, 0.125  # displacement of a frame that shows its class, and the share of such frames
ALL, BY_ORDER, BY_GLIMPSES = CLUES = ("all", "order", "glimpse")
VIDEOS_PER_SHARD = 8192
FRAME_VIDEOS_PER_SHARD = 256


@dataclass(frozen=True)
class Distribution:
    """Parameters of the distribution of one kind of feature, D wide, of K classes.

    centres   (K, MODES, D)
    factors   (pairs, 2, D) the two directions whose signs' product distinguishes the classes of a pair
    subspace  (SUBSPACE, D) directions of the noise
    time      (pairs, D) direction along which frames move
    glimpses  (K, D) direction of the few frames that show the class
    """

    centres: NDArray[np.float32]
    factors: NDArray[np.float32]
    subspace: NDArray[np.float32]
    time: NDArray[np.float32]
    glimpses: NDArray[np.float32]


def make_distribution(classes: int, dim: int, seed: int, stream: int) -> Distribution:
    """Draw the parameters; equal for equal arguments."""
    rng = np.random.default_rng((seed, stream))

    def directions(*shape: int) -> NDArray[np.float32]:
        drawn = rng.standard_normal((*shape, dim), dtype=np.float32)
        unit: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
        return unit

    pairs = (classes + 1) // 2
    pair = np.arange(classes) // 2
    shared, modes = SHARED * directions(pairs), MODE * directions(pairs, MODES)
    centres = OWN * directions(classes)[:, None] + shared[pair][:, None] + modes[pair]
    return Distribution(centres, directions(pairs, 2), directions(SUBSPACE), directions(pairs), directions(classes))


def class_frequencies(classes: int) -> NDArray[np.float64]:
    """(K,) share of the videos whose first label is each class."""
    if classes == len(REPORTED_COUNTS):
        weights = np.array(list(REPORTED_COUNTS.values()), float)
    else:
        weights = 1 / (np.arange(classes) + 2)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def class_names(classes: int) -> list[str]:
    """The reported names, then numbered ones."""
    return [*list(REPORTED_COUNTS)[:classes], *(f"Class {index}" for index in range(len(REPORTED_COUNTS), classes))]


@dataclass(frozen=True)
class Truth:
    """Latent variables of n videos: class, cluster, the signs (n, 2) of the two factors, and whether the means carry no
    information about which class of the pair it is.
    """

    classes: NDArray[np.int64]
    modes: NDArray[np.int64]
    signs: NDArray[np.float32]
    is_frames_only: NDArray[np.bool_]


def draw_truth(rng: np.random.Generator, count: int, classes: int, frames_only: float) -> Truth:
    """Draw `count` videos; in the share `frames_only`, frames alone distinguish the classes of a pair."""
    drawn = rng.choice(classes, count, p=class_frequencies(classes))
    first = rng.choice(np.array([-1, 1], np.float32), count)
    second = first * np.where(drawn % 2, 1, -1)
    is_frames_only = rng.random(count) < frames_only
    return Truth(drawn, rng.integers(0, MODES, count), np.stack([first, second], 1), is_frames_only)


def draw_means(
    rng: np.random.Generator, distribution: Distribution, truth: Truth, *, is_sound: bool
) -> NDArray[np.float32]:
    """(n, D) means of videos, of pictures or of sound."""
    count, dim = len(truth.classes), distribution.centres.shape[2]
    pair = truth.classes // 2
    centres = distribution.centres
    partner = np.minimum(np.arange(len(centres)) ^ 1, len(centres) - 1)
    middle = (centres + centres[partner]) / 2  # the same for both classes of a pair
    features = np.where(
        truth.is_frames_only[:, None], middle[truth.classes, truth.modes], centres[truth.classes, truth.modes]
    )
    # The first factor is in the pictures; the second is in the sound for odd clusters, in the pictures for even ones.
    is_second_in_sound = truth.modes % 2 == 1
    first = np.where(is_sound | truth.is_frames_only, 0, truth.signs[:, 0])
    second = np.where((is_second_in_sound == is_sound) & ~truth.is_frames_only, truth.signs[:, 1], 0)
    features += INTERACTION * first[:, None] * distribution.factors[pair, 0]
    features += INTERACTION * second[:, None] * distribution.factors[pair, 1]
    features += (SUBSPACE_NOISE * rng.standard_normal((count, SUBSPACE), dtype=np.float32)) @ distribution.subspace
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
    kept = np.arange(5) <= rng.integers(0, 5, count)[:, None]
    for column in range(1, 5):  # without repetitions
        kept[:, column] &= ~((lists[:, :column] == lists[:, column : column + 1]) & kept[:, :column]).any(axis=1)
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(lists[kept].astype(np.int32)))


def draw_frames(
    rng: np.random.Generator,
    distribution: Distribution,
    truth: Truth,
    means: NDArray[np.float32],
    counts: NDArray[np.int64],
    clue: str,
) -> NDArray[np.float32]:
    """(F, D) frames of all videos around their means, `counts` of each; `clue` determines how they show the class."""
    of_video = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    within = np.arange(len(of_video)) - starts[of_video]
    position = 2 * within / np.maximum(counts[of_video] - 1, 1) - 1  # from -1 to 1, mean 0
    frames = FRAME_NOISE * rng.standard_normal((len(of_video), means.shape[1]), dtype=np.float32)
    frames += means[of_video]
    if clue == BY_GLIMPSES:
        glimpses = np.ceil(GLIMPSE_SHARE * counts)
        rank = np.empty(len(of_video))  # of a frame, in an order drawn for each video
        rank[np.lexsort((rng.random(len(of_video)), of_video))] = within
        displacement = GLIMPSE * ((rank < glimpses[of_video]) - (glimpses / counts)[of_video])
        frames += displacement.astype(np.float32)[:, None] * distribution.glimpses[truth.classes][of_video]
    else:
        progress = np.where(truth.classes % 2, -1, 1)[of_video] * position
        frames += (TIME * progress).astype(np.float32)[:, None] * distribution.time[truth.classes // 2][of_video]
    return frames


def write_shard(
    path: Path, number: int, count: int, classes: int, frames: int, clue: str, seed: int, kinds: list[Distribution]
) -> None:
    """One shard of `count` videos, drawn from seed and number alone; `kinds` are those of pictures and of sound."""
    rng = np.random.default_rng((seed, 100 + number))
    truth = draw_truth(rng, count, classes, 0.0 if not frames else ORDER_ONLY if clue == ALL else 1.0)
    means = [
        draw_means(rng, kind, truth, is_sound=is_sound) for kind, is_sound in zip(kinds, (False, True), strict=True)
    ]
    counts = rng.integers((frames + 1) // 2, frames + 1, count) if frames else np.full(count, 240)
    codes: dict[str, pa.Array] = {}
    if frames:
        for index, name in enumerate(("rgb", "audio")):
            values = draw_frames(rng, kinds[index], truth, means[index], counts, clue)
            starts = np.cumsum(counts) - counts
            sums = np.add.reduceat(values, starts, dtype=np.float32)
            means[index] = np.divide(sums, counts[:, None], dtype=np.float32)
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
        "tracks": pa.nulls(count, pa.string()),
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
    kinds = [make_distribution(classes, dim, seed, stream) for stream, dim in enumerate((RGB_DIM, AUDIO_DIM))]
    size = FRAME_VIDEOS_PER_SHARD if frames else VIDEOS_PER_SHARD
    for number, start in enumerate(range(0, videos, size)):
        path = folder / f"part-{number:05d}.parquet"
        write_shard(path, number, min(size, videos - start), classes, frames, clue, seed, kinds)
    write_vocabulary(str(output / "vocabulary.csv"), Vocabulary(class_names(classes)))


def main(arguments: list[str] | None = None) -> None:
    """Write a data set and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--videos", type=int, default=312_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--frames", type=int, default=0, help="maximum frames per video; 0 for means only")
    parser.add_argument(
        "--clue", choices=CLUES, default=ALL, help="which property of the frames distinguishes the classes"
    )
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
    bounds = np.arange(len(codes) + 1, dtype=np.int64) * codes.shape[1]
    values = pa.Array.from_buffers(pa.large_binary(), len(codes), [None, pa.py_buffer(bounds), pa.py_buffer(codes)])
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)), values)


if __name__ == "__main__":
    main()
