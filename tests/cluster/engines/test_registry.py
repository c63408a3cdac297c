import pytest

from cluster.engines.base import Engine
from cluster.engines.options import ENGINES, EngineOptions
from cluster.engines.registry import make_engine
from schemas.errors import InputError


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "ray"])
def test_an_engine_is_made_by_its_name(name, tmp_path):
    engine = make_engine(EngineOptions(engine=name), f"{tmp_path}/staging")
    assert isinstance(engine, Engine)
    assert engine.machine().engine == name
    engine.close()


def test_an_unknown_engine_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match="engine is one of ray, local, beam, not 'rya'; did you mean ray"):
        EngineOptions(engine="rya")
