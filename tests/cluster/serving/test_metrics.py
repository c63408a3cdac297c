from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from cluster.serving.metrics import Metrics


def test_prometheus_reads_what_is_counted():
    metrics = Metrics()
    metrics.finished("done", "")
    metrics.finished("failed", "not_media")
    metrics.uploaded.inc(100)
    metrics.requests.labels("GET", "200").inc()
    found = {family.name: family for family in text_string_to_metric_families(metrics.text().decode())}
    samples = {
        (each.labels["status"], each.labels["code"]): each.value
        for each in found["framemill_videos"].samples
        if each.name.endswith("_total")
    }
    assert samples == {("done", ""): 1.0, ("failed", "not_media"): 1.0}
    assert all(family.documentation for family in found.values())
    assert "framemill_uploaded_bytes" in found
    Metrics()  # another service in the same process counts for itself
