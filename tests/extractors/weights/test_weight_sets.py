import re
import shlex
import shutil
import subprocess
from dataclasses import replace

import pytest

from extractors.weights.weight_sets import WEIGHT_SETS, MissingWeightsError, missing_weights
from tests.support.servers import http_files


def missing(entry, cache):
    return MissingWeightsError(entry, cache / entry.file_name, f"no route to {entry.url}")


@pytest.mark.parametrize("entry", WEIGHT_SETS, ids=lambda entry: f"{entry.name}-{entry.kind}")
def test_the_error_says_what_to_bring_and_where_to_put_it(tmp_path, entry):
    cache = tmp_path / "a cache"
    reason, wanted, command, place, *rest = str(missing(entry, cache)).splitlines()
    assert reason == f"weights are not in the cache, and were not downloaded (no route to {entry.url}):"
    name, _, terms = wanted.partition(": ")
    assert name == f"  {entry.name} for {entry.kind}"
    file, size, licence = terms.split(", ", 2)
    assert file == entry.file_name
    assert re.fullmatch(r"(about )?\d+(\.\d)? MB", size)
    assert licence == entry.licence
    assert place.endswith(f"put the files into {cache} on this machine")
    fetched = ["curl", "-fL", "--create-dirs", "-o", str(cache / entry.file_name), entry.url]
    packed = ["mkdir", "-p", str(cache), "&&", "npm", "pack", entry.npm, "--pack-destination", str(cache)]
    assert shlex.split(command) == (packed if entry.npm else fetched)
    assert entry.alternatives in "\n".join(rest)
    assert ("is pinned in FILE.sha256 beside it" in "\n".join(rest)) == (not entry.sha256)
    assert ("random:SEED" in "\n".join(rest)) == (not entry.npm)


def test_several_missing_sets_are_one_list(tmp_path):
    lines = missing_weights([missing(entry, tmp_path) for entry in WEIGHT_SETS]).splitlines()
    end = 1 + 2 * len(WEIGHT_SETS)
    assert [line.split()[0] for line in lines[1:end:2]] == [entry.name for entry in WEIGHT_SETS]
    assert all(line.lstrip().startswith(("curl ", "mkdir -p ")) for line in lines[2:end:2])
    assert sum(str(tmp_path) in line for line in lines[end:]) == 1
    assert sum("random:SEED" in line for line in lines) == 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_command_downloads_the_file(tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "w.pth").write_bytes(b"weights")
    with http_files(tmp_path / "web") as address:
        entry = replace(WEIGHT_SETS[0], url=f"{address}/w.pth")
        command = str(missing(entry, tmp_path / "a new cache")).partition("curl ")[2].splitlines()[0]
        subprocess.run(["curl", "-sS", *shlex.split(command)], check=True)
    assert (tmp_path / "a new cache" / entry.file_name).read_bytes() == b"weights"


def test_names_are_unique_and_hashes_well_formed():
    assert len({(entry.name, entry.kind) for entry in WEIGHT_SETS}) == len(WEIGHT_SETS)
    for entry in WEIGHT_SETS:
        assert len(entry.sha256) in (0, 64)
        assert (
            entry.npm.replace("@", "-") + ".tgz" == entry.file_name
            if entry.npm
            else entry.url.endswith(entry.file_name)
        )
