"""What every test starts with."""

import logging

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="torch sees no CUDA device"))


@pytest.fixture(autouse=True)
def fresh_log() -> None:
    """The project's logger as a new process has it: jobs that run in this one configure it, and leave it so."""
    logger = logging.getLogger("framemill")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)
