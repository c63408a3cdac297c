"""Videos as callers give them → the input of a job.

A folder, glob, bucket prefix, single video, tar or manifest goes to the job as it is. Several videos, and tables with
the columns of a manifest, are written as a manifest first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage import files
from cluster.storage.redaction import redacted_uri
from schemas.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    Place: TypeAlias = str | os.PathLike[str]
    Videos: TypeAlias = Place | Iterable[Place] | pd.DataFrame | pa.Table


def local_path(place: Place) -> str:
    """The path of a file on this machine. Raises `InputError` for one elsewhere."""
    text = os.fspath(place)
    if not files.has_scheme(text):
        return text
    if not files.is_local(text):
        raise InputError(f"{redacted_uri(text)} is not on this machine")
    return files.local_path(text)


def local_video(video: Place) -> str:
    """The same of a video, with what reads others."""
    try:
        return local_path(video)
    except InputError as error:
        raise InputError(f"{error}: framemill.extract reads videos from buckets and servers") from None


def job_input(videos: Videos, folder: str) -> str:
    """What a job reads `videos` from: themselves, or a manifest in `folder`, a local one.

    Videos without an id are named by their path or URI, as in any manifest: the same in each call.
    """
    if isinstance(videos, str | os.PathLike):
        return os.fspath(videos)
    path = os.path.join(folder, "videos.parquet")
    try:
        table = _table(videos)
        if not len(table):
            raise InputError("no videos are given")
        pq.write_table(table.replace_schema_metadata(None), path)
    except pa.ArrowException as error:
        raise InputError(f"the videos cannot be written as a manifest: {': '.join(map(str, error.args))}") from error
    return path


def _table(videos: Iterable[Place] | pd.DataFrame | pa.Table) -> pa.Table:
    """The videos as the rows of a manifest, with absolute paths."""
    if isinstance(videos, pa.Table):
        table = videos
    elif hasattr(videos, "columns"):
        table = _of_pandas(videos)
    else:
        table = pa.table({"uri": pa.array(map(os.fspath, videos), pa.string())})
    if "uri" not in table.column_names:
        return table
    uris = [_absolute(uri) if isinstance(uri, str) else uri for uri in table["uri"].to_pylist()]
    return table.set_column(table.column_names.index("uri"), "uri", pa.array(uris, pa.string()))


def _of_pandas(videos: pd.DataFrame) -> pa.Table:
    """The table in Arrow's form, with ids and URIs that are its index, and paths as text."""
    index = [name for name in ("id", "uri") if name in videos.index.names and name not in videos.columns]
    if index:
        videos = videos.reset_index(index)
    if "uri" in videos.columns:
        videos = videos.assign(uri=[os.fspath(uri) if isinstance(uri, os.PathLike) else uri for uri in videos["uri"]])
    return pa.Table.from_pandas(videos, preserve_index=False)


def _absolute(uri: str) -> str:
    """The URI or path: a relative one counts from where this program is, not from the manifest."""
    return uri if files.has_scheme(uri) else os.path.abspath(uri)
