from __future__ import annotations

import pytest
import torch

from classifiers.inference.joint_state import joint_state, own_states


def test_a_joint_state_comes_apart_as_it_was_put_together() -> None:
    states = [{"frames": torch.zeros(1), "b.1": torch.ones(2)}, {"frames": torch.ones(1)}]
    joint = joint_state(states)
    assert list(joint) == ["0.frames", "0.b.1", "1.frames"]
    assert own_states(joint, 2) == states
    assert own_states({}, 2) == [{}, {}]
    for key in ("2.frames", "x.frames", "frames"):
        with pytest.raises(ValueError, match="belongs to none of 2 networks"):
            own_states({key: torch.zeros(1)}, 2)
