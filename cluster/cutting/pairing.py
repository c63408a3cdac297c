"""Which video an annotated name means.

In: the names of an export, and the videos. Out: `Pairing`. A name means the video with that id or URI; else the one
whose path has the most folders in common with it, among those with the same file name; else likewise without the
extensions, and with `v_` before ActivityNet's ids. Several that fit equally well are not guessed between.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from cluster.storage.files import address_of
from cluster.storage.redaction import redacted_uri
from schemas.annotations import AnnotatedVideo
from schemas.cuttings import Finding, FindingCode
from schemas.errors import examples
from schemas.videos import Video

PREFIXES = ("", "v_")  # ActivityNet's files are called v_ID


@dataclass(frozen=True)
class Pairing:
    """Videos with their annotations, in the order of the videos, and what could not be paired."""

    pairs: tuple[tuple[Video, tuple[AnnotatedVideo, ...]], ...]
    findings: tuple[Finding, ...]


def pair(annotated: Sequence[AnnotatedVideo], videos: Sequence[Video]) -> Pairing:
    """Pair the videos of an export with the files."""
    index = _Index(videos)
    found: dict[str, list[AnnotatedVideo]] = defaultdict(list)
    findings = []
    for one in annotated:
        candidates = index.candidates(one.name)
        if len(candidates) == 1:
            found[candidates[0].id].append(one)
            continue
        findings.append(_unpaired(one, candidates))
    pairs = []
    for video in videos:
        entries = tuple(found.get(video.id, ()))
        if entries:
            pairs.append((video, entries))
        if len(entries) > 1:
            findings.append(
                Finding(
                    code=FindingCode.SEVERAL_ENTRIES,
                    video=video.id,
                    message=f"{len(entries)} entries of the export are of this video, and count together",
                )
            )
        if not any(entry.annotations for entry in entries):
            message = "the export has no annotation of it" if not entries else "the export has it, without annotation"
            findings.append(Finding(code=FindingCode.NO_ANNOTATION, video=video.id, message=message))
    return Pairing(tuple(pairs), tuple(findings))


class _Index:
    """Videos by their ids and URIs, and by the names of their files with and without extension."""

    def __init__(self, videos: Sequence[Video]) -> None:
        self._exact: dict[str, Video] = {}
        names: dict[str, list[Video]] = defaultdict(list)
        stems: dict[str, list[Video]] = defaultdict(list)
        for video in videos:
            self._exact[video.uri] = video
            name = posixpath.basename(address_of(video.uri))
            names[name].append(video)
            stems[posixpath.splitext(name)[0]].append(video)
        self._exact |= {video.id: video for video in videos}
        self._by_name: Mapping[str, list[Video]] = names
        self._by_stem: Mapping[str, list[Video]] = stems

    def candidates(self, name: str) -> list[Video]:
        """The videos that fit `name` best: one, none, or several that fit equally well."""
        if name in self._exact:
            return [self._exact[name]]
        path = address_of(name).replace("\\", "/")
        base = posixpath.basename(path)
        stem = posixpath.splitext(base)[0]
        choices = [
            self._by_name.get(base),
            *(self._by_stem.get(f"{prefix}{key}") for key in (base, stem) for prefix in PREFIXES),
        ]
        return _closest(path, next(filter(None, choices), []))


def _closest(path: str, videos: Sequence[Video]) -> list[Video]:
    """Those of the videos whose folders are most like those of `path`, from the last one on."""
    lengths = [_common(path, address_of(video.uri)) for video in videos]
    return [video for video, length in zip(videos, lengths, strict=True) if length == max(lengths)]


def _common(path: str, other: str) -> int:
    """How many folders two paths share, from the last one on."""
    pairs = zip(path.split("/")[-2::-1], other.split("/")[-2::-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _unpaired(one: AnnotatedVideo, candidates: Sequence[Video]) -> Finding:
    count = f"{len(one.annotations)} annotation{'s' * (len(one.annotations) != 1)}"
    if candidates:
        uris = examples([redacted_uri(video.uri) for video in candidates])
        message = f"its name fits {len(candidates)} videos equally well ({uris}); {count} left out"
        return Finding(code=FindingCode.AMBIGUOUS, video=one.name, message=message)
    return Finding(
        code=FindingCode.NO_VIDEO, video=one.name, message=f"there is no video of that name; {count} left out"
    )
