"""What a service counts, for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Of one service."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.in_hand = Gauge("framemill_videos_in_hand", "Uploaded, waiting or in work", registry=registry)
        self.kept = Gauge("framemill_videos_kept", "Videos with files or results", registry=registry)
        self.sessions = Gauge("framemill_live_sessions", "Cameras that are watched", registry=registry)
        self.frames = Counter("framemill_live_frames", "Frames of cameras", ["outcome"], registry=registry)
        self.uploaded = Counter("framemill_uploaded_bytes", "Bytes of whole uploads", registry=registry)
        self.requests = Counter(
            "framemill_requests", "Requests by their status", ["method", "status"], registry=registry
        )
        self.seconds = Histogram("framemill_request_seconds", "Until the response is sent", registry=registry)
        self.corrections = Counter("framemill_corrections", "Labels that people corrected", registry=registry)
        self._finished = Counter(
            "framemill_videos", "Videos that are through, by what became of them", ["status", "code"], registry=registry
        )

    def finished(self, status: str, code: str) -> None:
        """Count a video that is through, or was given up."""
        self._finished.labels(status, code).inc()

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._registry)
