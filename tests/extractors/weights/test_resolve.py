import contextlib
import hashlib
import io
from pathlib import Path

import pytest

from extractors.weights import resolve
from extractors.weights.content import WeightsError
from extractors.weights.resolve import hash_path, resolve_weights
from extractors.weights.weight_sets import WEIGHT_SETS, MissingWeightsError, WeightSet
from tests.support.servers import http_files

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def opener(files):
    """A store of URIs; what is not in it is like a host that cannot be reached."""

    @contextlib.contextmanager
    def open_uri(uri):
        if uri not in files:
            raise OSError(f"no route to {uri}")
        yield io.BytesIO(files[uri])

    return open_uri


@pytest.fixture
def published(monkeypatch):
    """Put one published set of our own content in place of the real ones."""

    def publish(**hashes):
        entry = WeightSet("known", "frames", "https://example.org/known.pth", "known.pth", "none", **hashes)
        monkeypatch.setattr(resolve, "WEIGHT_SETS", (entry,))
        return entry

    return publish


@pytest.mark.parametrize("hashes", [{"sha256": SHA256}, {"sha256_prefix": SHA256[:8]}, {}])
def test_a_named_set_is_downloaded_once_and_verified(tmp_path, published, hashes):
    entry = published(**hashes)
    reports = []
    resolved = resolve_weights(
        "known",
        "frames",
        cache_dir=tmp_path,
        open_uri=opener({entry.url: CONTENT}),
        progress=lambda done, total: reports.append((done, total)),
    )
    assert Path(resolved.path).read_bytes() == CONTENT
    assert (resolved.sha256, resolved.fingerprint) == (SHA256, f"sha256:{SHA256}")
    assert reports[-1] == (len(CONTENT), None)
    assert not resolved.is_random
    again = resolve_weights("known", "frames", cache_dir=tmp_path, open_uri=opener({}))
    assert again == resolved
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("hashes", [{"sha256": "0" * 64}, {"sha256_prefix": "00000000"}])
def test_a_download_with_another_hash_is_not_kept(tmp_path, published, hashes):
    entry = published(**hashes)
    with pytest.raises(WeightsError, match=SHA256):
        resolve_weights("known", "frames", cache_dir=tmp_path, open_uri=opener({entry.url: CONTENT}))
    assert list(tmp_path.iterdir()) == []


def test_without_a_published_hash_later_downloads_must_equal_the_first(tmp_path, published):
    entry = published()
    resolve_weights("known", "frames", cache_dir=tmp_path, open_uri=opener({entry.url: CONTENT}))
    (tmp_path / "known.pth").write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"known\.pth\.sha256"):
        resolve_weights("known", "frames", cache_dir=tmp_path, open_uri=opener({}))


@pytest.mark.parametrize("entry", WEIGHT_SETS, ids=lambda entry: f"{entry.name}-{entry.kind}")
def test_without_network_the_error_tells_set_place_and_reason(tmp_path, entry):
    with pytest.raises(MissingWeightsError, match=entry.file_name) as caught:
        resolve_weights(entry.name, entry.kind, cache_dir=tmp_path, open_uri=opener({}))
    assert (caught.value.known, caught.value.path) == (entry, tmp_path / entry.file_name)
    assert caught.value.reason == f"no route to {entry.url}"


def test_a_file_placed_in_the_cache_is_verified(tmp_path):
    (tmp_path / "vggish-10086976.pth").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b"):
        resolve_weights("vggish", "sound", cache_dir=tmp_path, open_uri=opener({}))


def test_a_page_in_the_cache_is_named(tmp_path):
    (tmp_path / "vggish-10086976.pth").write_bytes(b"<html>sign in</html>")
    with pytest.raises(WeightsError, match=r"It is a page of text \(HTML\), not weights.*Delete the file to download"):
        resolve_weights("vggish", "sound", cache_dir=tmp_path, open_uri=opener({}))


def test_a_broken_connection_leaves_nothing_behind(tmp_path, published):
    entry = published(sha256=SHA256)

    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise ConnectionResetError("reset by peer")

    @contextlib.contextmanager
    def open_uri(uri):
        assert uri == entry.url
        yield Broken()

    with pytest.raises(WeightsError, match="reset by peer"):
        resolve_weights("known", "frames", cache_dir=tmp_path, open_uri=open_uri)
    assert list(tmp_path.iterdir()) == []


def test_downloads_by_uri_are_cached_by_content(tmp_path):
    uri = "gs://bucket/own.safetensors"
    resolved = resolve_weights(uri, "frames", cache_dir=tmp_path, open_uri=opener({uri: CONTENT}))
    assert resolved.sha256 == SHA256
    assert Path(resolved.path).name == f"{SHA256[:16]}-own.safetensors"
    changed = resolve_weights(uri, "frames", cache_dir=tmp_path, open_uri=opener({uri: b"new"}))
    assert changed.path != resolved.path


def test_local_files_and_folders_are_hashed(tmp_path, monkeypatch):
    (tmp_path / "own.pth").write_bytes(CONTENT)
    assert resolve_weights(str(tmp_path / "own.pth"), "frames").sha256 == SHA256
    monkeypatch.chdir(tmp_path)
    assert resolve_weights("own.pth", "frames").path == str(tmp_path / "own.pth")  # workers run in other folders
    before = resolve_weights(str(tmp_path), "frame-pca").sha256
    (tmp_path / "own.pth").rename(tmp_path / "other.pth")
    assert hash_path(tmp_path) != before


def test_random_weights_are_marked_and_need_an_integer_seed():
    resolved = resolve_weights("random:7", "frames")
    assert resolved.is_random
    assert resolved.fingerprint == "random:7"
    with pytest.raises(WeightsError, match="whole number"):
        resolve_weights("random:x", "frames")


def test_none_is_for_pca_only():
    assert resolve_weights("none", "frame-pca") is None
    with pytest.raises(WeightsError, match="inception-2015, inception-imagenet"):
        resolve_weights("none", "frames")


def test_unknown_names_list_the_known_ones():
    with pytest.raises(WeightsError, match=r"'inception-v4'.*inception-2015, inception-imagenet"):
        resolve_weights("inception-v4", "frames")


def test_a_scheme_without_an_opener_is_refused_by_name(tmp_path):
    with pytest.raises(WeightsError, match="only http and https are supported"):
        resolve_weights("gs://bucket/w.pth", "frames", cache_dir=tmp_path)


def test_a_download_that_ends_early_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(resolve, "TIMEOUT_SECONDS", 600.0)  # on a machine of any load
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "resolve.pth").write_bytes(b"the start")
    with http_files(tmp_path / "web") as address:
        uri = f"{address}/short/resolve.pth?signature={'x' * 400}"
        with pytest.raises(WeightsError, match="995 bytes too early"):
            resolve_weights(uri, "frames", cache_dir=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
