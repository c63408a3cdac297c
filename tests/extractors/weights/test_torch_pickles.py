import _codecs
import collections
import io
import pickle

import numpy as np
import pytest
import torch

from extractors.weights import torch_pickles
from extractors.weights.content import WeightsError
from extractors.weights.torch_pickles import check_pickle


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def check(value, protocol=2):
    check_pickle(io.BytesIO(pickle.dumps(value, protocol)))


@pytest.mark.parametrize(
    "value",
    [
        {"epoch": 3, "names": ["a", "b"], "best": np.float64(0.5), "rate": (0.9, 0.999)},
        collections.OrderedDict(a=np.arange(300, dtype=np.float16), b=np.ones((2, 2)), c=np.ones((2, 2))),
        {"size": torch.Size([1, 2]), "scalar": torch.Size([]), "dtype": torch.float16},
        [np.float32(1)] * 3,
    ],
)
def test_tensors_arrays_and_plain_values_pass(value):
    check(value)


def test_ordered_dicts_of_python_2_pass():
    # Their items are a list: OrderedDict([['a', 1]]).
    check_pickle(io.BytesIO(b"\x80\x02ccollections\nOrderedDict\nq\x00]q\x01]q\x02(U\x01aK\x01ea\x85q\x03Rq\x04."))


TEXT = "a" * 1000


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Call(bytearray, 1 << 33), r"it names (__builtin__|builtins)\.bytearray"),
        (Call(set, [1, 2]), r"it names .*\.set"),
        (Call(len), r"it names .*\.len"),
        (Call(_codecs.encode, Call(_codecs.encode, TEXT, "latin1"), "hex"), r"it calls _codecs\.encode as no weights"),
        (Call(_codecs.encode, TEXT, "hex"), r"it calls _codecs\.encode as no weights"),
        (
            [TEXT, Call(_codecs.encode, TEXT, "latin1")],
            r"it calls _codecs\.encode as no weights",
        ),  # the same text again
        (Call(np.ndarray, (1 << 33,)), r"it calls numpy\.ndarray as no weights"),
        (
            (pairs := [["a", 1]], Call(collections.OrderedDict, pairs)),
            r"it calls collections\.OrderedDict as no weights",
        ),
        ((sizes := (1, 2, 3, 4), Call(torch.Size, sizes)), r"it calls torch\.Size as no weights"),
    ],
)
def test_what_takes_memory_by_numbers_or_copies_is_refused(value, message):
    with pytest.raises(WeightsError, match=f"it is not a plain PyTorch state dict: {message}"):
        check(value)


def test_long_pickles_are_refused(monkeypatch):
    monkeypatch.setattr(torch_pickles, "MAX_PICKLE_BYTES", 1000)
    check({"a": "b" * 900})
    with pytest.raises(WeightsError, match="beside its tensors it holds more than 1,000 bytes"):
        check({"a": "b" * 1100})


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"no pickle", b"\x80\x02X\xff\xff\xff\x7fa"])
def test_other_content_is_a_value_error(content):
    with pytest.raises(ValueError):  # noqa: PT011 - pickletools has its own words
        check_pickle(io.BytesIO(content))


def test_the_next_pickle_follows():
    stream = io.BytesIO(pickle.dumps(1, 2) + pickle.dumps({"a": 2}, 2))
    check_pickle(stream)
    check_pickle(stream)
    assert stream.read() == b""
