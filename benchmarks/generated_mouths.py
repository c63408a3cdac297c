"""Crops of talking mouths, drawn, to test whether a lip reader learns: sentences of the GRID corpus by many speakers.

    python benchmarks/generated_mouths.py OUTPUT [--speakers 8 2] [--sentences 40 5 5] [--size 46 140] [--seed 0]

Writes `OUTPUT/<split>/<speaker>-<nnnn>.mp4`, each a sentence of three seconds, and `OUTPUT/manifest.csv` with
`id,uri,split,group,text,words`. `--speakers` counts those that training has, and those that only the test has;
`--sentences` counts the sentences of each in training, validation and test. Validation and test have no sentence of
the training. Equal seeds give equal files.

What a mouth does is that of `generated_speech`. A speaker has a colour of skin and lips, a size of mouth and lips,
teeth, a place in the crop, a pace, and articulates more or less. Each clip has a light of its own, from one side, and
a head that is turned and moves a little. Skin has a texture; pixels have noise.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_actions import X264, Field, Frames, draw_texture
from benchmarks.generated_speech import RATE, SHAPE, Speech, mouth_shapes, random_sentence, speak
from cluster.datasets.grouped_splits import STORED_SPLITS, TEST, TRAINING
from cluster.datasets.manifest_writer import write_manifest
from schemas.videos import Video

TEXTURE = 64  # height and width of a skin's texture in pixels
MOUTH = 0.31  # half the width of a mouth at rest, as a part of the width of the crop
MOTION = np.array([[0.02], [0.02], [0.015]], np.float32)  # of the head: to the left, down, and turned, in radians
DARK = np.array((48, 22, 24), np.float32)  # between the lips
TONGUE = np.array((176, 88, 90), np.float32)
SENSOR_NOISE = 3.0  # deviation, of a brightness of 0 to 255


@dataclass(frozen=True)
class Speaker:
    """A speaker; lengths are in halves of the width of a mouth at rest unless they say otherwise.

    skin, lips, teeth   colours (3,)
    texture             of the skin (TEXTURE, TEXTURE, 3)
    size                of the mouth, relative to others
    upper, lower        height of the lips at rest
    left, down          of the mouth's place from the middle of the crop
    articulation        how far the mouth departs from its shape at rest, relative to others
    pace                length of sounds, relative to others
    """

    skin: Field
    lips: Field
    teeth: Field
    texture: Field
    size: float
    upper: float
    lower: float
    left: float
    down: float
    articulation: float
    pace: float


def draw_speaker(rng: np.random.Generator) -> Speaker:
    """Somebody."""
    skin = np.array((224, 172, 148), np.float32) * np.float32(rng.uniform(0.35, 1.05))
    skin = skin + rng.normal(0, 5, 3).astype(np.float32)
    redness = np.float32(rng.uniform(0.5, 0.85))
    return Speaker(
        skin=skin,
        lips=skin * np.array((rng.uniform(0.8, 1.0), redness * 0.85, redness * 0.9), np.float32),
        teeth=np.array((226, 220, 204), np.float32) * np.float32(rng.uniform(0.75, 1.0)),
        texture=draw_texture(rng, TEXTURE) * np.float32(rng.uniform(0.1, 0.4)),
        size=rng.uniform(0.85, 1.15),
        upper=rng.uniform(0.14, 0.24),
        lower=rng.uniform(0.2, 0.32),
        left=rng.uniform(-0.12, 0.12),
        down=rng.uniform(-0.1, 0.1),
        articulation=rng.uniform(0.75, 1.2),
        pace=rng.uniform(0.85, 1.1),
    )


def draw_mouth(rng: np.random.Generator, speaker: Speaker, speech: Speech, height: int, width: int) -> Frames:
    """The frames of a speech, uint8 (T, height, width, 3), RGB."""
    shapes = mouth_shapes(speech)
    rest = np.array((0.02, 1.0, 1.0, 0.0, 0.0, 0.0), np.float32)
    shapes = rest + np.float32(speaker.articulation) * (shapes - rest)
    u, v, pixel = _coordinates(rng, speaker, len(shapes), height, width)
    shape = {name: shapes[:, place, None, None] for place, name in enumerate(SHAPE)}  # (T, 1, 1) each
    frames = _compose(speaker, shape, u, v, pixel)
    brightness = np.float32(rng.uniform(0.75, 1.2))
    side, above = rng.uniform(-0.12, 0.12, 2).astype(np.float32)  # where the light comes from
    flicker = rng.normal(0, 0.01, (len(shapes), 1, 1)).astype(np.float32)
    frames *= (brightness * (1 + side * u + above * v + flicker))[..., None]
    frames += rng.standard_normal(frames.shape, np.float32) * np.float32(SENSOR_NOISE)
    return frames.round().clip(0, 255).astype(np.uint8)


def _coordinates(
    rng: np.random.Generator, speaker: Speaker, frames: int, height: int, width: int
) -> tuple[Field, Field, float]:
    """Where each pixel lies on the face, (T, H, W) to the right and down from the middle of the mouth, and its size.

    The head is turned, and moves slowly: its place and angle are sums of two slow waves.
    """
    time = np.linspace(0, 2 * np.pi, frames, dtype=np.float32)
    waves = np.stack(
        [np.sin(rate * time + phase) for rate, phase in zip((0.6, 1.7), rng.uniform(0, 6, 2), strict=True)]
    )
    moved = rng.normal(0, 1, (3, 2)).astype(np.float32) @ waves * MOTION
    left, down, turn = moved[..., None, None]  # (T, 1, 1) each
    left = left + np.float32(speaker.left + rng.normal(0, 0.04))
    down = down + np.float32(speaker.down + rng.normal(0, 0.04))
    turn = turn + np.float32(rng.normal(0, 0.06))
    half = MOUTH * width * speaker.size * rng.uniform(0.93, 1.07)  # of the mouth in pixels
    x = ((np.arange(width) + 0.5 - width / 2) / half).astype(np.float32)[None, None, :] - left
    y = ((np.arange(height) + 0.5 - height / 2) / half).astype(np.float32)[None, :, None] - down
    cos, sin = np.cos(turn), np.sin(turn)
    return x * cos + y * sin, y * cos - x * sin, 1 / half


def _compose(speaker: Speaker, shape: dict[str, Field], u: Field, v: Field, pixel: float) -> Field:
    """The face, float32 (T, H, W, 3): skin, lips, and between them darkness, tongue and teeth.

    The edges of lips are parabolas over the width of the mouth; the lower jaw does most of the opening.
    """
    opening, width = np.maximum(shape["opening"], 0), np.maximum(shape["width"], 0.3)
    fullness, tuck = np.maximum(shape["fullness"], 0.4), shape["tuck"]
    arch = 1 - (u / width) ** 2  # 1 in the middle, 0 in the corners of the mouth
    inner = 1 - (u / (0.88 * width)) ** 2
    top = -0.35 * opening * inner  # of the dark
    bottom = (1.3 * opening - 0.12 * tuck) * inner
    bow = 0.025 * np.cos(7 * u / width)  # of the upper lip
    upper_edge = np.minimum(top, 0) - (speaker.upper * fullness - bow) * arch
    lower_edge = np.maximum(bottom, 0) + speaker.lower * fullness * (1 - 0.45 * tuck) * arch

    def within(low: Field, high: Field) -> Field:
        """The share of each pixel between two edges, (T, H, W, 1); edges are a pixel wide."""
        share = np.clip((v - low) / pixel + 0.5, 0, 1) * np.clip((high - v) / pixel + 0.5, 0, 1)
        return (share * (high > low))[..., None]

    frames = speaker.skin + _texture(speaker.texture, u, v)
    frames += ((v > 0) * np.float32(-6) * np.clip(v - 0.4 - opening, 0, 1))[..., None]  # the chin is in the shade
    lips = speaker.lips * (1 - 0.25 * np.clip(v / 0.4, -1, 1) ** 2)[..., None]
    _blend(frames, within(upper_edge, lower_edge), lips)
    _blend(frames, within(top, bottom), DARK)
    tongue_top = bottom - shape["tongue"] * 0.75 * (bottom - top)
    _blend(frames, within(tongue_top, bottom) * (abs(u) < 0.6 * width)[..., None], TONGUE)
    teeth_bottom = top + shape["teeth"] * np.minimum(0.3, 0.6 * (bottom - top) + 0.1 * tuck)
    _blend(frames, within(top, np.minimum(teeth_bottom, bottom + 0.08 * tuck)), speaker.teeth)
    return frames


def _blend(frames: Field, share: Field, colour: Field) -> None:
    frames += share * (colour - frames)


def _texture(texture: Field, u: Field, v: Field) -> Field:
    """The texture at places on the face, where it spans -2 to 2; the nearest pixel, which is finer than a crop's."""
    column, row = (np.clip((at + 2) * (len(texture) / 4), 0, len(texture) - 1).astype(np.int32) for at in (u, v))
    found: Field = texture[row, column]
    return found


@dataclass(frozen=True)
class Clip:
    """A sentence of a speaker: frames are uint8 (T, H, W, 3), RGB."""

    speaker: str
    speech: Speech
    frames: Frames


def draw_clips(
    seed: int,
    speakers: Iterable[int],
    sentences: int,
    height: int,
    width: int,
    *,
    part: str = TRAINING,
    unlike: Iterable[str] = (),
) -> list[Clip]:
    """Clips of `sentences` sentences of each speaker, who are known by number; none of the sentences `unlike`."""
    left_out = set(unlike)
    clips = []
    for number in speakers:
        speaker = draw_speaker(np.random.default_rng((seed, number)))
        rng = np.random.default_rng((seed, number, 1 + STORED_SPLITS.index(part)))
        for _ in range(sentences):
            while (text := random_sentence(rng)) in left_out:
                pass
            speech = speak(rng, text, speaker.pace)
            clips.append(Clip(f"s{number + 1}", speech, draw_mouth(rng, speaker, speech, height, width)))
    return clips


def write_clip(path: Path, frames: Frames) -> None:
    """Encode frames, uint8 (T, H, W, 3), of even height and width."""
    # bitexact: no random ids and no library versions in the file.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=RATE, options=X264)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.thread_count = 1
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def write_mouths(
    output: Path, *, known: int, unseen: int, sentences: Mapping[str, int], height: int, width: int, seed: int = 0
) -> Path:
    """Write the clips of `sentences`, counted by split, and the manifest; returns the path of the manifest."""
    learnt: set[str] = set()
    videos = []
    for part, count in sentences.items():
        (output / part).mkdir(parents=True)
        speakers = range(known + unseen if part == TEST else known)
        clips = draw_clips(seed, speakers, count, height, width, part=part, unlike=learnt)
        learnt |= {clip.speech.text for clip in clips} if part == TRAINING else set()
        for number, clip in enumerate(clips):
            name = f"{part}/{clip.speaker}-{number % count:04d}"
            write_clip(output / f"{name}.mp4", clip.frames)
            speech = clip.speech
            videos.append(
                Video(name, f"{name}.mp4", split=part, group=clip.speaker, text=speech.text, words=speech.words)
            )
    manifest = output / "manifest.csv"
    write_manifest(str(manifest), videos)
    return manifest


def main(arguments: list[str] | None = None) -> None:
    """Write a set and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--speakers", type=int, nargs=2, default=(8, 2), metavar="COUNT")
    parser.add_argument("--sentences", type=int, nargs=3, default=(40, 5, 5), metavar="COUNT", help="of each split")
    parser.add_argument("--size", type=int, nargs=2, default=(46, 140), metavar="PIXELS", help="height and width")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if min(*options.speakers, *options.sentences, options.seed) < 0 or min(options.size) < 16:
        parser.error("--speakers, --sentences and --seed must be at least 0, --size at least 16")
    if any(side % 2 for side in options.size):
        parser.error("--size must be even, as H.264 halves its colours")
    if options.output.exists() and any(options.output.iterdir()):
        parser.error(f"{options.output} holds files already: give another folder")
    started = time.perf_counter()
    known, unseen = options.speakers
    height, width = options.size
    sentences = dict(zip(STORED_SPLITS, options.sentences, strict=True))
    manifest = write_mouths(
        options.output,
        known=known,
        unseen=unseen,
        sentences=sentences,
        height=height,
        width=width,
        seed=options.seed,
    )
    print(f"{manifest}: {known + unseen} speakers, in {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
