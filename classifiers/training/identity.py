"""What tells one training from another: values by name, such as options and facts of its data.

Every state and checkpoint of a training records them. A release that adds an option must not disown what earlier ones
have written: a record that lacks a value is taken to have the one that is implied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingIdentity:
    """The values of a training.

    values   as JSON gives them back
    implied  names whose values a record may lack: those of options with their default values, and facts of the data
             that follow from others
    """

    values: Mapping[str, Any]
    implied: frozenset[str] = frozenset()

    def differences(self, recorded: Mapping[str, Any]) -> list[str]:
        """One line for each value that differs from the recorded one; none for a record of the same training."""
        compared = {*recorded, *(self.values.keys() - self.implied)}
        return [
            f"{name} was {recorded.get(name)!r}, is {self.values.get(name)!r}"
            for name in sorted(compared)
            if recorded.get(name) != self.values.get(name)
        ]
