"""What the files of a feature dataset say of its videos, part by part.

In: shards with their ledgers, and failures. Out: their lines, of which memory holds one part at a time
(`cluster.datasets.partitions`), or all of them where they are few.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.datasets.increment import FailedBefore, Settled
from cluster.datasets.ledger_index import INDEXED, LedgerIndex
from cluster.datasets.partitions import WHOLE, Partition, hashes_of
from cluster.datasets.shard_index import IndexedShard, half_withdrawn, merged, repeated
from cluster.storage.parquet import read_table
from cluster.storage.spill import Spill
from schemas.ledger import revision_of

MAX_REQUESTS = 16  # concurrent ones
FILES_AT_ONCE = 256
ROWS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content", pa.string()),  # null while the row is being withdrawn
        pa.field("code", pa.string()),  # of a failure
        pa.field("run_id", pa.string()),  # likewise
        pa.field("file", pa.int32(), nullable=False),  # its place among `SettledRows.files`
    ]
)


@dataclass(frozen=True)
class SettledFile:
    """A file with ids that are settled: a ledger, a shard that has lost its ledger, or failures.

    shard    whose rows a ledger lists; None for failures
    version  of the file, as listings tell it
    """

    uri: str
    shard: str | None
    version: str

    @property
    def name(self) -> str:
        """Its name among those of the dataset."""
        kind = "failures" if self.shard is None else "features" if self.ledger is None else "ledger"
        return f"{kind}/{posixpath.basename(self.uri)}"

    @property
    def ledger(self) -> str | None:
        """The ledger, where there is one."""
        return self.uri if self.shard not in (None, self.uri) else None


class SettledRows:
    """The lines of `files`, in one part or in `PARTS`. To be closed.

    index      has those of some files already, in parts
    revisions  of the sampling, by file (`schemas.ledger`); None for those that name none
    """

    def __init__(
        self,
        files: Sequence[SettledFile],
        count: int,
        partition: Partition = WHOLE,
        index: LedgerIndex | None = None,
    ) -> None:
        self.files = files
        self.revisions: list[str | None] = [None] * len(files)
        self.count = count
        self._partition = partition
        self._index = index if count > 1 else None
        self._all: list[pa.Table] = []
        self._spill = Spill(ROWS, count) if count > 1 else None
        self._places = np.empty(0, np.int32)  # of the files in the index
        if self._index is not None:
            self._places = self._index.places([(file.name, file.version) for file in files])
            for place, revision in zip(self._places, self._index.files["revision"].to_pylist(), strict=True):
                if place >= 0:
                    self.revisions[place] = revision

    def read(self) -> None:
        """Read the files that are not in the index."""
        places = self.unindexed
        with ThreadPoolExecutor(MAX_REQUESTS) as pool:
            for first in range(0, len(places), FILES_AT_ONCE):
                self._add(pa.concat_tables(pool.map(self._lines, places[first : first + FILES_AT_ONCE])))
        if self._spill is not None:
            self._spill.flush()

    def _add(self, lines: pa.Table) -> None:
        if self._spill is None:
            self._all.append(lines)
        else:
            self._spill.add(lines, self._partition.parts(hashes_of(lines["id"].to_pylist()), self.count))

    def part(self, number: int) -> SettledPart:
        """The lines of a part."""
        if self._spill is None:
            lines = pa.concat_tables(self._all) if self._all else ROWS.empty_table()
        else:
            lines = self._spill.part(number)
        if self._index is not None:
            lines = pa.concat_tables([self._indexed(self._index.part(number)), lines])
        return SettledPart(self, lines)

    @property
    def unindexed(self) -> list[int]:
        """The places of files that are not in the index."""
        found: list[int] = np.setdiff1d(np.arange(len(self.files)), self._places).tolist()
        return found

    def files_table(self) -> pa.Table:
        """The files as an index names them."""
        uris = [file.name for file in self.files]
        return pa.Table.from_arrays(
            [pa.array(uris), pa.array([file.version for file in self.files]), pa.array(self.revisions, pa.string())],
            schema=INDEXED,
        )

    def _indexed(self, lines: pa.Table) -> pa.Table:
        places = self._places[lines["file"].to_numpy()]
        place_column = pa.array(places, pa.int32())
        return lines.set_column(ROWS.get_field_index("file"), ROWS.field("file"), place_column).filter(
            pa.array(places >= 0)
        )

    def close(self) -> None:
        """Remove what is on disk."""
        if self._spill is not None:
            self._spill.close()

    def _lines(self, place: int) -> pa.Table:
        file = self.files[place]
        if file.shard is None:
            table = read_table(file.uri, ["id", "content", "code", "run_id"])
        elif file.ledger is None:  # somebody has removed it; the rows are there all the same
            ids = read_table(file.uri, ["id"])["id"]
            table = pa.table({"id": ids, "content": pa.array([""] * len(ids))})
        else:
            table = read_table(file.uri)
            self.revisions[place] = revision_of(table)
        columns = [
            table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
            for field in ROWS
            if field.name != "file"
        ]
        return pa.Table.from_arrays([*columns, pa.array(np.full(len(table), place, np.int32))], schema=ROWS)


class SettledPart:
    """Some lines of `rows`, all of the same ids."""

    def __init__(self, rows: SettledRows, lines: pa.Table) -> None:
        self._rows = rows
        self.lines = lines

    @cached_property
    def _is_failure(self) -> NDArray[np.bool_]:
        kinds = np.array([file.shard is None for file in self._rows.files], bool)
        return kinds[self.lines["file"].to_numpy()] if len(kinds) else np.zeros(0, bool)

    @cached_property
    def done(self) -> pa.Table:
        """The lines of videos that have a row, or had one that is being withdrawn."""
        return self.lines.filter(pa.array(~self._is_failure))

    @cached_property
    def failures(self) -> pa.Table:
        """The lines of failures."""
        return self.lines.filter(pa.array(self._is_failure))

    def repairs(self) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """By shard, the ids of rows that must go, since they are half withdrawn; and those that another shard has."""
        done = self.done
        is_odd = pc.is_null(done["content"])
        if pc.count_distinct(done["id"]).as_py() < len(done):
            counts = pc.value_counts(done["id"])
            twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
            is_odd = pc.or_(is_odd, pc.is_in(done["id"], twice))
        shards = self._shards(done.filter(is_odd))
        return half_withdrawn(shards), repeated(shards)

    def shards_with(self, ids: Iterable[str]) -> list[tuple[IndexedShard, list[str]]]:
        """The shards that have rows of these ids, and which."""
        wanted = pa.array(sorted(ids), pa.string())
        found = self._shards(self.done.filter(pc.is_in(self.done["id"], wanted)))
        return [(shard, list(shard.ids)) for shard in found]

    def without(self, gone: dict[str, set[str]]) -> SettledPart:
        """The part without these rows, by shard, or these failures, by file."""
        if not gone:
            return self
        uris = [file.shard or file.uri for file in self._rows.files]
        pairs = zip(self.lines["id"].to_pylist(), self.lines["file"].to_pylist(), strict=True)
        kept = [name not in gone.get(uris[place], ()) for name, place in pairs]
        return SettledPart(self._rows, self.lines.filter(pa.array(kept, pa.bool_())))

    def repeated_failures(self) -> dict[str, set[str]]:
        """By file, the ids of failures that a later file has, too."""
        lines = self.failures
        if pc.count_distinct(lines["id"]).as_py() == len(lines):
            return {}
        contents = pc.fill_null(lines["content"], "")
        return repeated(self._shards(lines.set_column(lines.schema.get_field_index("content"), "content", contents)))

    def mended(self) -> tuple[SettledPart, set[str], list[str]]:
        """The part without failures of videos that have a row; their ids, and the files that hold them."""
        has_row = pc.is_in(self.failures["id"], self.done["id"].combine_chunks())
        left = self.failures.filter(has_row)
        ids = set(left["id"].to_pylist())
        if not ids:
            return self, ids, []
        files = [self._rows.files[place].uri for place in sorted(set(left["file"].to_pylist()))]
        return (
            SettledPart(self._rows, pa.concat_tables([self.done, self.failures.filter(pc.invert(has_row))])),
            ids,
            files,
        )

    def is_of(self, revision: str) -> NDArray[np.bool_]:
        """(done,) whether each row that is done is of this revision of the sampling, or of none that is known."""
        current = np.array([known in (None, revision) for known in self._rows.revisions], bool)
        return current[self.done["file"].to_numpy()] if len(current) else np.zeros(0, bool)

    def settled(self, revision: str, ids: pa.Array | None = None) -> Settled:
        """What is settled; of these ids alone, where they are given. `revision` is that of the sampling now."""
        is_done = pc.is_valid(self.done["content"])
        done, failures, is_current = self.done.filter(is_done), self.failures, self.is_of(revision)[is_done.to_numpy()]
        if ids is not None:
            wanted = pc.is_in(done["id"], ids)
            done, is_current = done.filter(wanted), is_current[wanted.to_numpy()]
            failures = failures.filter(pc.is_in(failures["id"], ids))
        names = done["id"].to_pylist()
        causes = map(FailedBefore, *(failures[name].to_pylist() for name in ("code", "content", "run_id")))
        return Settled(
            dict(zip(names, done["content"].to_pylist(), strict=True)),
            dict(zip(failures["id"].to_pylist(), causes, strict=True)),
            {name for name, is_new in zip(names, is_current, strict=True) if not is_new},
        )

    def same_as(self, ids: pa.Array, contents: pa.Array, revision: str) -> NDArray[np.bool_]:
        """(ids,) whether each video is done, with exactly this content, and by this revision of the sampling."""
        places = self._places_of(ids)
        then = self.done["content"].combine_chunks().take(places)
        is_current = pa.array(self.is_of(revision)).take(places)
        same = pc.and_(pc.equal(then, contents), is_current)
        found: NDArray[np.bool_] = pc.fill_null(same, False).to_numpy(zero_copy_only=False)
        return found

    def files_of(self, ids: pa.Array) -> pa.Array:
        """(ids,) the place among `SettledRows.files` of that with the row of each video; null where it has no row."""
        return self.done["file"].combine_chunks().take(self._places_of(ids))

    def _places_of(self, ids: pa.Array) -> pa.Array:
        return pc.index_in(ids, value_set=self.done["id"].combine_chunks())

    def failure_files(self, ids: Collection[str]) -> dict[str, tuple[str, ...]]:
        """By id, the files that hold failures of these videos."""
        found: dict[str, tuple[str, ...]] = {}
        if ids:
            lines = self.failures.filter(pc.is_in(self.failures["id"], pa.array(sorted(ids), pa.string())))
            for name, place in zip(lines["id"].to_pylist(), lines["file"].to_pylist(), strict=True):
                found[name] = (*found.get(name, ()), self._rows.files[place].uri)
        return found

    def _shards(self, lines: pa.Table) -> list[IndexedShard]:
        lines = lines.sort_by("file")
        places = lines["file"].to_numpy()
        ids, contents = (lines[name].to_pylist() for name in ("id", "content"))
        bounds = [*np.flatnonzero(np.diff(places, prepend=-1)).tolist(), len(lines)]
        shards = []
        for first, end in pairwise(bounds):
            file = self._rows.files[places[first]]
            shards.append(IndexedShard(file.shard or file.uri, file.ledger, ids[first:end], contents[first:end]))
        return shards


def sound(part: SettledPart) -> SettledPart:
    """The part as `FeatureDataset.repaired` leaves it, which has changed the files since the part was read."""
    part = part.without(all_gone(part)[0])
    return part.without(part.repeated_failures()).mended()[0]


def all_gone(part: SettledPart) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """By shard, all rows of a part that must go, and those of them that are there twice."""
    half, twice = part.repairs()
    return merged(half, twice), twice
