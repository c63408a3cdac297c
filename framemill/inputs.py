"""Videos as callers give them → the input of a job.

A folder, glob, bucket prefix, single video, tar or manifest goes to the job as it is. Several videos, and tables with
the columns of a manifest, are written as a manifest first.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.datasets.video_folder import distinct_ids
from cluster.storage import files
from schemas.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    Place: TypeAlias = str | os.PathLike[str]
    Videos: TypeAlias = Place | Iterable[Place] | pd.DataFrame


def local_video(path: Place) -> str:
    """The path of a video on this machine. Raises `InputError` for one elsewhere."""
    text = os.fspath(path)
    if not files.has_scheme(text):
        return text
    if not files.is_local(text):
        raise InputError(f"{text} is not on this machine: framemill.extract reads videos from buckets and servers")
    return files.local_path(text)


def job_input(videos: Videos, folder: str) -> str:
    """What a job reads `videos` from: themselves, or a manifest in `folder`, named by its content."""
    if isinstance(videos, str | os.PathLike):
        return os.fspath(videos)
    table = (
        _listed(list(videos)) if not hasattr(videos, "columns") else pa.Table.from_pandas(videos, preserve_index=False)
    )
    if not len(table):
        raise InputError("no videos are given")
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), stream)
    uri = files.join(folder, f"{sha256(stream.getvalue()).hexdigest()[:16]}.parquet")
    files.write_bytes(uri, stream.getvalue())
    return uri


def _listed(videos: list[Place]) -> pa.Table:
    """Videos with ids: their places below the folder that all of them have in common."""
    uris = [text if files.has_scheme(text := os.fspath(video)) else os.path.abspath(text) for video in videos]
    folders = {os.path.dirname(uri) for uri in uris}
    try:
        above = os.path.commonpath(folders) if folders else ""
    except ValueError:  # paths and URIs
        above = ""
    full = [uri.removeprefix(above).lstrip("/") for uri in uris]
    return pa.table({"id": distinct_ids([os.path.splitext(name)[0] for name in full], full), "uri": uris})
