"""Capital letters and digits as bitmaps of 5x7 dots, so that sample videos can show text without a font library.

In: text and the size of a dot in pixels. Out: a mask (7 x dot, 6 x dot x characters) of bool, True where there is ink.
"""

import numpy as np
from numpy.typing import NDArray

# Seven rows a glyph, top to bottom; each number's five bits are the dots of a row, the highest bit on the left.
GLYPHS: dict[str, tuple[int, ...]] = {
    " ": (0, 0, 0, 0, 0, 0, 0),
    "A": (14, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14),
    "D": (30, 17, 17, 17, 17, 17, 30),
    "E": (31, 16, 16, 30, 16, 16, 31),
    "F": (31, 16, 16, 30, 16, 16, 16),
    "G": (14, 17, 16, 23, 17, 17, 14),
    "H": (17, 17, 17, 31, 17, 17, 17),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "J": (7, 2, 2, 2, 2, 18, 12),
    "K": (17, 18, 20, 24, 20, 18, 17),
    "L": (16, 16, 16, 16, 16, 16, 31),
    "M": (17, 27, 21, 21, 17, 17, 17),
    "N": (17, 25, 21, 21, 19, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14),
    "P": (30, 17, 17, 30, 16, 16, 16),
    "Q": (14, 17, 17, 17, 21, 18, 13),
    "R": (30, 17, 17, 30, 20, 18, 17),
    "S": (15, 16, 16, 14, 1, 1, 30),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14),
    "V": (17, 17, 17, 17, 17, 10, 4),
    "W": (17, 17, 17, 21, 21, 27, 17),
    "X": (17, 17, 10, 4, 10, 17, 17),
    "Y": (17, 17, 10, 4, 4, 4, 4),
    "Z": (31, 1, 2, 4, 8, 16, 31),
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 6, 8, 16, 31),
    "3": (30, 1, 1, 14, 1, 1, 30),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (14, 16, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 4, 4, 4),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 1, 14),
}


def text_mask(text: str, dot_pixels: int) -> NDArray[np.bool_]:
    """Draw one line of text; a character without a glyph is an error that names it."""
    unknown = sorted(set(text) - set(GLYPHS))
    if unknown:
        raise ValueError(f"no glyph for {unknown!r}; there are: {''.join(GLYPHS)!r}")
    rows = np.array([GLYPHS[character] for character in text], dtype=np.uint8).reshape(-1, 7)
    dots = (rows[:, :, None] >> np.arange(5, -1, -1, dtype=np.uint8)) & 1  # (characters, 7, 6); first bit is the gap
    line = np.moveaxis(dots, 0, 1).reshape(7, -1).astype(np.bool_)
    return np.kron(line, np.ones((dot_pixels, dot_pixels), dtype=np.bool_))
