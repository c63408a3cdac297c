"""The state of several stream networks that watch one video together: each key with the number of its network in front.

In and out: states (`classifiers.layers.stream`), of one network each, and the joint one of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from classifiers.layers.stream import State


def joint_state(states: Sequence[Mapping[str, Tensor]]) -> State:
    """The states of all as one."""
    return {f"{member}.{key}": value for member, state in enumerate(states) for key, value in state.items()}


def own_states(state: Mapping[str, Tensor], members: int) -> list[State]:
    """The parts of a joint state. Raises `ValueError` for a part of none of the members."""
    own: list[State] = [{} for _ in range(members)]
    for joint_key, value in state.items():
        member, _, key = joint_key.partition(".")
        if not (member.isdecimal() and int(member) < members):
            raise ValueError(f"the state has {joint_key}, which belongs to none of {members} networks")
        own[int(member)][key] = value
    return own
