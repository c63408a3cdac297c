from __future__ import annotations

import torch
import torch.nn.functional as F

from classifiers.published_layout import Layout, inflated

LAYOUT = Layout(
    name="someone's",
    rename=((r"^net/", ""), (r"/w$", ".weight"), (r"/", ".")),
    skip=r"/slot$",
    ones=r"\.scale$",
    channels_last=True,
    depthwise="_deep",
)


def test_names_become_ours_one_replacement_after_the_other() -> None:
    assert LAYOUT.key_of("net/a/b/w") == "a.b.weight"
    assert LAYOUT.key_of("a.b.weight") == "a.b.weight"
    assert LAYOUT.key_of("net/a/b/slot") is None
    assert LAYOUT.is_one("a.scale")
    assert not LAYOUT.is_one("a.weight")
    assert not Layout(name="", rename=()).is_one("a.scale")


def test_layers_that_a_session_numbered_on_are_counted_from_0() -> None:
    layout = Layout(
        name="", rename=((r"^conv_1/", "second."),), skip="/slot$", counted=r"^(?:root/)?(conv|dense)(?:_(\d+))?/"
    )
    for names in (["conv", "conv_1"], ["conv_2", "conv_10"], ["root/conv_7", "root/conv_9"]):
        assert list(layout.keys_of(f"{name}/w" for name in names).values()) == ["conv_0/w", "second.w"]
    assert layout.keys_of(["dense_4/w", "conv_1/slot", "conv_3/w", "pool_2/w"]) == {
        "dense_4/w": "dense_0/w",
        "conv_1/slot": None,
        "conv_3/w": "conv_0/w",
        "pool_2/w": "pool_2/w",
    }


def test_kernels_are_transposed_to_torchs_order() -> None:
    kernel = torch.randn(2, 3, 4, 5, 6)
    turned = LAYOUT.oriented("a/w", kernel)
    assert turned.shape == (6, 5, 2, 3, 4)
    assert turned[1, 2, 0, 1, 3] == kernel[0, 1, 3, 2, 1]
    assert LAYOUT.oriented("a/w", torch.zeros(7, 8)).shape == (8, 7)
    assert LAYOUT.oriented("a/w", torch.zeros(7)).shape == (7,)
    assert LAYOUT.oriented("a_deep/w", torch.zeros(3, 5, 8, 1)).shape == (8, 1, 3, 5)
    assert Layout(name="", rename=()).oriented("a/w", kernel) is kernel


def test_an_inflated_kernel_gives_the_2d_result_for_a_still_clip() -> None:
    kernel, picture = torch.randn(4, 3, 3, 3).double(), torch.randn(2, 3, 8, 8).double()
    still = picture[:, :, None].expand(-1, -1, 9, -1, -1)
    for frames in (1, 3, 7):
        response = F.conv3d(still, inflated(kernel, frames))
        torch.testing.assert_close(response, F.conv2d(picture, kernel)[:, :, None].expand_as(response))
