"""Files that are damaged, or that claim what they do not hold, uploaded to the service by the thousand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, trained_stream, write_clip_videos
from tests.support.mutations import Mutation, claiming, damaged, mutations, serve_mutations
from tests.support.serving import Client, serving

COPIES = 1_000  # of each kind
AT_ONCE = 8
LIMITS = ("--max-duration", 60, "--time-limit", 60, "--client-queue", 16, "--client-rate", 1_000_000)


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_two_thousand_uploads_end_in_results_or_failures(tmp_path: Path) -> None:
    checkpoints = [
        write_trained(tmp_path / "stream", trained_stream()),
        write_trained(tmp_path / "clips", trained_clips(fps="5")),
    ]
    (video,) = write_clip_videos(tmp_path / "videos", 1)
    kinds: dict[str, Mutation] = {"damaged": damaged, "claiming": claiming}
    with serving(tmp_path / "service", "--checkpoint", *checkpoints, *LIMITS) as server:
        client = Client(server.url)
        before = client.settled(client.upload(video.read_bytes()).json["id"])
        for name, mutation in kinds.items():
            files = mutations(tmp_path / name, mutation, COPIES, 0)
            outcomes = serve_mutations(client, files, "", AT_ONCE)
            print(f"{COPIES} {name} files: {dict(outcomes.most_common())}")
            assert outcomes.total() == COPIES
            assert outcomes["done"] > COPIES / 10
        after = client.settled(client.upload(video.read_bytes()).json["id"])
        assert after["status"] == "done"
        assert after["results"] == before["results"]
        assert server.process.poll() is None
    assert "an error in this program" not in server.log.read_text()
    assert list((tmp_path / "service" / "uploads").iterdir()) == []
