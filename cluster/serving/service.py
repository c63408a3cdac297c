"""A service: what its routes need, made from the options and the handles of its deployments. To be closed."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.runs.lifecycle import new_run_id
from cluster.serving.application import Handles
from cluster.serving.bodies import ReceptionLimits
from cluster.serving.config import ServeOptions
from cluster.serving.corrections import CorrectedPart, Corrections, corrected_part, sha256_of, with_part
from cluster.serving.errors import ApiError, refused_where_full, told
from cluster.serving.fetching import Fetcher
from cluster.serving.metrics import Metrics
from cluster.serving.models import ServedClassifier, ServedModels
from cluster.serving.readers import ServedReader
from cluster.serving.registry import Bounds, Registry, ServedVideo
from cluster.serving.results import LabelResult, ModelFailure, Result, result_of
from cluster.serving.spool import Spool
from cluster.serving.stills import Stills
from cluster.serving.transcripts import TranscriptResult, transcript_of
from cluster.serving.work import Found, VideoWork, WorkError
from cluster.transcription.transcriber import Transcript
from schemas.videos import Video


class Service:
    """Everything that a request may ask for; so many videos are in work `at_once`. Made within an event loop.

    fetcher      copies videos from their addresses; None where only files are taken
    corrections  the operator's folder; None where corrections go with their videos
    """

    def __init__(
        self,
        options: ServeOptions,
        served: ServedModels,
        handles: Handles,
        spool: Spool,
        corrections: Corrections | None,
        *,
        at_once: int,
    ) -> None:
        self.options, self.served, self.handles, self.corrections = options, served, handles, corrections
        self.metrics = Metrics()
        self.sessions = 0
        uploads, guards = options.uploads, options.guards
        self.limits = ReceptionLimits(uploads.max_upload_mib << 20, uploads.upload_time, uploads.idle_time)
        self.fetcher = Fetcher(self.limits, allow_private=uploads.allow_private_uris) if uploads.allow_uris else None
        self.stills = Stills(handles.decoder)
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

    async def correct(
        self, video: ServedVideo, model: str, start_seconds: float, end_seconds: float, label: str
    ) -> CorrectedPart:
        """Keep a correction of a video that is done. Raises `ApiError`, and `InputError` for one that is wrong."""
        if model not in self.served.classifiers:
            raise ApiError("invalid", f"{model} reads lips: corrections are of the labels of classifiers")
        part = corrected_part(model, start_seconds, end_seconds, label, video.seconds or 0.0)
        with_part(video.corrections, part)  # whether there is room for it
        try:
            if video.sha256 is None:
                video.sha256 = await asyncio.to_thread(sha256_of, video.path)
            if self.corrections is not None:
                with refused_where_full():
                    await asyncio.to_thread(self.corrections.add, video.path, video.sha256, part)
        except FileNotFoundError as error:
            raise ApiError("not_found", "the video has been deleted, or its time is over") from error
        video.corrections = with_part(video.corrections, part)
        self.metrics.corrections.inc()
        return part

    async def close(self) -> None:
        """End all work."""
        await self.registry.close()
        if self.fetcher is not None:
            await asyncio.to_thread(self.fetcher.close)

    def plain_results(self, video: ServedVideo) -> dict[str, list[dict[str, Any]]]:
        """The results of a video as JSON knows them: of classifiers, of lip readers, and those that there are not."""
        results, found = video.results.values(), []
        for result in results:
            if isinstance(result, LabelResult):
                config = self.served.classifiers[result.model].trained.config
                found.append(result.plain(dict(zip(config.class_indices, config.class_names, strict=True))))
        return {
            "results": found,
            "transcripts": [result.plain() for result in results if isinstance(result, TranscriptResult)],
            "failures": [asdict(result) for result in results if isinstance(result, ModelFailure)],
        }

    async def _label(self, video: ServedVideo) -> dict[str, Result]:
        found = await self._work(Video(video.id, str(video.path)), video.models, video.advance)
        return {name: self._result(video.id, name, own) for name, own in found.items()}

    def _result(self, video_id: str, name: str, found: Found) -> Result:
        if isinstance(found, WorkError):
            return ModelFailure(name, *told(video_id, found.code, found.message))
        model = self.served.models[name]
        if isinstance(found, Transcript):
            assert isinstance(model, ServedReader)
            return transcript_of(found, video_id, model, run_id=self._run_id)
        assert isinstance(model, ServedClassifier)
        return result_of(found, model, threshold=self.options.threshold, rules=self._rules, run_id=self._run_id)


def corrections_of(options: ServeOptions) -> Corrections | None:
    """The operator's folder of corrections, if there is one. Raises `InputError` for what cannot be read there."""
    if options.corrections is None:
        return None
    return Corrections(Path(options.corrections), options.corrections_mib << 20)
