import numpy as np
import pytest

from extractors.networks.log_mel import WINDOW_SAMPLES, log_mel
from tests.support import parity

EXAMPLE_HOP_SAMPLES = 15_360  # 96 frames of 160 samples: AudioSet's own examples do not overlap


def windows_of(case):
    arguments = parity.MANIFEST["vggish"]["cases"][case]["waveform"]
    samples = parity.weights.waveform(**arguments) / 32768.0
    starts = range(0, len(samples) - WINDOW_SAMPLES + 1, EXAMPLE_HOP_SAMPLES)
    return np.stack([samples[start : start + WINDOW_SAMPLES] for start in starts])


@pytest.mark.parametrize("case", ["sine", "chirp", "noise"])
def test_examples_equal_audiosets(case):
    expected = parity.golden("vggish")[f"{case}_examples"]
    windows = windows_of(case)
    np.testing.assert_allclose(log_mel(windows).numpy(), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(log_mel(windows.astype(np.float32)).numpy(), expected, rtol=0, atol=2e-3)


def test_silence_is_the_logarithm_of_the_offset():
    examples = log_mel(np.zeros((1, WINDOW_SAMPLES), dtype=np.float32))
    np.testing.assert_allclose(examples.numpy(), np.log(0.01), rtol=1e-6)


def test_a_window_does_not_depend_on_its_neighbours():
    windows = np.random.default_rng(0).uniform(-1, 1, (5, WINDOW_SAMPLES)).astype(np.float32)
    together = log_mel(windows).numpy()
    for index in range(5):
        np.testing.assert_array_equal(log_mel(windows[index : index + 1]).numpy()[0], together[index])
    assert log_mel(windows[:0]).shape == (0, 96, 64)


@pytest.mark.parametrize("windows", [np.zeros((2, 15_360), np.float32), np.zeros((2, WINDOW_SAMPLES), np.int16)])
def test_other_windows_are_refused(windows):
    with pytest.raises(ValueError, match="15600"):
        log_mel(windows)
