"""What a reader finds beside annotations: problems, which make the export unreadable, and notes for a person.

found = Findings(export.uri)
with found.at("a.json, tag 3"):
    …  # a `ValueError` becomes the problem "a.json, tag 3: …", and reading goes on
return found.result(videos)
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from cluster.annotations.base import AnnotationError
from cluster.datasets.manifest_videos import MAX_FOUND
from cluster.storage import files
from schemas.annotations import AnnotatedVideo, AnnotationSet


class Findings:
    """Collects what is wrong with an export and what was left out of it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.problems: list[str] = []
        self._notes: dict[str, tuple[str, int]] = {}  # its first place, and the number of places

    def wrong(self, problem: str) -> None:
        """Add a problem. Raises `AnnotationError` once there are `MAX_FOUND`."""
        self.problems.append(problem)
        if len(self.problems) >= MAX_FOUND:
            raise AnnotationError(self.uri, [*self.problems, "what follows is not read"])

    def at(self, place: str) -> _Place:
        """A context whose `ValueError` becomes a problem at this place."""
        return _Place(self, place)

    def note(self, note: str, place: str = "") -> None:
        """Add a note; the same note at several places counts them."""
        first, count = self._notes.get(note, (place, 0))
        self._notes[note] = first, count + 1

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence each, with the number of places and the first of them."""
        return tuple(_sentence(note, place, count) for note, (place, count) in self._notes.items())

    def result(self, videos: Iterable[AnnotatedVideo], classes: Iterable[str] = ()) -> AnnotationSet:
        """The rows. Raises `AnnotationError` with all problems where there are any."""
        rows = tuple(videos)  # which may be made as they are taken, and find problems
        if self.problems:
            raise AnnotationError(self.uri, self.problems)
        return AnnotationSet(rows, tuple(classes), self.notes)


def _sentence(note: str, place: str, count: int) -> str:
    if not place:
        return note
    return f"{note} ({count:,} times; first: {place})" if count > 1 else f"{note} ({place})"


class _Place:
    def __init__(self, found: Findings, place: str) -> None:
        self._found = found
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if isinstance(error, OSError | files.StorageError):
            self._found.wrong(f"{self._place}: it cannot be read: {error}")
            return True
        if isinstance(error, ValueError):
            self._found.wrong(f"{self._place}: {error}")
            return True
        return False
