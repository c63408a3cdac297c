"""The work of a run: the videos of its manifest without those that earlier runs have settled.

A video is identified by its id and done again when its content has changed: other bytes behind the URI, or another
interval of the video. Where a store reports no version, the bytes count as unchanged; but a file that was missing, and
has a version now, has arrived.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from schemas.outcomes import FailureCode
from schemas.videos import Video, content_of, is_same_content

RETRY_ALL = ()


@dataclass(frozen=True)
class FailedBefore:
    """A video that failed in the earlier run `run_id`."""

    code: str
    content: str
    run_id: str


@dataclass(frozen=True)
class Settled:
    """What earlier runs settled.

    done     the content of videos that are done, by id
    failed   those that failed, by id
    earlier  ids of those done by a release with another revision of sampling (`schemas.ledger`)
    """

    done: Mapping[str, str]
    failed: Mapping[str, FailedBefore]
    earlier: Collection[str] = frozenset()


@dataclass(frozen=True)
class Increment:
    """What is left to do.

    pending   videos to process
    replaced  ids of those that have a row, made from content that is gone or by an earlier release
    failed    codes, by id, of the other videos that failed in an earlier run, and are not tried again
    earlier   how many videos keep the row of an earlier release
    """

    pending: Sequence[Video]
    replaced: Collection[str]
    failed: Mapping[str, str]
    earlier: int = 0


def increment_of(
    videos: Sequence[Video], settled: Settled, retry_failed: tuple[str, ...] | None, *, redo_earlier: bool = False
) -> Increment:
    """The videos that are new, have changed, or failed with one of the codes to retry (`RETRY_ALL`; None for none).

    redo_earlier  whether videos done by an earlier release are done again
    """
    pending: list[Video] = []
    replaced: list[str] = []
    given_up: dict[str, str] = {}
    earlier = 0
    for video in videos:
        done, failed = settled.done.get(video.id), settled.failed.get(video.id)
        if done is not None:
            if is_same_content(done, content_of(video)):
                is_earlier = video.id in settled.earlier
                if not (is_earlier and redo_earlier):
                    earlier += is_earlier
                    continue
            replaced.append(video.id)
        elif failed is not None:
            is_retried = retry_failed is not None and (retry_failed == RETRY_ALL or failed.code in retry_failed)
            if not is_retried and not is_replaced(failed, video):
                given_up[video.id] = failed.code
                continue
        pending.append(video)
    return Increment(pending, frozenset(replaced), given_up, earlier)


def is_replaced(failed: FailedBefore, video: Video) -> bool:
    """Whether the content now is another than the one that failed."""
    has_arrived = failed.code == FailureCode.MISSING and not failed.content and video.version
    return bool(has_arrived) or not is_same_content(failed.content, content_of(video))
