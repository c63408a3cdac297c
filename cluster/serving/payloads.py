"""The bodies of requests and responses, with examples: what `openapi.json` is made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class Body(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ErrorText(Body):
    """What went wrong."""

    code: str = Field(examples=["not_media"])
    message: str = Field(examples=["the file is no video of a format that is known here"])


class ErrorBody(Body):
    """The body of every response that is no success."""

    error: ErrorText


class UriRequest(Body):
    """A video by its address."""

    uri: Annotated[str, Field(min_length=8, max_length=4096, examples=["https://example.org/video.mp4"])]
    models: list[Name] = Field(default=[], max_length=64, examples=[["actions"]])


class Accepted(Body):
    """A video that has been taken in."""

    id: str = Field(examples=["Xn1c7Y0S3mVqB6tJrF2kLw"])
    status: str = Field(examples=["queued"])


class Label(Body):
    """A class and its probability."""

    index: int = Field(examples=[3])
    name: str = Field(examples=["dancing"])
    score: float = Field(examples=[0.87])


class Step(Body):
    """The best classes of a step of the timeline, which begins at `seconds`."""

    seconds: float
    top: list[Label]


class Event(Body):
    """A class from where it begins to where it ends, in seconds."""

    start: float
    end: float
    index: int
    name: str
    score: float


class Result(Body):
    """What one classifier says."""

    model: str = Field(examples=["actions"])
    labels: list[Label]
    timeline: list[Step]
    events: list[Event]


class Word(Body):
    """A word from where it begins to where it ends, in seconds, and its mean probability in a frame."""

    word: str = Field(examples=["blue"])
    start: float = Field(examples=[0.48])
    end: float = Field(examples=[0.72])
    score: float = Field(examples=[0.93])


class Transcript(Body):
    """What one lip reader reads.

    score     the probability of the text, the geometric mean of those of its windows
    coverage  the share of the video that was read: the rest shows no face, or is damaged
    """

    model: str = Field(examples=["reader"])
    text: str = Field(examples=["bin blue at f two now"])
    score: float = Field(examples=[0.62])
    coverage: float = Field(examples=[1.0])
    words: list[Word]


class ModelFailure(ErrorText):
    """Why one lip reader has no transcript, where other models have results."""

    model: str = Field(examples=["reader"])


class KeptCorrection(Body):
    """A correction as the manifest has it: whole seconds."""

    model: str = Field(examples=["actions"])
    start_seconds: int
    end_seconds: int
    label: str


class VideoState(Body):
    """A video and, once it is done, its results; its place in the queue while it waits there, from 1.

    results      of classifiers
    transcripts  of lip readers
    failures     of lip readers that could not read it, such as `no_face`
    """

    id: str
    name: str = Field(examples=["holiday.mp4"])
    status: Literal["fetching", "queued", "decoding", "classifying", "done", "failed"]
    place: int | None = Field(ge=1, examples=[3])
    progress: float = Field(ge=0, le=1, examples=[0.5])
    error: ErrorText | None
    duration_seconds: float | None = Field(examples=[12.4])
    codec: str | None = Field(examples=["h264"])
    expires_at: str | None = Field(examples=["2026-11-29T20:00:00+00:00"])
    results: list[Result]
    transcripts: list[Transcript]
    failures: list[ModelFailure]
    corrections: list[KeptCorrection]


class Correction(Body):
    """The label that a part of a video should have; `model` is a classifier."""

    model: Name = Field(examples=["actions"])
    start_seconds: Seconds = Field(examples=[2.0])
    end_seconds: Seconds = Field(examples=[5.0])
    label: Name = Field(examples=["dancing"])


class ModelFacts(Body):
    """One classifier, or lip reader, which has no classes.

    step_hz          steps a second of its timelines; of a lip reader, frames a second that it reads
    live_hz          frames a second that it wants of a camera; null of one that watches none, as lip readers
    accuracy         of a classifier on validation videos; null where it is not known
    word_error_rate  of a lip reader, likewise
    confusions       by class, what it was taken for, and the share of its videos
    """

    name: str = Field(examples=["actions"])
    kind: Literal["mean", "frames", "clip", "stream", "lips"]
    classes: list[str] = Field(examples=[["dancing", "running"]])
    step_hz: float = Field(examples=[1.0])
    live: bool
    live_hz: float | None = Field(examples=[5.0])
    accuracy: float | None = Field(examples=[0.91])
    word_error_rate: float | None = Field(examples=[0.08])
    confusions: dict[str, list[tuple[str, float]]] = Field(examples=[{"dancing": [["running", 0.12]]}])
    report: str | None = Field(examples=["/v1/models/actions/report"])


class ServiceFacts(Body):
    """What is taken in, and how long it is kept."""

    max_upload_bytes: int = Field(examples=[2 << 30])
    max_duration_seconds: float = Field(examples=[3600.0])
    retention_seconds: float = Field(examples=[3600.0])
    uris: bool
    uri_schemes: list[str] = Field(examples=[["https", "http"]])
    corrections_kept: bool


class Health(Body):
    """The service answers."""

    status: Literal["ok"]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses that a route may give beside its own."""
    return {status: {"model": ErrorBody} for status in (401, 403, 429, *statuses)}
