"""A vocabulary: the names of the classes that labels are indices of.

A dataset's own `vocabulary.csv` lies beside its shards, with the columns index and name and indices from 0. It only
ever grows: a name keeps its index in all later runs, so that shards of different nights agree. `read_vocabulary` takes
nothing else. Names that a spreadsheet would compute have an apostrophe in front (`schemas.cells`).

`read_class_names` takes the names that a user gives to a training, from one of three kinds of file:

- YouTube-8M's `vocabulary.csv`: columns Index and Name among others (TrainVideoCount, KnowledgeGraphId, WikiUrl, …).
  Indices run from 0 without a gap, in any order of lines. Names that it gives to several classes, or to none, get the
  class's KnowledgeGraphId or index appended, so that all names differ
- a plain list: one name a line, class 0 first
- a dataset's own `vocabulary.csv`
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence

from cluster.datasets.text_files import decoded
from cluster.storage import files
from cluster.storage.conditions import ChangedError
from cluster.storage.writer import PlainWriter, Writer
from schemas.cells import cell_of_text, text_of_cell
from schemas.errors import EXAMPLES, InputError
from schemas.numerals import natural_number_of
from schemas.videos import Video

VOCABULARY_FILE = "vocabulary.csv"
INDEX_COLUMN, NAME_COLUMN = HEADER = ("index", "name")
ENTITY_COLUMN = "knowledgegraphid"


class ClassNamesError(InputError):
    """A file that does not name the classes; the message lists all that is wrong."""


class Vocabulary:
    """Names and their indices. Labels that are indices already pass through."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = list(names)
        self._index = {name: index for index, name in enumerate(self.names)}

    def add(self, videos: Iterable[Video]) -> bool:
        """Append new names that `videos` use, in alphabetical order; returns whether there were any."""
        return self.add_names(class_names(videos))

    def add_names(self, names: Iterable[str]) -> bool:
        """Append those of the names that are new, in the order given; returns whether there were any."""
        before = len(self.names)
        for name in names:
            if name not in self._index:
                self._index[name] = len(self.names)
                self.names.append(name)
        return len(self.names) > before

    def indices(self, video: Video) -> tuple[int, ...]:
        """The class indices of a video's labels."""
        return tuple(self._index[label] if isinstance(label, str) else label for label in video.labels)

    def indices_of(self, indices: Sequence[int] | None, names: Sequence[str] | None) -> tuple[int, ...]:
        """Those of labels of which some are indices and others names."""
        return (*(indices or ()), *(self._index[name] for name in names or ()))


def class_names(videos: Iterable[Video]) -> list[str]:
    """The names of classes that `videos` use, in alphabetical order."""
    return sorted({label for video in videos for label in video.labels if isinstance(label, str)})


def read_vocabulary(uri: str) -> Vocabulary:
    """The vocabulary at `uri`, empty where there is none yet."""
    return _read(PlainWriter(), uri)[0]


def write_vocabulary(uri: str, vocabulary: Vocabulary) -> None:
    """Replace the vocabulary at `uri`."""
    files.write_bytes(uri, _content(vocabulary))


def extend_vocabulary(writer: Writer, uri: str, names: Sequence[str]) -> Vocabulary:
    """The vocabulary at `uri`, to which `writer` has added those of the `names` that are new."""
    while True:
        vocabulary, version = _read(writer, uri)
        if not vocabulary.add_names(names):
            return vocabulary
        try:
            writer.replace(uri, _content(vocabulary), version)
        except ChangedError:
            continue  # by a run that was overtaken just then; names that it added keep their indices
        return vocabulary


def _read(writer: Writer, uri: str) -> tuple[Vocabulary, str]:
    """The vocabulary, and the version of its file."""
    try:
        content, version = writer.read(uri)
    except (FileNotFoundError, NotADirectoryError):
        return Vocabulary(), ""
    try:
        header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
        indices, names = zip(*rows, strict=True) if rows else ((), ())
    except (ValueError, csv.Error):
        header, indices, names = [], (), ()
    if tuple(header) != HEADER or indices != tuple(map(str, range(len(indices)))) or len(set(names)) < len(names):
        raise files.StorageError(
            f"{uri} is no vocabulary: expected the columns {', '.join(HEADER)}, indices from 0 on, each name once"
        )
    return Vocabulary(map(text_of_cell, names)), version


def _content(vocabulary: Vocabulary) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # a bare \r would end the row
    writer.writerow(HEADER)
    writer.writerows(enumerate(map(cell_of_text, vocabulary.names)))
    return text.getvalue().encode()


def read_class_names(uri: str, *, expected: int | None = None) -> tuple[str, ...]:
    """The names of classes 0, 1, 2, …

    expected  the number of classes, where a model or the data determine it

    Raises:
        ClassNamesError: for a file of none of the three kinds, repeated names, or a wrong number of names.
        cluster.storage.files.StorageError, OSError: where it cannot be read.
    """
    try:
        text = decoded(files.read_bytes(uri))
        header = [cell.strip().lower() for cell in next(csv.reader(io.StringIO(text)), [])]
        is_table = INDEX_COLUMN in header and NAME_COLUMN in header
        names, problems = _from_table(text, header) if is_table else _from_lines(text)
    except (ValueError, csv.Error) as error:
        raise ClassNamesError(f"{uri} cannot be read: {error}") from error
    if not problems and expected is not None and len(names) != expected:
        problems.append(f"it names {len(names)} classes, but {expected} are needed")
    if not problems and not names:
        problems.append("it names no class")
    if problems:
        raise ClassNamesError(f"{uri} cannot name the classes:\n" + "\n".join(f"  - {line}" for line in problems))
    return tuple(names)


def _from_lines(text: str) -> tuple[list[str], list[str]]:
    names = [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []
    problems = [f"line {number} is empty" for number, name in enumerate(names, 1) if not name]
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    problems += [f"{name!r} is there more than once" for name in twice[:EXAMPLES]]
    return names, problems


def _from_table(text: str, header: list[str]) -> tuple[list[str], list[str]]:
    index_at, name_at = header.index(INDEX_COLUMN), header.index(NAME_COLUMN)
    entity_at = header.index(ENTITY_COLUMN) if ENTITY_COLUMN in header else None
    named: dict[int, tuple[str, str]] = {}
    problems: list[str] = []
    reader = csv.reader(io.StringIO(text))
    next(reader)
    for cells in reader:
        if not any(cells):
            continue
        index = natural_number_of(cells[index_at].strip()) if len(cells) == len(header) else None
        if index is None:
            problems.append(f"line {reader.line_num}: expected an index and a name, not {','.join(cells)[:80]!r}")
            continue
        if index in named:
            problems.append(f"index {index} is there more than once")
        named[index] = (cells[name_at], cells[entity_at].strip() if entity_at is not None else "")
    if not problems and max(named, default=-1) >= len(named):
        first = next(index for index in range(len(named) + 1) if index not in named)
        problems.append(f"indices must run from 0 without a gap: {first} is missing")
    if problems:
        return [], problems[:EXAMPLES]
    rows = [named[index] for index in range(len(named))]
    if tuple(header) == HEADER:
        rows = [(text_of_cell(name), entity) for name, entity in rows]
    if entity_at is not None:
        rows = [(name.strip(), entity) for name, entity in rows]
    counts = Counter(name for name, _ in rows)
    if entity_at is None:
        twice = [name for name, count in counts.items() if count > 1]
        return [name for name, _ in rows], [f"{name!r} is there more than once" for name in twice[:EXAMPLES]]
    return [
        name if name and counts[name] == 1 else f"{name} ({entity or index})".strip()
        for index, (name, entity) in enumerate(rows)
    ], []
