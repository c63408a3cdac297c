"""A service: what its routes need, made from the options and the handles of its deployments. To be closed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.runs.lifecycle import new_run_id
from cluster.serving.application import Handles
from cluster.serving.config import ServeOptions
from cluster.serving.corrections import Corrections
from cluster.serving.fetching import fetch
from cluster.serving.metrics import Metrics
from cluster.serving.models import ServedModels
from cluster.serving.registry import Bounds, Registry, ServedVideo
from cluster.serving.results import VideoResult, result_of
from cluster.serving.spool import Spool
from cluster.serving.uploads import ReceptionLimits, Upload
from cluster.serving.work import VideoWork
from schemas.videos import Video


class Service:
    """Everything that a request may ask for; so many videos are in work `at_once`. Made within an event loop."""

    def __init__(
        self,
        options: ServeOptions,
        served: ServedModels,
        handles: Handles,
        spool: Spool,
        corrections: Corrections,
        *,
        at_once: int,
    ) -> None:
        self.options, self.served, self.handles, self.corrections = options, served, handles, corrections
        self.metrics = Metrics()
        self.sessions = 0
        uploads, guards = options.uploads, options.guards
        self.limits = ReceptionLimits(uploads.max_upload_mib << 20, uploads.upload_time, uploads.idle_time)
        self._work = VideoWork(served, handles, options.top_k)
        self._rules = options.timelines.event_rules()
        self._run_id = new_run_id(datetime.now(UTC))
        bounds = Bounds(
            queue=guards.queue,
            of_client=guards.client_queue,
            at_once=at_once,
            storage_bytes=uploads.storage_mib << 20,
            retention_seconds=uploads.retention,
            work_seconds=guards.work_time,
        )
        self.registry = Registry(bounds, spool, self._label, self.metrics)

    async def fetch(self, video: ServedVideo, uri: str) -> Upload:
        """Copy a video from its address."""
        return await fetch(uri, video.path, self.limits, allow_private=self.options.uploads.allow_private_uris)

    def plain_results(self, video: ServedVideo) -> list[dict[str, Any]]:
        """The results of a video as JSON knows them."""
        found = []
        for name, result in video.results.items():
            config = self.served.models[name].trained.config
            found.append(result.plain(dict(zip(config.class_indices, config.class_names, strict=True))))
        return found

    async def _label(self, video: ServedVideo) -> dict[str, VideoResult]:
        labels = await self._work(Video(video.id, str(video.path)), video.models, video.advance)
        return {
            name: result_of(
                own,
                self.served.models[name],
                threshold=self.options.threshold,
                rules=self._rules,
                run_id=self._run_id,
            )
            for name, own in labels.items()
        }


def corrections_of(options: ServeOptions, spool: Spool) -> Corrections:
    """Where corrections are kept: in the operator's folder, or among the uploads for as long as the service runs."""
    if options.corrections is None:
        return Corrections(spool.folder / "corrections", keeps_videos=False)
    return Corrections(Path(options.corrections), keeps_videos=True)
