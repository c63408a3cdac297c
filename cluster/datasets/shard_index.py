"""The ids in the shards of a dataset, and which of its rows must go.

In: shards with their ledgers' ids and contents. Out: by shard, the ids of rows that are half withdrawn, or that another
shard has, too.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class IndexedShard:
    """A shard and its ledger, where there is one.

    ids, contents  its videos: a content is None while the row is being withdrawn
    revision       of the sampling (`schemas.ledger`); None without a ledger
    """

    uri: str
    ledger: str | None
    ids: Sequence[str]
    contents: Sequence[str | None]
    revision: str | None = None

    @property
    def uris(self) -> tuple[str, ...]:
        """The files that hold its rows."""
        return (self.uri,) if self.ledger is None else (self.uri, self.ledger)


def half_withdrawn(shards: Iterable[IndexedShard]) -> dict[str, set[str]]:
    """By shard, the ids whose withdrawal has been cut short."""
    found = {
        shard.uri: {name for name, content in zip(shard.ids, shard.contents, strict=True) if content is None}
        for shard in shards
    }
    return {uri: ids for uri, ids in found.items() if ids}


def repeated(shards: Sequence[IndexedShard]) -> dict[str, set[str]]:
    """By shard, the ids that a later one has, too.

    Shards are named after their runs, and these after the time at which they started: the later run knew the newer
    video. A shard that has lost its ledger comes before all others.
    """
    ids = [name for shard in shards for name in shard.ids]
    if len(set(ids)) == len(ids):
        return {}
    latest: dict[str, str] = {}
    surplus: dict[str, set[str]] = defaultdict(set)
    order = sorted(shards, key=lambda shard: (shard.ledger is not None, posixpath.basename(shard.uri)), reverse=True)
    for shard in order:
        for name, content in zip(shard.ids, shard.contents, strict=True):
            if content is not None and latest.setdefault(name, shard.uri) != shard.uri:
                surplus[shard.uri].add(name)
    return dict(surplus)


def merged(*parts: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """By shard, the ids of all parts."""
    uris = {uri for part in parts for uri in part}
    return {uri: set[str]().union(*(part.get(uri, set()) for part in parts)) for uri in uris}
