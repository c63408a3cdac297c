"""Names of the classes that labels are indices of, from three kinds of file.

- YouTube-8M's `vocabulary.csv`: columns Index and Name among others (TrainVideoCount, KnowledgeGraphId, WikiUrl, …)
- a plain list: one name a line, the first is class 0
- our own `vocabulary.csv`, which extraction writes beside the shards: columns index and name

YouTube-8M's indices run from 0 without a gap, in any order of lines. Names that it gives to several classes, or to
none, get the class's KnowledgeGraphId or index behind them, so that each class can be told by its name.
"""

from __future__ import annotations

import csv
import io
from collections import Counter

from cluster import storage

NAME_COLUMN = "name"
INDEX_COLUMN = "index"
ENTITY_COLUMN = "knowledgegraphid"
EXAMPLES = 5  # that an error names


class ClassNamesError(Exception):
    """A file that gives no names, or not those wanted; the message lists all that is wrong."""


def read_class_names(uri: str, *, expected: int | None = None) -> tuple[str, ...]:
    """The names of classes 0, 1, 2, …

    expected  how many there must be, where a model or data say so

    Raises:
        ClassNamesError: for a file of none of the three kinds, names that are there twice, a wrong number of them.
        cluster.storage.StorageError, OSError: where it cannot be read.
    """
    try:
        text = storage.read_bytes(uri).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClassNamesError(f"{uri} is not UTF-8 text: {error}") from error
    header = [cell.strip().lower() for cell in next(csv.reader(io.StringIO(text)), [])]
    if INDEX_COLUMN in header and NAME_COLUMN in header:
        names, problems = _from_table(text, header)
    else:
        names, problems = _from_lines(text)
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
        if len(cells) != len(header) or not cells[index_at].strip().isdecimal():
            problems.append(f"line {reader.line_num}: expected an index and a name, not {','.join(cells)[:80]!r}")
            continue
        index = int(cells[index_at])
        if index in named:
            problems.append(f"index {index} is there more than once")
        named[index] = (cells[name_at], cells[entity_at].strip() if entity_at is not None else "")
    if not problems and max(named, default=-1) >= len(named):
        first = next(index for index in range(len(named) + 1) if index not in named)
        problems.append(f"indices must run from 0 without a gap: {first} is missing")
    if problems:
        return [], problems[:EXAMPLES]
    rows = [named[index] for index in range(len(named))]
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
