"""Recordings of workouts with the annotation of each repetition: what is learnt from clips that are cut out of them.

A recording shows one person in one workout, in one room through one camera. Its movements follow one another, each
with several repetitions of uneven length and without gaps of a fixed length; at rests, nothing is annotated.

The output is a Supervisely project, as that tool exports one:

    meta.json                       the tags: one for each movement, and `athlete`, whose value is the person
    workouts/video/NAME.mp4
    workouts/ann/NAME.mp4.json      a tag for each repetition: its first and its last frame, counted from 0
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import numpy as np

from jobs.samples.canvas import Picture
from jobs.samples.gym import Athlete, Room
from jobs.samples.movements import MOVEMENTS, WORKOUTS
from jobs.samples.videos import X264

ATHLETE = "athlete"  # the tag that groups recordings
FPS = 12
FEWEST_FRAMES = 10  # of a repetition
WIDTH, HEIGHT = 96, 128
REPETITIONS = (-2, 2)  # of a movement, fewer and more than asked for
JITTER = (0.85, 1.2)  # of the length of a repetition
PAUSE_FRAMES, REST_FRAMES = (0, 3), (6, 15)  # between repetitions, and before the first of a movement
DATASET = "workouts"


@dataclass(frozen=True)
class Repetition:
    """One repetition of a movement in frames `first` to `last`, both included."""

    movement: str
    first: int
    last: int

    def phase(self, frame: int) -> float:
        """How far it is in a frame, from 0 to 1."""
        return (frame - self.first) / (self.last - self.first)


@dataclass(frozen=True)
class Recording:
    """A recording to make: repetitions in their order, and the frames after the last one."""

    athlete: Athlete
    workout: str
    repetitions: tuple[Repetition, ...]
    seed: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.athlete.name}-{self.workout}.mp4"

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.repetitions[-1].last + 1 + REST_FRAMES[0]

    def pictures(self) -> Iterator[Picture]:
        """Its frames."""
        room = Room(WIDTH, HEIGHT, np.random.default_rng((*self.seed, 1)))
        number = 0
        for frame in range(self.frames):
            while number + 1 < len(self.repetitions) and frame > self.repetitions[number].last:
                number += 1  # a rest shows the pose in which the next repetition begins
            one = self.repetitions[number]
            movement = MOVEMENTS[one.movement]
            phase = min(max(one.phase(frame), 0.0), 1.0)
            yield room.draw(self.athlete, movement, self.athlete.pose(movement, phase), frame)


def plan_recordings(athletes: int, repetitions: int, seed: int) -> Iterator[Recording]:
    """The recordings of so many athletes, about `repetitions` of each movement in a workout."""
    for number in range(athletes):
        athlete = Athlete.drawn(f"athlete-{number + 1:02d}", np.random.default_rng((seed, number)))
        for place, (workout, movements) in enumerate(WORKOUTS.items(), 1):
            its_seed = (seed, number, place)
            rng = np.random.default_rng((*its_seed, 0))
            planned = tuple(_repetitions(athlete, movements, repetitions, rng))
            yield Recording(athlete, workout, planned, its_seed)


def _repetitions(
    athlete: Athlete, movements: tuple[str, ...], repetitions: int, rng: np.random.Generator
) -> Iterator[Repetition]:
    frame = 0
    for movement in movements:
        frame += int(rng.integers(*REST_FRAMES))
        for _ in range(max(repetitions + int(rng.integers(REPETITIONS[0], REPETITIONS[1] + 1)), 1)):
            seconds = MOVEMENTS[movement].seconds * athlete.tempo * rng.uniform(*JITTER)
            length = max(round(seconds * FPS), FEWEST_FRAMES)
            yield Repetition(movement, frame, frame + length - 1)
            frame += length + int(rng.integers(PAUSE_FRAMES[0], PAUSE_FRAMES[1] + 1))


def make_recordings(output: Path, athletes: int, repetitions: int, seed: int) -> list[Recording]:
    """Write the project; the same seed gives the same files."""
    recordings = list(plan_recordings(athletes, repetitions, seed))
    for folder in ("video", "ann"):
        (output / DATASET / folder).mkdir(parents=True, exist_ok=True)
    _write_json(output / "meta.json", _meta())
    for recording in recordings:
        _write_video(recording, output / DATASET / "video" / recording.name)
        _write_json(output / DATASET / "ann" / f"{recording.name}.json", _annotation(recording))
    return recordings


def _write_video(recording: Recording, path: Path) -> None:
    # bitexact: no random ids and no library versions in the file.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={**X264, "g": str(2 * FPS)})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.thread_count = 1
        for number, picture in enumerate(recording.pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _meta() -> dict[str, Any]:
    colours = [f"#{40 * (place % 6):02X}{255 - 25 * place:02X}90" for place in range(len(MOVEMENTS))]
    tags = [
        {"name": name, "value_type": "none", "color": colour, "hotkey": "", "applicable_type": "all", "classes": []}
        for name, colour in zip(MOVEMENTS, colours, strict=True)
    ]
    person = {**tags[0], "name": ATHLETE, "value_type": "any_string", "color": "#808080"}
    return {"classes": [], "tags": [*tags, person], "projectType": "videos"}


def _annotation(recording: Recording) -> dict[str, Any]:
    rng = np.random.default_rng((*recording.seed, 2))

    def key() -> str:
        return UUID(bytes=rng.bytes(16), version=4).hex

    tags = [
        {"name": one.movement, "value": None, "frameRange": [one.first, one.last], "key": key()}
        for one in recording.repetitions
    ]
    return {
        "size": {"height": HEIGHT, "width": WIDTH},
        "description": "",
        "key": key(),
        "tags": [{"name": ATHLETE, "value": recording.athlete.name, "key": key()}, *tags],
        "objects": [],
        "frames": [],
        "framesCount": recording.frames,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
