"""What the report of a training shows beside its record: reports of its features, and pictures of videos."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from contextlib import suppress

from cluster.clips.previews import previews_of
from cluster.clips.thumbnails import thumbnails_of
from cluster.datasets.folder import RUNS
from cluster.reports.links import PageLink
from cluster.reports.lip_report import reported_texts
from cluster.reports.training_tables import reported_split
from cluster.storage import files
from cluster.storage.listing import list_files
from cluster.storage.read_policy import ReadPolicy
from cluster.storage.redaction import MASK
from cluster.training.data import TrainingData
from cluster.training.lip_data import LipData
from extractors.video.thumbnail import Thumbnail
from schemas.errors import InputError
from schemas.trainings import TrainingRecord
from schemas.videos import Video

MAX_REPORTS = 6  # of each dataset, the latest
MAX_PICTURES = 24
TOTAL_SECONDS = 30.0  # for all pictures
PREVIEW_SECONDS = 120.0  # for all previews, in which faces are looked for
TRIES = 4  # videos without a picture, after which the others are not tried: their store cannot be reached


def feature_reports(features: Sequence[str]) -> tuple[PageLink, ...]:
    """The reports of the runs that extracted these features, where they can be listed."""
    found: list[PageLink] = []
    for root in features:
        with suppress(InputError, OSError):
            folder = files.join(root, RUNS)
            pages = [file.uri for file in list_files(folder)] if files.exists(folder) else []
            reports = sorted(page for page in pages if page.endswith(".html"))
            found += (PageLink(f"Extraction {_stem(report)}", report) for report in reports[-MAX_REPORTS:])
    return tuple(found)


def mistake_pictures(record: TrainingRecord, data: TrainingData, policy: ReadPolicy) -> dict[str, Thumbnail]:
    """Thumbnails by id of the most confident mistakes, where their videos can be read."""
    split = reported_split(record)
    if split is None:
        return {}
    names = [mistake.id for mistake in split.mistakes[:MAX_PICTURES]]
    uris = data.uris(split.name, set(names))
    videos = [Video(name, uris[name]) for name in names if _may_be_read(uris.get(name, ""))]
    return thumbnails_of(videos, policy, total_seconds=TOTAL_SECONDS, give_up_after=TRIES)


def lip_previews(record: TrainingRecord, data: TrainingData, threads: int) -> dict[str, bytes]:
    """Previews by id of the sentences that the report shows, where their videos can be read."""
    split = reported_texts(record)
    if split is None or not isinstance(data, LipData):
        return {}
    names = [one.id for one in (*split.worst, *split.best)]
    videos = sorted((video for video in data.videos if video.id in names), key=lambda video: names.index(video.id))
    tasks = [data.reading.task(video, 0, is_deterministic=True) for video in videos]
    return previews_of(tasks, threads, total_seconds=PREVIEW_SECONDS)


def _may_be_read(uri: str) -> bool:
    """Whether the video may be where it was; only on disk does it cost nothing to look."""
    try:
        return bool(uri) and MASK not in uri and (not files.is_local(uri) or files.exists(uri))
    except InputError:
        return False


def _stem(uri: str) -> str:
    return posixpath.splitext(posixpath.basename(uri))[0]
