"""Events as a file of ActivityNet's results, which evaluation servers take: `version`, `results`, `external_data`.

In: events by video. Out: JSON on disk or in a bucket, whole or not at all: for each video a list of `label`, `score`
and `segment` (start and end in seconds). What a submission says of itself in `external_data` is left to its authors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cluster.storage.output_file import output_file
from schemas.timelines import NamedEvent

VERSION = "VERSION 1.3"


def write_results(uri: str, videos: Mapping[str, Sequence[NamedEvent]]) -> None:
    """Write the events of all videos, also of those that have none.

    Raises:
        OSError, cluster.storage.files.StorageError: where they cannot be written.
    """
    with output_file(uri) as file:
        file.write(f'{{"version": {json.dumps(VERSION)}, "external_data": {{}}, "results": {{'.encode())
        for number, (name, events) in enumerate(videos.items()):
            its = [
                {
                    "label": event.name,
                    "score": round(event.score, 6),
                    "segment": [round(event.start_seconds, 3), round(event.end_seconds, 3)],
                }
                for event in events
            ]
            file.write(f"{',' if number else ''}\n{json.dumps(name)}: {json.dumps(its)}".encode())
        file.write(b"}}\n")
