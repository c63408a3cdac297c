"""What every test starts with."""

import logging

import pytest


@pytest.fixture(autouse=True)
def fresh_log() -> None:
    """The project's logger as a new process has it: jobs that run in this one configure it, and leave it so."""
    logger = logging.getLogger("framemill")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)
