"""The layouts of MoViNet's public weights: the PyTorch port's files, and TensorFlow's checkpoints, base and stream.

The port (Atze00/MoViNet-pytorch at c2d1edf) names a layer by the kind of its convolution, conv3d or conv2d. The keys
of a checkpoint of tensorflow/models `official/projects/movinet` are paths of Python attributes with numbers for the
blocks: 0 is the first convolution, the last the one after all blocks. The form for training (`3d_2plus1d`) and that
for phones (`2plus1d`, whose convolutions are wrapped once more) have the same arrays.
"""

from __future__ import annotations

from classifiers.clip_models.movinet_variants import VARIANTS
from classifiers.published_layout import Layout, Replacements

PYTORCH = Layout(
    name="MoViNet-pytorch",
    rename=(
        (r"^conv1\.", "trunk.conv1."),
        (r"^blocks\.(b\d)_l(\d+)\.", r"trunk.\1.\2."),
        (r"^conv7\.", "trunk.conv7.0."),
        (r"^classifier\.0\.conv_1\.conv[23]d\.", "trunk.dense.0."),
        (r"^classifier\.3\.conv_1\.conv[23]d\.", "head."),
        (r"\.se\.(fc\d)\.conv_1\.conv[23]d\.", r".se.\1."),
        (r"\.res\.[01]\.", ".shortcut."),  # 1 after a pooling
        (r"\.conv_2\.", ".time.conv_1."),
        (r"\.conv_1\.conv[23]d\.", ".conv."),
        (r"\.conv_1\.norm\.", ".norm."),
    ),
)
# Of a layer within its block. A 2D convolution has its own wrapper, a second `_conv`.
_LAYERS: Replacements = (
    ("_skip/_projection/", "shortcut."),
    ("_attention/_se_reduce/_conv/(_conv/)?", "se.fc1."),
    ("_attention/_se_expand/_conv/(_conv/)?", "se.fc2."),
    ("_attention/_pos_encoding/_rezero/", "se.position."),
    ("_mobile_bottleneck/_rezero/scale$", "alpha"),
    ("_expansion/", "expand."),
    ("_feature/", "deep."),
    ("_projection/", "project."),
    ("_conv_temporal/(_conv/)?", "time.conv."),
    ("_batch_norm_temporal/", "time.norm."),
    ("_conv/(_conv/)?", "conv."),
    ("_batch_norm/", "norm."),
)
_ARRAYS: Replacements = (
    (r"\.(depthwise_)?kernel$", ".weight"),
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
    (r"\.moving_mean$", ".running_mean"),
    (r"\.moving_variance$", ".running_var"),
)


def published_layouts(variant: str) -> tuple[Layout, ...]:
    """The layouts of a variant's files."""
    blocks = [len(rows.split()) for rows in VARIANTS[variant].blocks]
    places = [f"b{group}.{number}" for group, count in enumerate(blocks) for number in range(count)]
    numbered: Replacements = (
        (r"^block0/_stem/", "trunk.conv1."),
        *((rf"^block{number}/", f"trunk.{place}.") for number, place in enumerate(places, 1)),
        (rf"^block{len(places) + 1}/_project/", "trunk.conv7.0."),
    )
    tensorflow = Layout(
        name="tensorflow/models",
        skip=r"^save_counter|^optimizer|^global_step|OPTIMIZER_SLOT",
        channels_last=True,
        depthwise=r"depthwise_kernel",
        rename=(
            (r"/\.ATTRIBUTES/VARIABLE_VALUE$", ""),
            (r"^model/layer_with_weights-1/_head/_conv/(_conv/)?", "trunk.dense.0."),
            (r"^model/layer_with_weights-1/_classifier/_conv/(_conv/)?", "head."),
            (r"^(model/layer_with_weights-0|(model/)?backbone)/layer_with_weights-", "block"),
            *numbered,
            *_LAYERS,
            *_ARRAYS,
        ),
    )
    return (PYTORCH, tensorflow)
