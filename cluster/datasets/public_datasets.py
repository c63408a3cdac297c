"""Public video data sets and the user's own as manifests: their videos, with classes and splits.

    folders   INPUT/CLASS/…/VIDEO, or INPUT/SPLIT/CLASS/…/VIDEO where all folders are named after splits; groups as
              UCF101 names them stay together
    ucf101    ANNOTATIONS/classInd.txt, trainlist0N.txt and testlist0N.txt; groups v_CLASS_gGG stay together
    hmdb51    ANNOTATIONS/CLASS_test_splitN.txt with 0 (left out), 1 (training) or 2 (test) for each video
    kinetics  ANNOTATIONS, one CSV or a folder of them: label, youtube_id, time_start, time_end, split; test videos may
              have no label. Files are called ID_START_END with six digits each where they are clips already, else ID
    grid      the GRID corpus: names of six characters encode six words, which are the labels, in order
    manifest  a manifest as `cluster.datasets.manifest` reads it, whose videos get new splits

Videos are found anywhere below INPUT by their names. Lists of training and test videos hold; all other videos are split
by `cluster.datasets.grouped_splits`.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from classifiers.data.splits import SPLIT_NAMES
from classifiers.text.grid import GRID_WORDS
from cluster.datasets.grouped_splits import TEST, TRAINING, GroupedVideo, stored_split
from cluster.datasets.manifest import ManifestError, read_videos
from cluster.datasets.text_files import decoded
from cluster.datasets.time_cells import MAX_SECONDS
from cluster.datasets.vocabulary import VOCABULARY_FILE, read_vocabulary
from cluster.storage import files
from cluster.storage.listing import list_files
from cluster.storage.read_policy import STRICT, ReadPolicy
from schemas.numerals import natural_number_of, number_of
from schemas.videos import Video

UCF_NAME = re.compile(r"(v_(?P<label>[^/]+)_g\d+)_c\d+$")
HMDB_LIST = re.compile(r"(?P<label>[^/]+)_test_split(?P<number>\d{1,9})\.txt$")
HMDB_SPLITS = {"1": TRAINING, "2": TEST}
KINETICS_COLUMNS = ("youtube_id", "time_start", "time_end", "split")


@dataclass(frozen=True)
class DatasetLocation:
    """Where a data set is: its videos, without what `exclude` matches, its lists, and the number of the list used.

    `policy` is how far the reading of its videos goes.
    """

    input: str
    annotations: str = ""
    split_number: int = 1
    exclude: tuple[str, ...] = ()
    policy: ReadPolicy = STRICT

    def videos(self) -> list[Video]:
        """Its videos, found by their files. Raises `ManifestError`."""
        return read_videos(self.input, self.exclude, self.policy)


@dataclass(frozen=True)
class ClipDataset:
    """The videos of a data set.

    classes   all names, in the order of their indices
    missing   names in a list that are not below INPUT, each with its class
    """

    listed: list[GroupedVideo]
    classes: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)


def folders(location: DatasetLocation) -> ClipDataset:
    """One folder for each class."""
    videos = location.videos()  # their ids are paths below the folder
    _refuse(
        location.input,
        [f"{video.id!r} lies in no folder, which would name its class" for video in videos if "/" not in video.id],
    )
    has_splits = all(stored_split(video.id.split("/")[0]) and video.id.count("/") > 1 for video in videos)
    listed = []
    for video in videos:
        first, second = video.id.split("/")[:2]
        split = (stored_split(first) or "") if has_splits else ""
        recording = UCF_NAME.match(_stem(video.id))
        group = recording[1] if recording else video.id
        listed.append(GroupedVideo(replace(video, labels=(second if has_splits else first,), split=split), group))
    return ClipDataset(listed, tuple(sorted({str(entry.video.labels[0]) for entry in listed})))


def ucf101(location: DatasetLocation) -> ClipDataset:
    """UCF101, by one of its three lists."""
    source = files.join(location.annotations, "classInd.txt")
    rows = [line.split(maxsplit=1) for line in _lines(source)]
    if not all(len(row) == 2 and natural_number_of(row[0]) is not None for row in rows):
        raise ManifestError(source, ["each line is an index and a class: 1 ApplyEyeMakeup"])
    classes = tuple(name for _, name in sorted(rows, key=lambda row: int(row[0])))
    found = _by_stem(location)
    wanted: dict[str, tuple[str, str, str]] = {}  # stem → class, split, group
    problems = []
    splits: dict[str, str] = {}
    for split in (TRAINING, TEST):
        name = f"{split}list{location.split_number:02d}.txt"
        for line in _lines(files.join(location.annotations, name)):
            stem = _stem(line.split()[0])
            match = UCF_NAME.match(stem)
            if match is None:
                problems.append(f"{name}: {line!r} is no video of UCF101, which are called v_CLASS_gGG_cCC")
                continue
            label, group = line.split("/")[0] if "/" in line else match["label"], match[1]
            if label not in classes:
                problems.append(f"{name}: class {label!r} is not in classInd.txt")
            if splits.setdefault(group, split) != split:
                problems.append(f"{name}: group {group} is in the training list as well as in the test list")
            wanted[stem] = label, split, group
    _refuse(location.annotations, problems)
    return _select(found, wanted, classes)


def hmdb51(location: DatasetLocation) -> ClipDataset:
    """HMDB51, by one of its three lists; clips of one film, by their names, are a group."""
    lists = [(uri, HMDB_LIST.search(posixpath.basename(uri))) for uri in _files(location.annotations)]
    chosen = {
        match["label"]: uri
        for uri, match in lists
        if match is not None and int(match["number"]) == location.split_number
    }
    if not chosen:
        raise ManifestError(location.annotations, [f"no file CLASS_test_split{location.split_number}.txt is there"])
    wanted: dict[str, tuple[str, str, str]] = {}
    problems = []
    for label, uri in chosen.items():
        for line in _lines(uri):
            name, _, digit = line.rpartition(" ")
            if digit not in ("0", *HMDB_SPLITS):
                problems.append(f"{posixpath.basename(uri)}: {line!r} is no name of a video with 0, 1 or 2 behind it")
            elif digit in HMDB_SPLITS:
                stem = _stem(name.strip())
                wanted[stem] = label, HMDB_SPLITS[digit], f"{label}/{stem.partition(f'_{label}_')[0]}"
    _refuse(location.annotations, problems)
    return _select(_by_stem(location), wanted, tuple(sorted(chosen)))


def kinetics(location: DatasetLocation) -> ClipDataset:
    """Kinetics-400, -600 and -700; clips of one video are a group."""
    found = _by_stem(location)
    listed, missing, problems, classes = [], {}, [], set()
    for source in (uri for uri in _files(location.annotations) if uri.lower().endswith(".csv")):
        reader = csv.DictReader(io.StringIO(_text(source)))
        lacking = [name for name in KINETICS_COLUMNS if name not in _columns(source, reader)]
        if lacking:
            problems.append(f"{posixpath.basename(source)} lacks the columns {', '.join(lacking)}")
            continue
        for row in _rows(source, reader):
            where = f"{posixpath.basename(source)}, line {reader.line_num}"
            try:
                start, end = (_whole_seconds(row[name]) for name in ("time_start", "time_end"))
            except ValueError:
                problems.append(f"{where}: times must be seconds, not {row['time_start']!r} and {row['time_end']!r}")
                continue
            split = stored_split(row["split"] or "")
            if split is None:
                problems.append(f"{where}: split {row['split']!r} is not known (known: {', '.join(SPLIT_NAMES)})")
                continue
            if "label" not in row and split != TEST:
                problems.append(f"{where}: split {row['split']!r}, but the list has no column label")
                break
            name = (row["youtube_id"] or "").strip()
            cut = f"{name}_{start:06d}_{end:06d}"
            label = (row.get("label") or "").strip()
            classes.add(label)
            whole = found.get(name)
            video = found.get(cut) or (whole and replace(whole, start_seconds=start, end_seconds=max(end, start + 1)))
            if not video:
                missing[cut] = label
            else:
                labels = (label,) if label else ()
                listed.append(GroupedVideo(replace(video, id=cut, labels=labels, split=split), name))
    _refuse(location.annotations, problems)
    return ClipDataset(listed, tuple(sorted(classes - {""})), missing)


def _columns(source: str, reader: csv.DictReader[str]) -> Sequence[str]:
    with _explained(source, reader):
        return reader.fieldnames or ()


def _rows(source: str, reader: csv.DictReader[str]) -> Iterator[dict[str, str | None]]:
    with _explained(source, reader):
        yield from reader


@contextmanager
def _explained(source: str, reader: csv.DictReader[str]) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        raise ManifestError(source, [f"line {reader.line_num + 1} cannot be read: {error}"]) from error


def _whole_seconds(text: str | None) -> int:
    """A time of Kinetics' lists, rounded down."""
    seconds = number_of(text)
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"{text} s is no time in a video")
    return int(seconds)


def grid(location: DatasetLocation) -> ClipDataset:
    """GRID: `bbaf2n` is bin blue at f two now."""
    listed, problems = [], []
    for video in location.videos():
        letters = posixpath.basename(video.id).lower()
        words = tuple(known.get(letter, "") for letter, known in zip(letters, GRID_WORDS, strict=False))
        if len(letters) != len(GRID_WORDS) or not all(words):
            problems.append(f"{video.id!r}: a name of six characters that stand for words is wanted, such as bbaf2n")
        listed.append(GroupedVideo(replace(video, labels=words), video.id))
    _refuse(location.input, problems)
    return ClipDataset(listed, tuple(word for known in GRID_WORDS for word in known.values()))


def manifest(location: DatasetLocation) -> ClipDataset:
    """The videos of a manifest, without its splits. Where labels are indices, `vocabulary.csv` beside it names them."""
    videos = location.videos()
    names = read_vocabulary(files.join(files.folder_of(location.input) or ".", VOCABULARY_FILE))
    names.add(videos)
    listed = [GroupedVideo(replace(video, split=""), video.group or video.id) for video in videos]
    return ClipDataset(listed, tuple(names.names))


DATASETS: dict[str, Callable[[DatasetLocation], ClipDataset]] = {
    "folders": folders,
    "ucf101": ucf101,
    "hmdb51": hmdb51,
    "kinetics": kinetics,
    "grid": grid,
    "manifest": manifest,
}


def _select(
    found: Mapping[str, Video], wanted: Mapping[str, tuple[str, str, str]], classes: tuple[str, ...]
) -> ClipDataset:
    listed = [
        GroupedVideo(replace(found[stem], labels=(label,), split=split), group)
        for stem, (label, split, group) in wanted.items()
        if stem in found
    ]
    return ClipDataset(listed, classes, {stem: label for stem, (label, *_) in wanted.items() if stem not in found})


def _by_stem(location: DatasetLocation) -> dict[str, Video]:
    """Videos by their names without folders, as lists name them."""
    videos = location.videos()
    counts = Counter(_stem(video.uri) for video in videos)
    twice = [f"{stem!r} is the name of {count} videos" for stem, count in sorted(counts.items()) if count > 1]
    _refuse(location.input, twice)
    return {_stem(video.uri): video for video in videos}


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]


def _files(uri: str) -> list[str]:
    try:
        return sorted(file.uri for file in list_files(uri))
    except (OSError, files.StorageError) as error:
        raise ManifestError(uri, [f"it cannot be listed: {error}"]) from error


def _lines(uri: str) -> list[str]:
    return [line.strip() for line in _text(uri).splitlines() if line.strip()]


def _text(uri: str) -> str:
    try:
        return decoded(files.read_bytes(uri))
    except (OSError, files.StorageError, ValueError) as error:
        raise ManifestError(uri, [f"it cannot be read: {error}"]) from error


def _refuse(source: str, problems: list[str]) -> None:
    if problems:
        raise ManifestError(source, problems)
