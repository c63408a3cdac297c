import contextlib
import hashlib
import io
from pathlib import Path
from urllib.parse import quote

import pytest

from extractors.weights import resolve
from extractors.weights.content import WeightsError
from extractors.weights.resolve import hash_path, open_http, resolve_weights
from extractors.weights.weight_sets import WEIGHT_SETS, MissingWeightsError, WeightSet
from tests.support.hostile_server import hostile_server
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


def find(folder, files=None):
    return resolve_weights("known", "frames", cache_dir=folder, open_uri=opener(files or {}))


@pytest.mark.parametrize("hashes", [{}, {"sha256_prefix": SHA256[:8]}])
@pytest.mark.parametrize("is_downloaded", [True, False])
def test_a_file_without_a_full_hash_is_pinned_at_its_first_use(tmp_path, published, hashes, is_downloaded):
    entry = published(**hashes)
    if not is_downloaded:
        (tmp_path / "known.pth").write_bytes(CONTENT)
    assert find(tmp_path, {entry.url: CONTENT}).sha256 == SHA256
    lock = tmp_path / "known.pth.sha256"
    assert lock.read_text() == f"{SHA256}  known.pth\n"  # as sha256sum -c reads it
    assert find(tmp_path).sha256 == SHA256
    (tmp_path / "known.pth").write_bytes(b"something else")
    published()  # as if its first digits were those that are published
    with pytest.raises(WeightsError, match=rf"the one stored in .*known\.pth\.sha256 is {SHA256}"):
        find(tmp_path)
    (tmp_path / "known.pth").unlink()
    with pytest.raises(WeightsError, match=rf"the one stored in .*known\.pth\.sha256 is {SHA256}"):
        find(tmp_path, {entry.url: b"another download"})
    assert [path.name for path in tmp_path.iterdir()] == ["known.pth.sha256"]


def test_a_pin_may_be_there_before_the_file(tmp_path, published):
    entry = published()
    for pinned in (SHA256, f"{SHA256.upper()} *known.pth\n"):
        (tmp_path / "known.pth.sha256").write_text(pinned)
        assert find(tmp_path, {entry.url: CONTENT}).sha256 == SHA256
        (tmp_path / "known.pth").unlink()
        with pytest.raises(WeightsError, match="stored in"):
            find(tmp_path, {entry.url: b"something else"})


@pytest.mark.parametrize("text", ["", "no hash", SHA256[:8], f"{SHA256}0"])
def test_a_pin_that_is_no_hash_is_refused(tmp_path, published, text):
    published()
    (tmp_path / "known.pth").write_bytes(CONTENT)
    (tmp_path / "known.pth.sha256").write_text(text)
    with pytest.raises(WeightsError, match=r"known\.pth\.sha256 holds no sha256 of 64 digits: write it with sha256sum"):
        find(tmp_path)


def test_a_full_hash_needs_no_pin(tmp_path, published):
    entry = published(sha256=SHA256)
    find(tmp_path, {entry.url: CONTENT})
    assert [path.name for path in tmp_path.iterdir()] == ["known.pth"]


def test_a_download_of_any_length_ends(tmp_path, published):
    entry = published(size_bytes=len(CONTENT), sha256_prefix=SHA256[:8])
    assert find(tmp_path / "a", {entry.url: CONTENT}).sha256 == SHA256
    with pytest.raises(WeightsError, match="it has more than the 7,000 bytes of such a file"):
        find(tmp_path / "b", {entry.url: CONTENT * 2})
    assert not list((tmp_path / "b").iterdir())


ENTRY_IDS = {"ids": lambda entry: f"{entry.name}-{entry.kind}"}


@pytest.mark.parametrize("entry", [entry for entry in WEIGHT_SETS if entry.shipped], **ENTRY_IDS)
def test_shipped_sets_are_whole_and_need_no_network(tmp_path, entry):
    resolved = resolve_weights(entry.name, entry.kind, cache_dir=tmp_path, open_uri=opener({}))
    assert (Path(resolved.path), resolved.sha256) == (entry.shipped, entry.sha256)
    assert entry.shipped.stat().st_size == entry.size_bytes
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("entry", [entry for entry in WEIGHT_SETS if not entry.shipped], **ENTRY_IDS)
def test_without_network_the_error_tells_set_place_and_reason(tmp_path, entry):
    with pytest.raises(MissingWeightsError, match=entry.file_name) as caught:
        resolve_weights(entry.name, entry.kind, cache_dir=tmp_path, open_uri=opener({}))
    assert (caught.value.known, caught.value.path) == (entry, tmp_path / entry.file_name)
    fetched_by_users = "you fetch it yourself, under its licence"
    assert caught.value.reason == (fetched_by_users if entry.npm else f"no route to {entry.url}")


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
    for seed in ("x", "-1", "9" * 5_000):
        with pytest.raises(WeightsError, match="whole number"):
            resolve_weights(f"random:{seed}", "frames")


def test_none_is_for_pca_only():
    assert resolve_weights("none", "frame-pca") is None
    with pytest.raises(WeightsError, match="inception-2015, inception-imagenet, inception-keras"):
        resolve_weights("none", "frames")


def test_unknown_names_list_the_known_ones():
    with pytest.raises(WeightsError, match=r"'inception-v4'.*inception-2015, inception-imagenet, inception-keras"):
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


def test_redirects_of_a_download_lead_to_http_alone(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"weights")
    with hostile_server() as server, http_files(tmp_path) as web:
        with open_http(f"{server.url}/to/{quote(f'{web}/w.pth', safe='')}") as file:
            assert file.read() == b"weights"
        for target in ("ftp://127.0.0.1/w.pth", "file:///etc/passwd"):
            with (
                pytest.raises(OSError, match=r"unknown url type|is not allowed"),
                open_http(f"{server.url}/to/{quote(target, safe='')}"),
            ):
                pytest.fail("it was opened")
