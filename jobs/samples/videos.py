"""Sample videos: each kind of content drawn in many formats, one broken file, and their manifest."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.layout import AudioLayout

from jobs.samples.priority import keeping_priority
from jobs.samples.scenes import SCENES, Draw
from jobs.samples.sounds import SOUNDS

# Kind of content, which is the label -> its sound. The scene bears the kind's name.
KINDS: dict[str, str] = {
    "bouncing": "clicks",
    "plasma": "drone",
    "landscape": "chords",
    "slides": "noise-bursts",
    "starfield": "sweep",
    "pulsing": "drums",
    "waves": "surf",
    "bar-chart": "rising-steps",
    "tunnel": "melody",
}


# mbtree=0: with B-frames, x264's macroblock tree gave up to ten different files for the same pictures in ten trials.
X264 = {"preset": "veryfast", "crf": "24", "mbtree": "0", "threads": "1"}


Row = tuple[str, str, str]  # of a manifest: uri, labels, split
CUT_AT = 0.6  # of the broken file's bytes: its index, which MP4 has at the end, is gone


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a video is stored. Sizes are those on screen; `rotation` is that of the stored picture, in degrees."""

    extension: str = "mp4"
    video: str = "libx264"
    audio: str | None = "aac"
    width: int = 320
    height: int = 240
    fps: Fraction = Fraction(25)
    audio_hz: int = 44_100
    layout: str = "stereo"
    rotation: int = 0
    options: dict[str, str] = field(default_factory=lambda: X264)


# Videos take them in turn. 19 and 9 being coprime, each kind is stored in other formats each time.
FORMATS = (
    Format(fps=Fraction(24)),
    Format(width=480, height=360, fps=Fraction(20)),
    Format(
        extension="webm",
        video="libvpx-vp9",
        audio="libopus",
        audio_hz=48_000,
        options={"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0", "threads": "1"},
    ),
    Format(fps=Fraction(30_000, 1001), width=426, audio_hz=48_000),
    Format(
        video="libx265",
        options={"preset": "ultrafast", "crf": "26", "x265-params": "pools=none:frame-threads=1:log-level=error"},
    ),
    Format(fps=Fraction(15), layout="mono", audio_hz=22_050),
    Format(
        extension="mkv",
        video="libsvtav1",
        audio="libopus",
        audio_hz=48_000,
        height=192,
        options={"preset": "10", "crf": "40", "svtav1-params": "lp=1"},
    ),
    Format(width=240, height=320, fps=Fraction(20)),
    Format(extension="avi", video="mpeg4", audio="libmp3lame", options={"b": "900000", "threads": "1"}),
    Format(fps=Fraction(30)),
    Format(
        extension="ts",
        video="mpeg2video",
        audio="mp2",
        audio_hz=48_000,
        options={"b": "1500000", "threads": "1"},
    ),
    Format(width=640, height=360, fps=Fraction(15)),
    Format(width=240, height=320, fps=Fraction(20), rotation=90),
    Format(extension="mkv", audio="flac", layout="mono", audio_hz=16_000),
    Format(height=180, fps=Fraction(24_000, 1001)),
    Format(extension="mov", options={**X264, "bf": "0"}),
    Format(width=480, height=270, options={**X264, "g": "50"}),
    Format(width=1280, height=720, fps=Fraction(12)),
    Format(audio=None),
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One video to make; `number` counts within its kind, from 1."""

    kind: str
    number: int
    format: Format
    seconds: float
    seed: tuple[int, int]

    @property
    def id(self) -> str:
        """Path without extension, relative to the output folder: the id that a folder scan gives the video."""
        return f"{self.kind}/{self.kind}-{self.number:02d}"


def plan(count: int, seed: int) -> Iterator[Sample]:
    """Assign kinds and formats to `count` videos of 4 to 9 seconds."""
    kinds = list(KINDS)
    for i in range(count):
        chosen = FORMATS[i % len(FORMATS)]
        longest = 5.0 if chosen.width > 1000 else 9.0  # large pictures are slow to draw
        seconds = round(float(np.random.default_rng((seed, i, 0)).uniform(4.0, longest)), 1)
        number = i // len(kinds) + 1
        yield Sample(kind=kinds[i % len(kinds)], number=number, format=chosen, seconds=seconds, seed=(seed, i))


def split_of(sample: Sample) -> str:
    """Of each four videos of a kind, one is for the test and one for validation."""
    return {3: "test", 0: "validate"}.get(sample.number % 4, "train")


@keeping_priority()
def write_video(sample: Sample, path: Path) -> None:
    """Draw and encode one video."""
    form = sample.format
    draw = SCENES[sample.kind](form.width, form.height, np.random.default_rng((*sample.seed, 1)))
    turned = form.rotation in (90, 270)
    path.parent.mkdir(parents=True, exist_ok=True)
    # bitexact: no random ids and no library versions in the file.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        video = cast(av.VideoStream, container.add_stream(form.video, rate=form.fps, options=dict(form.options)))
        video.width, video.height = (form.height, form.width) if turned else (form.width, form.height)
        video.pix_fmt = "yuv420p"
        video.thread_count = 1
        if form.rotation:
            video.set_display_rotation(form.rotation)
        audio = None
        if form.audio is not None:
            audio = cast(av.AudioStream, container.add_stream(form.audio, rate=form.audio_hz, layout=form.layout))
        for picture in _pictures(draw, sample):
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if audio is not None:
            for block in _blocks(sample):
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))


def _pictures(draw: Draw, sample: Sample) -> Iterator[av.VideoFrame]:
    fps = sample.format.fps
    for k in range(int(sample.seconds * fps)):
        # The player turns the stored picture counter-clockwise by `rotation`; it is stored turned the other way.
        picture = np.rot90(draw(float(k / fps)), -sample.format.rotation // 90)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = k, 1 / fps
        yield frame


def _blocks(sample: Sample) -> Iterator[av.AudioFrame]:
    form = sample.format
    wave = SOUNDS[KINDS[sample.kind]](
        int(sample.seconds * form.audio_hz), form.audio_hz, np.random.default_rng((*sample.seed, 2))
    )
    for start in range(0, wave.size, 4096):
        block = np.tile(wave[start : start + 4096], (AudioLayout(form.layout).nb_channels, 1))  # (channels, n)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=form.layout)
        frame.sample_rate, frame.pts, frame.time_base = form.audio_hz, start, Fraction(1, form.audio_hz)
        yield frame


def make_samples(output: Path, count: int, seed: int, nights: int = 0) -> Path:
    """Write `count` whole videos, a broken one and the manifest, whose path is returned.

    `output/<kind>/<kind>-<nn>.<ext>`, so that each folder is a class; `output/broken/broken-01.mp4`, cut short, so that
    a run over the folder has a failure to show; `output/manifest.csv` with `id,uri,labels,split`, where the uri is
    relative to the manifest. The same seed gives the same videos.

    `output/night-1.csv`, … list what is there by each of the `nights`: on each one, a video of each kind has arrived,
    without a label. An upload of each night but the last is cut short; the next night has the whole file in its place.
    """
    samples = list(plan(count + nights * len(KINDS), seed))
    rows = {}
    for sample in samples[:count]:
        rows[sample.id] = (_write(sample, output), sample.kind, split_of(sample))
    rows["broken/broken-01"] = _write_cut(output, "broken-01", (seed, count))
    manifest = _write_manifest(output / "manifest.csv", rows)
    for night in range(nights):
        late = samples[count + night * len(KINDS) :][: len(KINDS)]
        rows |= {sample.id: (_write(sample, output), "", "") for sample in late}
        mended = {}
        if night < nights - 1:
            upload, its_seed = f"broken-{night + 2:02d}", (seed, len(samples) + night)
            rows[f"broken/{upload}"] = _write_cut(output, upload, its_seed)
            mended[f"broken/{upload}"] = _write_upload(output, upload, its_seed, "whole")
        _write_manifest(output / f"night-{night + 1}.csv", rows)
        rows |= mended
    return manifest


def _write(sample: Sample, output: Path) -> str:
    """Write a video; returns its path below `output`."""
    path = output / f"{sample.id}.{sample.format.extension}"
    write_video(sample, path)
    return path.relative_to(output).as_posix()


def _write_cut(output: Path, name: str, seed: tuple[int, int]) -> Row:
    """Write a video that is cut short."""
    row = _write_upload(output, name, seed, "broken")
    path = output / row[0]
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * CUT_AT)])
    return row


def _write_upload(output: Path, name: str, seed: tuple[int, int], folder: str) -> Row:
    path = output / folder / f"{name}.mp4"
    write_video(Sample(kind="waves", number=1, format=FORMATS[0], seconds=4.0, seed=seed), path)
    return path.relative_to(output).as_posix(), "", ""


def _write_manifest(path: Path, rows: Mapping[str, Row]) -> Path:
    """Write the rows by id."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "uri", "labels", "split"))
        writer.writerows((name, *row) for name, row in rows.items())
    return path
