"""The two streams together are the mean of the two networks."""

import torch

from classifiers.clip_models.i3d_two_stream import joined
from classifiers.clip_models.registry import build_clip_model

SMALL = {"width_factor": 0.125, "frames": 16, "height": 32, "width": 32}


@torch.inference_mode()
def test_its_logits_are_the_means_of_those_of_its_streams_at_their_temperatures():
    torch.manual_seed(0)
    rgb, flow, both = (
        build_clip_model(name, num_classes=5, options=SMALL).eval() for name in ("i3d", "i3d-flow", "i3d-two-stream")
    )
    clips = torch.randint(0, 256, (2, 16, 32, 32, 5), dtype=torch.uint8)
    both.load_state_dict(joined(rgb.state_dict(), flow.state_dict(), (2.0, 0.5)))
    expected = (rgb(clips[..., :3]) / 2.0 + flow(clips[..., 3:]) / 0.5) / 2
    torch.testing.assert_close(both(clips), expected)
    assert both.clip_format.channels == 5
    assert both.clip_format.flow == "tvl1"
