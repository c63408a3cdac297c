"""Pickles in files of PyTorch, scanned before they are loaded; nothing is built and nothing called.

`torch.load(weights_only=True)` runs no code from a file, but some of what it calls takes memory by a number or copies
what it is given: `bytearray(n)`, or a text that is encoded again and again. Here only the names that weights need are
allowed, and what a call copies must be written out right there, not fetched from elsewhere in the pickle. So a loaded
pickle takes a small multiple of its own bytes, of which there are at most `MAX_PICKLE_BYTES`.
"""

from __future__ import annotations

import pickletools
import re
from typing import IO, Any

from extractors.weights.content import WeightsError

MAX_PICKLE_BYTES = 32 << 20
# As pickles name them: module and name.
ORDERED_DICT, SIZE, ENCODE, NDARRAY = "collections OrderedDict", "torch Size", "_codecs encode", "numpy ndarray"
NAMES = re.compile(
    rf"{ORDERED_DICT}|{SIZE}|{ENCODE}|{NDARRAY}|numpy dtype|numpy\._?core\.multiarray (_reconstruct|scalar)"
    r"|torch\._utils _rebuild_(tensor|tensor_v2|tensor_v3|parameter|parameter_with_state)"
    r"|torch\._tensor _rebuild_from_type_v2|torch\.nn\.parameter Parameter|torch device"
    r"|torch(\.cuda)? \w+Storage|torch\.storage UntypedStorage|torch (b?float|u?int|complex|bool|half|double|long)\w*"
)
LATIN1, ZERO = "latin1", "zero"
TEXTS = {"BINUNICODE", "SHORT_BINSTRING", "SHORT_BINUNICODE", "BINSTRING"}
PUTS = {"BINPUT", "LONG_BINPUT", "PUT"}
GETS = {"BINGET", "LONG_BINGET", "GET"}
# What must follow a name, one set for each operation: OrderedDicts of Python 2 have their items as a list.
FOLLOWED_BY: dict[str, tuple[set[str], ...]] = {
    ORDERED_DICT: ({"EMPTY_TUPLE", "EMPTY_LIST"},),
    SIZE: ({"EMPTY_TUPLE", "MARK", "BININT", "BININT1", "BININT2"},),
    ENCODE: (TEXTS, {LATIN1}, {"TUPLE2"}, {"REDUCE"}),
    NDARRAY: ({ZERO}, {"TUPLE1"}),
}


def check_pickle(stream: IO[bytes]) -> None:
    """Read one pickle from `stream`, to its end.

    Raises:
        WeightsError: if it calls what weights do not need, in another way, or is too long.
        ValueError: if it is no pickle, or ends early.
    """
    start = stream.tell()
    memo: dict[int, str] = {}  # where names, and the only encoding, are kept
    name, due, last = "", list[set[str]](), ""
    argument: Any
    for operation, argument, _ in pickletools.genops(stream):
        if stream.tell() - start > MAX_PICKLE_BYTES:
            raise refusal(f"beside its tensors it holds more than {MAX_PICKLE_BYTES:,} bytes")
        if operation.name in PUTS:
            memo[argument] = last
            continue
        last = memo.get(argument, "") if operation.name in GETS else _token(operation.name, argument)
        if due and not due.pop(0) & {operation.name, last}:
            raise refusal(f"it calls {name} as no weights need to")
        if operation.name == "GLOBAL" and not NAMES.fullmatch(argument):
            raise refusal(f"it names {'.'.join(argument.split())}")
        if last in FOLLOWED_BY:
            name, due = ".".join(last.split()), list(FOLLOWED_BY[last])


def _token(operation: str, argument: object) -> str:
    """What the scan remembers of an operation: a name that it watches, the encoding, a zero, or nothing."""
    if operation == "GLOBAL" and argument in FOLLOWED_BY:
        return str(argument)
    if operation in TEXTS and argument == LATIN1:
        return LATIN1
    return ZERO if operation == "BININT1" and argument == 0 else ""


def refusal(reason: str) -> WeightsError:
    """The error for a pickle that holds more than weights."""
    return WeightsError(
        f"it is not a plain PyTorch state dict: {reason}. Loading it may run code from the file or take any amount of "
        "memory, which is always refused. Load it in an environment you trust and save `model.state_dict()` instead"
    )
