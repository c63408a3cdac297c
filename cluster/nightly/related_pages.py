"""The pages that the page of a night links to: the latest night, its training, its extractions, previous nights.

In: the night, previous ones, and where features and classifiers are. Out: links to those pages that exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date

from cluster.datasets.folder import RUNS
from cluster.nightly.config import NightlyOptions
from cluster.nightly.records import NightRecords
from cluster.reports.links import PageLink
from cluster.reports.training_report import FILE_NAME as TRAINING_PAGE
from cluster.storage import files
from schemas.errors import InputError
from schemas.nights import NightRecord


def related_pages(
    records: NightRecords, options: NightlyOptions, night: NightRecord, earlier: Sequence[NightRecord]
) -> tuple[PageLink, ...]:
    """The links, most wanted first."""
    nights = [PageLink(night_title(each.date), records.page_uri(each.date)) for each in reversed(earlier)]
    return (
        PageLink("Latest night", records.latest_page_uri),
        *training_pages(options),
        *(link for link in _extractions(options, night) if _exists(link.uri)),
        *nights,
    )


def night_title(day: str) -> str:
    """What a link to a night says: `Night of 28 November`."""
    return f"Night of {date.fromisoformat(day):%-d %B}"


def training_pages(options: NightlyOptions) -> list[PageLink]:
    """Links to the trainings of the night's classifiers."""
    links = [PageLink("Training", files.join(checkpoint, TRAINING_PAGE)) for checkpoint in options.checkpoint]
    return [link for link in links if _exists(link.uri)]


def _extractions(options: NightlyOptions, night: NightRecord) -> Iterator[PageLink]:
    for run in night.runs:
        if run.extraction_run is not None and options.features is not None:
            page = files.join(options.features, RUNS, f"{run.extraction_run}.html")
            yield PageLink(f"Extraction {run.extraction_run}", page)


def _exists(uri: str) -> bool:
    with suppress(InputError, OSError):
        return files.exists(uri)
    return False
