"""The published sizes of MoViNet, as data.

Source: arXiv:2103.11511 and, for details it omits, tensorflow/models `official/projects/movinet`: blocks from
`modeling/movinet.py`, frame sizes and dropout from `configs/yaml/movinet_*_k600_8x8.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """One published size.

    size      height and width of the square crop
    resize    shorter side of the frames before cropping
    fps       frames per second; a clip is ten seconds
    dropout   of the features, before the head
    channels  outputs of each of the five groups
    blocks    of each group: kernel size (time, height, width) and channels between expansion and projection
    last      channels of the last convolution
    has_stream_positions  whether the gates of the stream network know the number of the frame
    """

    size: int
    resize: int
    fps: int
    dropout: float
    channels: tuple[int, ...]
    blocks: tuple[str, ...]
    last: int
    has_stream_positions: bool = False


VARIANTS = {
    "a0": Variant(
        size=172,
        resize=192,
        fps=5,
        dropout=0.2,
        channels=(8, 32, 56, 56, 104),
        blocks=(
            "155:24",
            "333:80 333:80 333:80",
            "533:184 333:112 333:184",
            "533:184 333:184 333:184 333:184",
            "533:384 155:280 155:280 155:344",
        ),
        last=480,
    ),
    "a1": Variant(
        size=172,
        resize=192,
        fps=5,
        dropout=0.5,
        channels=(16, 40, 64, 64, 136),
        blocks=(
            "155:40 333:40",
            "333:96 333:120 333:96 333:96",
            "533:216 333:128 333:216 333:168 333:216",
            "533:216 333:216 333:216 333:128 155:128 333:216",
            "533:456 155:360 155:360 155:360 155:456 333:456 133:544",
        ),
        last=600,
    ),
    "a2": Variant(
        size=224,
        resize=256,
        fps=5,
        dropout=0.5,
        channels=(16, 40, 72, 72, 144),
        blocks=(
            "155:40 333:40 333:64",
            "333:96 333:120 333:96 333:96 333:120",
            "533:240 333:160 333:240 333:192 333:240",
            "533:240 333:240 333:240 333:240 155:144 333:240",
            "533:480 155:384 155:384 155:480 155:480 333:480 133:576",
        ),
        last=640,
    ),
    "a3": Variant(
        size=256,
        resize=288,
        fps=12,
        dropout=0.5,
        channels=(16, 48, 80, 88, 168),
        blocks=(
            "155:40 333:40 333:64 333:40",
            "333:112 333:144 333:112 155:112 333:144 333:144",
            "533:240 333:152 333:240 333:192 333:240",
            "533:264 333:264 333:264 333:264 155:160 333:264 333:264 333:264",
            "533:560 155:448 155:448 155:560 155:560 333:560 155:448 155:448 333:560 133:672",
        ),
        last=744,
        has_stream_positions=True,
    ),
    "a4": Variant(
        size=290,
        resize=320,
        fps=8,
        dropout=0.5,
        channels=(24, 56, 96, 96, 192),
        blocks=(
            "155:64 333:64 333:96 333:64 333:96 333:64",
            "333:168 333:168 333:136 333:136 333:168 333:168 333:168 155:136 333:136",
            "533:320 333:160 333:320 333:192 333:320 333:160 333:320 333:256 333:320",
            "533:320 333:320 333:320 333:320 155:192 333:320 333:320 333:192 333:320 333:320",
            "533:640 155:512 155:512 155:640 155:640 333:640 155:512 155:512 155:640 155:768 155:640 333:640 333:768",
        ),
        last=856,
        has_stream_positions=True,
    ),
    "a5": Variant(
        size=320,
        resize=368,
        fps=12,
        dropout=0.5,
        channels=(24, 64, 112, 120, 224),
        blocks=(
            "155:64 155:64 333:96 333:64 333:96 333:64",
            "533:192 333:152 333:152 333:152 333:192 333:192 333:192 333:152 333:152 333:192 333:192",
            "533:376 333:224 333:376 333:376 333:296 333:376 333:224 333:376 333:376 333:296 333:376 333:376 333:376",
            "533:376 333:376 333:376 333:376 155:224 333:376 333:376 333:224 333:376 333:376 333:376",
            "533:744 333:744 155:600 155:600 155:744 155:744 333:744 155:896 155:600 155:600 155:896 155:744 333:744 "
            "155:896 155:600 155:600 155:744 333:744",
        ),
        last=992,
        has_stream_positions=True,
    ),
}
