import pickle

import numpy as np
import pytest

from extractors.embedder_config import AudioEmbedderConfig, FrameEmbedderConfig
from extractors.embedders import AudioEmbedder, FrameEmbedder
from extractors.networks.cpu_precision import has_cpu_bf16, has_cpu_int8
from extractors.networks.log_mel import WINDOW_SAMPLES
from extractors.weights.resolve import resolve_weights

SIZES = [(360, 640), (1080, 1920), (240, 320), (299, 299), (100, 50), (2, 3), (720, 1280)]


def frame_config(**changes):
    weights, pca = resolve_weights("random:0", "frames"), resolve_weights("random:1", "frame-pca")
    return FrameEmbedderConfig(**{"weights": weights, "pca": pca, "batch_size": 4, "threads": 1} | changes)


def sound_config(**changes):
    weights, pca = resolve_weights("random:0", "sound"), resolve_weights("random:1", "sound-pca")
    return AudioEmbedderConfig(**{"weights": weights, "pca": pca, "batch_size": 4, "threads": 1} | changes)


@pytest.fixture(scope="module")
def frames():
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(0).uniform(-1, 1, (6, WINDOW_SAMPLES)).astype(np.float32)


@pytest.fixture(scope="module")
def frame_embedder():
    return FrameEmbedder(frame_config())


@pytest.fixture(scope="module")
def audio_embedder():
    return AudioEmbedder(sound_config())


def test_frames_of_any_size_become_rows_that_do_not_depend_on_each_other(frame_embedder, frames):
    together = frame_embedder(frames)
    assert together.shape == (len(frames), 1024)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    np.testing.assert_array_equal(np.concatenate([frame_embedder([frame]) for frame in frames]), together)
    np.testing.assert_array_equal(frame_embedder(frames[::-1])[::-1], together)
    np.testing.assert_array_equal(np.concatenate([frame_embedder(frames[:3]), frame_embedder(frames[3:])]), together)
    assert frame_embedder([]).shape == (0, 1024)


def test_a_stream_is_consumed_frame_by_frame(frame_embedder, frames):
    alive = []

    def stream():
        for frame in frames:
            copy = frame.copy()
            alive.append(copy)
            yield copy
            copy[:] = 0  # the decoder may use the memory again
            alive.pop()
            assert not alive

    np.testing.assert_array_equal(frame_embedder.embed_stream(stream()), frame_embedder(frames))


def test_batch_size_and_precision(frame_embedder, frames):
    other_batch = FrameEmbedder(frame_config(batch_size=3))
    if has_cpu_bf16():  # to the bit on the processors it was measured on
        np.testing.assert_array_equal(other_batch(frames), frame_embedder(frames))
    exact, fast = (FrameEmbedder(frame_config(precision=precision))(frames) for precision in ("fp32", "bf16"))
    difference = np.sqrt(np.mean((exact - fast) ** 2) / np.mean(exact**2))
    assert 0 < difference < 0.01


def test_without_pca_the_features_are_2048_wide(frames):
    embedder = FrameEmbedder(frame_config(pca=None))
    assert embedder(frames[-1:]).shape == (1, 2048) == (1, embedder.dim)


def test_windows_become_rows_that_do_not_depend_on_each_other(audio_embedder, windows):
    together = audio_embedder(windows)
    assert together.shape == (6, 128)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(np.concatenate([audio_embedder(window[None]) for window in windows]), together)
    assert audio_embedder(windows[:0]).shape == (0, 128)


def test_int8_rows_do_not_depend_on_their_batch_and_are_close(frame_embedder, frames):
    if not has_cpu_int8():
        with pytest.raises(ValueError, match="VNNI"):
            FrameEmbedder(frame_config(precision="int8")).setup()
        return
    embedder = FrameEmbedder(frame_config(precision="int8"))
    together = embedder(frames)
    np.testing.assert_array_equal(FrameEmbedder(frame_config(precision="int8", batch_size=3))(frames), together)
    close = frame_embedder(frames)
    assert 0 < np.sqrt(np.mean((together - close) ** 2) / np.mean(close**2)) < 0.06


def test_an_array_of_another_shape_or_type_is_refused(frame_embedder):
    with pytest.raises(ValueError, match="uint8"):
        frame_embedder([np.zeros((4, 4), np.uint8)])


def test_only_the_configuration_is_pickled(frame_embedder, frames):
    frame_embedder.setup()
    data = pickle.dumps(frame_embedder)
    assert len(data) < 2000
    np.testing.assert_array_equal(pickle.loads(data)(frames[:1]), frame_embedder(frames[:1]))


def proxy_of(embedder):
    """A proxy of an embedder, through what would travel between two processes."""

    def embed(rows):
        return embedder.embed_prepared(type(embedder).unpack(type(embedder).pack(list(rows))))

    return embedder.proxy(embed, embedder.variant)


def test_a_proxy_gives_the_same_rows_and_loads_nothing(frame_embedder, audio_embedder, frames, windows):
    frame_embedder.setup()
    proxies = proxy_of(frame_embedder), proxy_of(audio_embedder)
    for proxy, embedder, inputs in zip(proxies, (frame_embedder, audio_embedder), (frames, windows), strict=True):
        proxy.setup()
        assert (proxy.dim, proxy.variant, proxy.files()) == (embedder.dim, embedder.variant, embedder.files())
        np.testing.assert_array_equal(proxy(inputs), embedder(inputs))
        assert proxy._network is None


def test_fingerprint_needs_no_network():
    embedder = FrameEmbedder(frame_config(precision="fp32"))
    assert embedder.fingerprint_parts() == {
        "weights": "random:0",
        "pca": "random:1",
        "precision": "fp32",
        "embedding_version": "2",
    }
    bf16 = FrameEmbedder(frame_config(precision="bf16")).fingerprint_parts()
    assert bf16 == embedder.fingerprint_parts() | {"precision": "bf16", "rounding_version": "2"}
    assert embedder.is_random
    assert AudioEmbedder(sound_config(pca=None)).fingerprint_parts()["pca"] == "none"


def test_weights_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="resolved for sound, FrameEmbedder needs frames"):
        FrameEmbedder(frame_config(weights=resolve_weights("random:0", "sound")))
    with pytest.raises(ValueError, match="resolved for frame-pca, AudioEmbedder needs sound-pca"):
        AudioEmbedder(sound_config(pca=resolve_weights("random:0", "frame-pca")))


@pytest.mark.parametrize("field", ["batch_size", "threads"])
def test_numbers_below_one_are_refused(field):
    with pytest.raises(ValueError, match=f"{field} must be at least 1, got 0"):
        frame_config(**{field: 0})


@pytest.mark.cuda
def test_a_gpu_gives_what_the_cpu_gives(frames, windows):
    found = FrameEmbedder(frame_config(device="cuda", precision="fp32"))(frames)
    exact = FrameEmbedder(frame_config(device="cpu", precision="fp32"))(frames)
    np.testing.assert_allclose(found, exact, atol=1e-3 * float(exact.std()))
    sound = AudioEmbedder(sound_config(device="cuda", precision="fp32"))(windows)
    exact = AudioEmbedder(sound_config(device="cpu", precision="fp32"))(windows)
    np.testing.assert_allclose(sound, exact, atol=1e-3 * float(exact.std()))


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_rows_of_a_gpu_do_not_depend_on_their_batch(frames, precision):
    embedder = FrameEmbedder(frame_config(device="cuda", precision=precision))
    together = embedder(frames)
    np.testing.assert_array_equal(np.concatenate([embedder([frame]) for frame in frames]), together)
