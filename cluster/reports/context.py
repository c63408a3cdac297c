"""What a page shows beside its record: the pages and videos that it links to, and which options were left alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cluster.reports.links import PageLink


@dataclass(frozen=True, kw_only=True)
class PageContext:
    """Everything is optional: a record alone gives a whole page.

    uri        where the page is written to; without it, links are to web addresses and buckets only
    pages      other pages
    videos     URIs of videos by id, where the record has none, without secrets
    unchanged  names of the options in the record's configuration that have their default value; None where unknown
    """

    uri: str = ""
    pages: tuple[PageLink, ...] = ()
    videos: Mapping[str, str] = field(default_factory=dict)
    unchanged: Collection[str] | None = None


NOTHING = PageContext()
