"""Which video an annotated name means.

In: the names of an export, and the videos. Out: `Pairing`. A name means the video with that id or URI; else the one
whose path has the most folders in common with it, from the last one on, among those with the same file name; else
likewise without the extensions, with `v_` before ActivityNet's ids or without it, and without what Label Studio writes
before the names of uploads. Letters with accents may be composed or not. A folder that both sides know tells videos
apart: `train/a.mp4` is not `test/a.mp4`, though it may be `a.mp4`. Several that fit equally well are not guessed
between.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from unicodedata import normalize
from urllib.parse import unquote

from cluster.storage.files import HTTP, address_of, scheme_of
from cluster.storage.redaction import redacted_uri
from schemas.annotations import AnnotatedVideo
from schemas.cuttings import Finding, FindingCode
from schemas.errors import examples
from schemas.text import counted
from schemas.videos import Video

PREFIX = "v_"  # of ActivityNet's files, and of the ids in some lists of it
# Label Studio stores uploads as upload/PROJECT/HASH-NAME, with blanks as _, and without all other signs.
UPLOAD = re.compile(r"(?:^|/)upload/(?:\d+/)?[0-9a-f]{8}-(?P<name>[^/]+)$")
UNSTORED = re.compile(r"[^-\w.]")
NO_FOLDERS = ("", ".", "..")


@dataclass(frozen=True)
class Pairing:
    """Videos with their annotations, in the order of the videos, and what could not be paired."""

    pairs: tuple[tuple[Video, tuple[AnnotatedVideo, ...]], ...]
    findings: tuple[Finding, ...]


def pair(annotated: Sequence[AnnotatedVideo], videos: Sequence[Video]) -> Pairing:
    """Pair the videos of an export with the files."""
    index = _Index(videos, [one.name for one in annotated])
    found: dict[str, list[AnnotatedVideo]] = defaultdict(list)
    findings = []
    for one in annotated:
        candidates = index.candidates(one.name)
        if len(candidates.fitting) == 1:
            found[candidates.fitting[0].id].append(one)
            continue
        findings.append(_unpaired(one, candidates))
    pairs = []
    for video in videos:
        entries = tuple(found.get(video.id, ()))
        if entries:
            pairs.append((video, entries))
        if len(entries) > 1:
            names = [*dict.fromkeys(entry.name for entry in entries)]
            called = f" ({examples(names)})" if len(names) > 1 else ""
            message = f"{len(entries)} entries of the export{called} are of this video, and count together"
            findings.append(Finding(code=FindingCode.SEVERAL_ENTRIES, video=video.id, message=message))
        if not any(entry.annotations for entry in entries):
            message = "the export has no annotation of it" if not entries else "the export has it, without annotation"
            findings.append(Finding(code=FindingCode.NO_ANNOTATION, video=video.id, message=message))
    return Pairing(tuple(pairs), tuple(findings))


@dataclass(frozen=True)
class _Candidates:
    """Videos that a name fits equally well, and if there are none, those of its name in other folders."""

    fitting: Sequence[Video] = ()
    elsewhere: Sequence[Video] = ()


@dataclass
class _Names:
    """Videos by the names of their files, with and without extension."""

    whole: dict[str, list[Video]] = field(default_factory=lambda: defaultdict(list))
    stems: dict[str, list[Video]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, video: Video) -> None:
        self.whole[name].append(video)
        self.stems[posixpath.splitext(name)[0]].append(video)

    def fitting(self, name: str) -> Iterator[Sequence[Video]]:
        """Those of that name, then those that are called so but for extensions and prefixes."""
        yield self.whole.get(name, ())
        for key in (name, posixpath.splitext(name)[0]):
            for stem in (key, f"{PREFIX}{key}", key.removeprefix(PREFIX)):
                yield self.stems.get(stem, ())


class _Index:
    """Videos by their ids and URIs, and by the names of their files; `names` are those of the export."""

    def __init__(self, videos: Sequence[Video], names: Iterable[str]) -> None:
        self._by_id = {video.id: video for video in videos}
        self._by_uri: dict[str, list[Video]] = defaultdict(list)
        self._names, self._stored_names = _Names(), _Names()
        for video in videos:
            self._by_uri[video.uri].append(video)
            name = posixpath.basename(_path_of(video))
            self._names.add(name, video)
            self._stored_names.add(_stored(name), video)
        self._folders = {video.id: _folders(_path_of(video)) for video in videos}
        self._below_root = _below_root(self._folders)
        in_export = {folder for name in names for folder in _folders(_written_path(name))}
        self._known = in_export & {folder for folders in self._below_root.values() for folder in folders}

    def candidates(self, name: str) -> _Candidates:
        """The videos that fit `name` best."""
        if name in self._by_id:
            return _Candidates([self._by_id[name]])
        if name in self._by_uri:
            return _Candidates(self._by_uri[name])
        elsewhere: list[Video] = []
        for path, videos in self._choices(name):
            folders = _folders(path)
            fitting = [video for video in videos if not self._is_elsewhere(folders, video)]
            if not fitting:
                elsewhere += [video for video in videos if video not in elsewhere]
                continue
            best = self._closest(folders, fitting)
            shared = [video for video in best if {*folders} & self._below_root[video.id] & self._known]
            if len(shared) == 1 or (len(best) == 1 and len(fitting) == len(videos)):
                return _Candidates(shared if len(shared) == 1 else best)
            return _Candidates(videos if len(best) == 1 else best)
        return _Candidates(elsewhere=elsewhere)

    def _choices(self, name: str) -> Iterator[tuple[str, Sequence[Video]]]:
        """Videos that may be meant, the likeliest ones first, each time with the path that they are compared with."""
        written = _written_path(name)
        for path in dict.fromkeys((written, normalize("NFC", unquote(written)))):
            for videos in self._names.fitting(posixpath.basename(path)):
                yield path, videos
            if upload := UPLOAD.search(path):
                for videos in self._stored_names.fitting(upload["name"]):
                    yield upload["name"], videos

    def _is_elsewhere(self, folders: Sequence[str], video: Video) -> bool:
        """Whether a folder that both sides know is in one of the two paths alone."""
        if _common(folders, self._folders[video.id]) == len(folders):
            return False
        missed = self._below_root[video.id].difference(folders) | {*folders}.difference(self._folders[video.id])
        return bool(missed & self._known)

    def _closest(self, folders: Sequence[str], videos: Sequence[Video]) -> list[Video]:
        """Those of the videos whose folders are most like these, from the last one on."""
        lengths = [_common(folders, self._folders[video.id]) for video in videos]
        longest = max(lengths)
        return [video for video, length in zip(videos, lengths, strict=True) if length == longest]


def _written_path(name: str) -> str:
    return normalize("NFC", address_of(name).replace("\\", "/"))


def _path_of(video: Video) -> str:
    """Its path, without the escapes of a URL."""
    path = address_of(video.uri)
    return normalize("NFC", unquote(path) if scheme_of(video.uri) in HTTP else path)


def _stored(name: str) -> str:
    """A name as Label Studio stores an upload."""
    return UNSTORED.sub("", name.strip().replace(" ", "_"))


def _folders(path: str) -> list[str]:
    """The folders of a path, without drives and schemes."""
    return [name for name in path.split("/")[:-1] if name not in NO_FOLDERS and not name.endswith(":")]


def _below_root(folders: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """The folders of each path that not all of them are in, or else its last one."""
    levels = zip(*folders.values(), strict=False)
    shared = sum(1 for _ in takewhile(lambda names: len({*names}) == 1, levels))
    return {key: {*(names[shared:] or names[-1:])} for key, names in folders.items()}


def _common(folders: Sequence[str], others: Sequence[str]) -> int:
    """How many folders two paths share, from the last one on."""
    pairs = zip(reversed(folders), reversed(others), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _unpaired(one: AnnotatedVideo, candidates: _Candidates) -> Finding:
    count = counted(len(one.annotations), "annotation")
    if candidates.fitting:
        uris = examples([redacted_uri(video.uri) for video in candidates.fitting])
        message = f"its name fits {len(candidates.fitting)} videos equally well ({uris}); {count} left out"
        return Finding(code=FindingCode.AMBIGUOUS, video=one.name, message=message)
    message = "there is no video of that name"
    if candidates.elsewhere:
        uris = examples([redacted_uri(video.uri) for video in candidates.elsewhere])
        message += f" in its folder, but in another one ({uris}), which a manifest can give this name as its id"
    return Finding(code=FindingCode.NO_VIDEO, video=one.name, message=f"{message}; {count} left out")
