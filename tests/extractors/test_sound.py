"""Sound that is embedded during the pass, and the rest after it: one row for each grid point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.embedder_config import AudioEmbedderConfig
from extractors.embedders import AudioEmbedder
from extractors.feature_totals import FeatureTotals
from extractors.sound import SegmentSound
from extractors.video.decode import sample_frames
from extractors.video.waveform import RATE_HZ, Waveform
from extractors.weights.resolve import resolve_weights
from schemas.quantization import quantize
from tests.support.sounds import Track, write_with_sound

SECONDS = 20


class FirstSamples(AudioEmbedder):
    """Takes the first samples of a window for its embedding, which costs less than a network."""

    def __init__(self) -> None:
        super().__init__(AudioEmbedderConfig(resolve_weights("random:0", "sound")))

    def embed_stream(self, blocks: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.concatenate([np.zeros((0, self.dim), np.float32), *(block[:, : self.dim] for block in blocks)])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, SECONDS * RATE_HZ)).astype(np.float32)
    path = tmp_path_factory.mktemp("sound") / "clip.avi"
    return write_with_sound(path, Track(((0.0, noise),), rate=RATE_HZ), seconds=SECONDS)


def whole(clip: Path) -> NDArray[np.float32]:
    waveform = Waveform()
    points = [sample.index for sample in sample_frames(clip, waveform=waveform)]
    return FirstSamples()(waveform.windows(points))


def totals(sound: SegmentSound, waveform: Waveform | None, points: Sequence[int]) -> FeatureTotals:
    taken = FeatureTotals(128, keeps_codes=True)
    sound.add_to(taken, waveform, points)
    return taken


def check(totals: FeatureTotals, embeddings: NDArray[np.float32]) -> None:
    """The sum and codes of embeddings (T, 128)."""
    assert totals.codes is not None
    np.testing.assert_array_equal(np.asarray(totals.codes), quantize(embeddings))
    np.testing.assert_allclose(totals.sum, embeddings.sum(axis=0, dtype=np.float64), rtol=1e-12)


def test_embeddings_are_those_of_all_windows_at_once(clip: Path) -> None:
    sound = SegmentSound(FirstSamples())
    waveform = Waveform(sound.receive, held_seconds=2)
    points = [sample.index for sample in sample_frames(clip, waveform=waveform)]
    assert waveform.next_point is not None
    assert waveform.next_point > 15
    assert sound.early_seconds > 0
    check(totals(sound, waveform, points), whole(clip))


def test_points_without_a_frame_have_no_row(clip: Path) -> None:
    sound = SegmentSound(FirstSamples())
    waveform = Waveform(sound.receive, held_seconds=2)
    points = [sample.index for sample in sample_frames(clip, waveform=waveform)]
    present = [index for index in points if index not in (3, 4, 18)]
    check(totals(sound, waveform, present), whole(clip)[present])


def test_a_new_pass_replaces_the_embeddings_of_the_one_before(clip: Path) -> None:
    sound = SegmentSound(FirstSamples())
    sound.receive(0, np.ones((7, 15_600), np.float32))
    sound.receive(7, np.ones((5, 15_600), np.float32))
    waveform = Waveform(sound.receive, held_seconds=2)
    points = [sample.index for sample in sample_frames(clip, waveform=waveform)]
    check(totals(sound, waveform, points), whole(clip))


def test_a_short_pass_is_embedded_at_its_end(clip: Path) -> None:
    sound = SegmentSound(FirstSamples())
    waveform = Waveform(sound.receive)
    points = [sample.index for sample in sample_frames(clip, waveform=waveform)]
    assert (waveform.next_point, sound.early_seconds) == (None, 0)
    check(totals(sound, waveform, points), whole(clip))
    check(totals(sound, waveform, []), np.zeros((0, 128), np.float32))
