"""Budgets: single claims and their sum, and limits by network and by file."""

from __future__ import annotations

import pytest
from torch import nn

from schemas.budget import (
    COMPRESSION,
    COPIES,
    LEAST_BYTES,
    VALUE_BYTES,
    Budget,
    BudgetError,
    unpacked_budget,
    weights_budget,
)


def test_claims_are_charged_up_to_the_limit() -> None:
    budget = Budget(100, "it is small; bring another")
    budget.spend("a", 60)
    budget.allow("the file", 100)
    budget.spend("b", 40)
    with pytest.raises(
        BudgetError, match=r"^up to c, it claims 101 bytes, more than the 100 allowed: it is small; bring"
    ):
        budget.spend("c", 1)


def test_a_single_claim_beyond_the_limit_is_named() -> None:
    message = r"^the file claims 2,000 bytes, more than the 1,000 allowed: it is small$"
    for charge in (Budget.allow, Budget.spend):
        with pytest.raises(BudgetError, match=message):
            charge(Budget(1000, "it is small"), "the file", 2000)


def test_weights_have_the_size_of_their_network() -> None:
    network = nn.Linear(3000, 1000)
    budget = weights_budget(network)
    assert budget.limit_bytes == 3_001_000 * VALUE_BYTES * COPIES
    with pytest.raises(BudgetError, match=r"Linear has 3,001,000 numbers; bring the published file"):
        budget.allow("the file", 1 << 40)
    assert weights_budget(nn.Linear(2, 1)).limit_bytes == LEAST_BYTES  # room for what files hold beside them
    assert weights_budget().limit_bytes > 288_567_937 * 2  # the largest file of a known name


def test_files_unpack_to_a_multiple_of_their_size() -> None:
    assert unpacked_budget(10).limit_bytes == LEAST_BYTES
    assert unpacked_budget(100 << 20).limit_bytes == (100 << 20) * COMPRESSION
