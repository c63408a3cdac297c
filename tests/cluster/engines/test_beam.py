from cluster.engines.beam import BeamEngine
from cluster.engines.options import EngineOptions


def test_the_staging_place_of_a_run_beside_this_one_stays(tmp_path):
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "0.npz").write_bytes(b"another run's")
    BeamEngine(EngineOptions(), f"{tmp_path}/staging").close()
    assert (tmp_path / "staging" / "0.npz").exists()
