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
    if isinstance(videos, pa.Table):
        table = videos
    elif hasattr(videos, "columns"):
        table = pa.Table.from_pandas(videos, preserve_index=False)
    else:
        table = pa.table({"uri": pa.array(map(os.fspath, videos), pa.string())})
    if not len(table):
        raise InputError("no videos are given")
    if "uri" in table.column_names:  # relative to this program, not to the manifest
        place = table.column_names.index("uri")
        uris = [uri if uri is None else _absolute(uri) for uri in table["uri"].to_pylist()]
        table = table.set_column(place, "uri", pa.array(uris, pa.string()))
    path = os.path.join(folder, "videos.parquet")
    pq.write_table(table.replace_schema_metadata(None), path)
    return path


def _absolute(uri: str) -> str:
    return uri if files.has_scheme(uri) else os.path.abspath(uri)
