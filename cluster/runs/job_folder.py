"""The folder that a submitted Ray job runs in: a copy of `--working-dir` below Ray's temporary folder.

Ray deletes it after the job, with everything that was written there.
"""

from __future__ import annotations

import os

from cluster.storage import files

COPIES = "/runtime_resources/working_dir_files/"  # as Ray's `WorkingDirPlugin` names them


def job_folder_of(uri: str) -> str:
    """The folder of a Ray job that `uri` would be in; empty for any other place, and for a URI that none could use."""
    try:
        place = os.path.realpath(files.local_path(uri)) if files.is_local(uri) else ""
    except (files.StorageError, OSError, ValueError):
        return ""
    before, copies, inner = place.partition(COPIES)
    return f"{before}{copies}{inner.partition('/')[0]}" if copies else ""
