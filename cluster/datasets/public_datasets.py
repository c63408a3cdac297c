"""Public video data sets and the user's own as manifests: their videos, with classes and splits.

    folders   INPUT/CLASS/…/VIDEO, or INPUT/SPLIT/CLASS/…/VIDEO where all folders are named after splits; groups as
              UCF101 names them stay together
    ucf101    ANNOTATIONS/classInd.txt, trainlist0N.txt and testlist0N.txt; groups v_CLASS_gGG stay together
    hmdb51    ANNOTATIONS/CLASS_test_splitN.txt with 0 (left out), 1 (training) or 2 (test) for each video
    kinetics  ANNOTATIONS, one CSV or a folder of them: label, youtube_id, time_start, time_end, split; test videos may
              have no label. Files are called ID_START_END with six digits each where they are clips already, else ID
    grid, lrs, lrw
              sentences and words that are spoken (`cluster.datasets.spoken_datasets`)
    manifest  a manifest as `cluster.datasets.manifest` reads it, whose videos get new splits

Videos are found anywhere below INPUT by their names. Lists of training and test videos hold; all other videos are split
by `cluster.datasets.grouped_splits`.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from classifiers.data.splits import SPLIT_NAMES
from cluster.datasets.clip_dataset import (
    ClipDataset,
    DatasetLocation,
    by_stem,
    lines_of,
    list_of_files,
    refuse,
    stem_of,
    text_of,
)
from cluster.datasets.grouped_splits import TEST, TRAINING, GroupedVideo, stored_split
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.spoken_datasets import grid, lrs, lrw
from cluster.datasets.time_cells import MAX_SECONDS
from cluster.datasets.vocabulary import VOCABULARY_FILE, read_vocabulary
from cluster.storage import files
from schemas.numerals import natural_number_of, number_of
from schemas.videos import Video

UCF_NAME = re.compile(r"(v_(?P<label>[^/]+)_g\d+)_c\d+$")
HMDB_LIST = re.compile(r"(?P<label>[^/]+)_test_split(?P<number>\d{1,9})\.txt$")
HMDB_SPLITS = {"1": TRAINING, "2": TEST}
KINETICS_COLUMNS = ("youtube_id", "time_start", "time_end", "split")


def folders(location: DatasetLocation) -> ClipDataset:
    """One folder for each class."""
    videos = location.videos()  # their ids are paths below the folder
    refuse(
        location.input,
        [f"{video.id!r} lies in no folder, which would name its class" for video in videos if "/" not in video.id],
    )
    has_splits = all(stored_split(video.id.split("/")[0]) and video.id.count("/") > 1 for video in videos)
    listed = []
    for video in videos:
        first, second = video.id.split("/")[:2]
        split = (stored_split(first) or "") if has_splits else ""
        recording = UCF_NAME.match(stem_of(video.id))
        group = recording[1] if recording else video.id
        listed.append(GroupedVideo(replace(video, labels=(second if has_splits else first,), split=split), group))
    return ClipDataset(listed, tuple(sorted({str(entry.video.labels[0]) for entry in listed})))


def ucf101(location: DatasetLocation) -> ClipDataset:
    """UCF101, by one of its three lists."""
    source = files.join(location.annotations, "classInd.txt")
    rows = [line.split(maxsplit=1) for line in lines_of(source)]
    if not all(len(row) == 2 and natural_number_of(row[0]) is not None for row in rows):
        raise ManifestError(source, ["each line is an index and a class: 1 ApplyEyeMakeup"])
    classes = tuple(name for _, name in sorted(rows, key=lambda row: int(row[0])))
    found = by_stem(location)
    wanted: dict[str, tuple[str, str, str]] = {}  # stem → class, split, group
    problems = []
    splits: dict[str, str] = {}
    for split in (TRAINING, TEST):
        name = f"{split}list{location.split_number:02d}.txt"
        for line in lines_of(files.join(location.annotations, name)):
            stem = stem_of(line.split()[0])
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
    refuse(location.annotations, problems)
    return _select(found, wanted, classes)


def hmdb51(location: DatasetLocation) -> ClipDataset:
    """HMDB51, by one of its three lists; clips of one film, by their names, are a group."""
    lists = [(uri, HMDB_LIST.search(posixpath.basename(uri))) for uri in list_of_files(location.annotations)]
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
        for line in lines_of(uri):
            name, _, digit = line.rpartition(" ")
            if digit not in ("0", *HMDB_SPLITS):
                problems.append(f"{posixpath.basename(uri)}: {line!r} is no name of a video with 0, 1 or 2 behind it")
            elif digit in HMDB_SPLITS:
                stem = stem_of(name.strip())
                wanted[stem] = label, HMDB_SPLITS[digit], f"{label}/{stem.partition(f'_{label}_')[0]}"
    refuse(location.annotations, problems)
    return _select(by_stem(location), wanted, tuple(sorted(chosen)))


def kinetics(location: DatasetLocation) -> ClipDataset:
    """Kinetics-400, -600 and -700; clips of one video are a group."""
    found = by_stem(location)
    listed, missing, problems, classes = [], {}, [], set()
    for source in (uri for uri in list_of_files(location.annotations) if uri.lower().endswith(".csv")):
        reader = csv.DictReader(io.StringIO(text_of(source)))
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
    refuse(location.annotations, problems)
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
    "lrs": lrs,
    "lrw": lrw,
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
