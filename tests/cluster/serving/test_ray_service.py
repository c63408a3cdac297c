from __future__ import annotations

import pytest

from cluster.serving.ray_service import options_of
from schemas.errors import InputError


def test_options_come_as_yaml_has_them():
    options = options_of({"checkpoint": ["a", "b"], "port": 8000, "decoders": 4})
    assert (options.checkpoint, options.port, options.replicas.decoders) == (("a", "b"), 8000, 4)
    with pytest.raises(InputError, match="takes a list"):
        options_of({"checkpoint": "a"})
