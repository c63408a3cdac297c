"""Ray's trainer without the processes that none of our trainings needs; each takes seconds of every start.

- Ray's own data sets are not used, so nobody has to hand them out.
- A cluster that was started for this training has the size that it has, so there is nobody to ask for more.
- `PlacementGroupCleaner` outlives a dead controller, to free its reserved resources. But it asks the cluster that was
  started last on the machine whether the controller is alive, which may be another cluster, and then takes the workers
  from a healthy training. It is not needed: reserved resources are freed with the controller or with this process.

The controller's process imports this file, so it imports no more than Ray.
"""

from __future__ import annotations

from typing import Any

from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.scaling_policy.fixed import FixedScalingPolicy
from typing_extensions import override

LEFT_OUT = (DatasetsCallback, PlacementGroupCleanerCallback)


class LeanTrainer(TorchTrainer):  # type: ignore[misc]  # Ray ships no types
    """A trainer; `is_alone` in a cluster that was started for it."""

    def __init__(self, *arguments: Any, is_alone: bool, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_alone = is_alone

    @override
    def _create_default_callbacks(self) -> list[Any]:
        return [callback for callback in super()._create_default_callbacks() if not isinstance(callback, LEFT_OUT)]

    @override
    def _initialize_and_run_controller(self, **options: Any) -> Any:
        if self._is_alone:
            options["scaling_policy"] = GivenSize(self.scaling_config)
        return super()._initialize_and_run_controller(**options)


class GivenSize(FixedScalingPolicy):  # type: ignore[misc]
    """A fixed number of workers, for which no cluster is asked to grow."""

    @override
    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    @override
    def _maybe_send_resource_request(self) -> None:
        pass
