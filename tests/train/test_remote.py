"""Shards on an object store: fetched through faults, proved, cached within a limit, or named.

The stores are moto (S3) and gcp-storage-emulator (GCS) on loopback; a proxy before them answers
some of the requests for shards too late, cut, wrong or not at all.
"""

import http.client
import http.server
import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest

from corpus import sets, storage
from corpus.shards import ShardSet
from train import cache, recipe, session
from train.cache import ShardCache, back_off, cached_files
from train.prefetch import prefetch
from train.recipe import CacheConfig

BUCKET = "shards"
FAULTS = ("503", "truncated", "wrong", "slow", "gone", "503", "truncated")


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on; those for shards meet the faults, one each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = ""
        self.faults: list[str] = []
        self.met: list[str] = []
        self.gets: list[str] = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _pass(self) -> None:
        server = self.server
        fault = ""
        if self.command == "GET" and ".arrow" in self.path:
            with server.lock:
                server.gets.append(self.path)
                if server.faults:
                    fault = server.faults.pop(0)
                    server.met.append(fault)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(server.target)
        connection.request(self.command, self.path, body=sent, headers=dict(self.headers.items()))
        answer = connection.getresponse()
        body = answer.read()
        status = 503 if fault == "503" else answer.status
        if fault == "slow":
            time.sleep(0.2)
        if fault == "wrong":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if fault == "503":
            body = b""
        if fault == "gone":
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in answer.getheaders() if fault != "503" else ():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "date"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(body)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        if fault == "truncated":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815  (the names of HTTP)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def s3(proxy: Proxy, many_shards: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return a bucket's URL, and what points the proxy to its store."""
    moto = pytest.importorskip("moto.server", reason="extra dev is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    def use() -> None:
        proxy.target = f"{host}:{port}"

    use()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{proxy.address}")
        patch.setenv("AWS_ACCESS_KEY_ID", "tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy"):
            patch.delenv(name, raising=False)
        fs = fsspec.filesystem("s3")
        fs.clear_instance_cache()
        fs = fsspec.filesystem("s3")
        fs.mkdir(BUCKET)
        yield upload(many_shards, f"s3://{BUCKET}/set"), use
        fs.clear_instance_cache()
    server.stop()


@pytest.fixture(scope="module")
def gs(proxy: Proxy, many_shards: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return a bucket's URL, and what points the proxy to its store."""
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="no extra dev")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://{proxy.address}")
        patch.setenv("NO_GCE_CHECK", "true")
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
        gcsfs = pytest.importorskip("gcsfs", reason="extra gcp is not installed")
        logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
        server.start()

        def use() -> None:
            proxy.target = f"127.0.0.1:{port}"

        use()
        gcsfs.GCSFileSystem.clear_instance_cache()
        yield upload(many_shards, f"gs://{BUCKET}/set"), use
        gcsfs.GCSFileSystem.clear_instance_cache()
        server.stop()


def upload(folder: Path, url: str) -> str:
    """Put what a run reads at a URL: the manifest, the tokenizer, train rows of 32 tokens."""
    for path in (*folder.glob("*.json"), *folder.glob("*/*"), *folder.glob("*-train-32-*.arrow")):
        storage.write_bytes(storage.join(url, str(path.relative_to(folder))), path.read_bytes())
    return url


@pytest.fixture
def memory(many_shards: Path) -> Iterator[str]:
    """Return the URL of the set in fsspec's store in memory."""
    yield upload(many_shards, "memory://set")
    fsspec.filesystem("memory").rm("/set", recursive=True)


TABLE = {
    "seed": 2,
    "model": {"preset": "nano"},
    "schedule": {
        "tokens": 40 * 16 * 32,
        "rows_per_step": 16,
        "micro_batch": 8,
        "peak_learning_rate": 1e-3,
    },
}


def checksums(url: str, folder: Path, *, order: str, max_gb: float = 1.0) -> list[int]:
    table = {
        **TABLE,
        "data": {"row_length": 32, "order": order, "block_shards": 2},
        "cache": {"folder": str(folder), "max_gb": max_gb},
    }
    made = session.bind(recipe.parse(table, where="test"), ShardSet.open(url))
    steps = prefetch(made.stream, first_step=0, rank=0, world_size=1)
    return [sum(batch.checksum() for batch in batches) for _, batches in steps]


@pytest.mark.parametrize("store", ["s3", "gs"])
def test_a_stream_from_a_store_is_that_from_the_disk(
    store, request, proxy, many_shards, tmp_path
) -> None:
    url, use = request.getfixturevalue(store)
    use()
    proxy.gets.clear()
    found = checksums(url, tmp_path, order="blocks")
    assert found == checksums(str(many_shards), tmp_path, order="blocks")
    # Every file of rows and of documents once, though two threads ask for them.
    assert len(proxy.gets) == len({path.split("?")[0] for path in proxy.gets}) == 24


@pytest.mark.parametrize("store", ["s3", "gs"])
def test_faults_of_the_store_cost_time_and_nothing_else(
    store, request, proxy, many_shards, tmp_path
) -> None:
    url, use = request.getfixturevalue(store)
    use()
    shards, here = ShardSet.open(url), ShardSet.open(str(many_shards))
    waits: list[float] = []
    fetch = cached_files(shards, CacheConfig(folder=str(tmp_path)), wait=waits.append)
    proxy.faults[:], proxy.met[:] = FAULTS, []
    for source in ("wiki", "books"):
        rows = shards.rows(source, "train", 32, fetch=fetch)
        near = here.rows(source, "train", 32)
        every = np.arange(near.num_rows)
        assert rows.num_rows == near.num_rows
        for name in ("input_ids", "piece_ends", "piece_rows", "piece_documents"):
            assert np.array_equal(getattr(rows.take(every), name), getattr(near.take(every), name))
    assert proxy.met == list(FAULTS)
    assert all(0.5 <= wait <= 60 for wait in waits)


def test_processes_that_share_a_cache_fetch_every_file_once(s3, proxy, tmp_path):
    url, use = s3
    use()
    shards = ShardSet.open(url)
    names = [f"wiki-train-32-{n}.{kind}" for n in range(6) for kind in ("arrow", "documents.arrow")]
    # Locks of files hold between threads as between processes: each opens the file anew.
    made = [cached_files(shards, CacheConfig(folder=str(tmp_path))) for _ in range(4)]
    proxy.gets.clear()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda fetch: [fetch(name) for name in names], made))
    assert all(paths == found[0] for paths in found)
    assert len(proxy.gets) == len(names)


def files_of(url: str) -> dict[str, sets.File]:
    return {n: f for part in sets.read_manifest(url).parts for n, f in part.files.items()}


def some_file(url: str) -> tuple[str, sets.File]:
    name = "wiki-train-32-0.arrow"
    return storage.join(url, name), files_of(url)[name]


def test_a_damaged_copy_is_replaced_from_the_origin(memory, tmp_path, caplog) -> None:
    url, wanted = some_file(memory)
    made = ShardCache(tmp_path, max_bytes=10**9)
    path = made.fetch(url, wanted)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + b"x", b"", whole + b"x"):
        path.write_bytes(damaged)
        assert made.fetch(url, wanted).read_bytes() == whole
        assert "damaged in the cache" in caplog.text
        caplog.clear()
    # A copy that was only touched is looked at and kept.
    os.utime(path)
    assert made.fetch(url, wanted) == path
    assert not caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "missing"),
        (lambda whole: whole[:-1] + b"x", r"damaged: sha256 .* \(fetched twice\)"),
        (lambda whole: whole[:-9], r"ends after [\d,]+ of [\d,]+ bytes \(tried 6 times\)"),
    ],
)
def test_what_is_wrong_at_the_origin_is_named(memory, tmp_path, content, message) -> None:
    url, wanted = some_file(memory)
    if content is None:
        storage.remove(url)
    else:
        storage.write_bytes(url, content(storage.read_bytes(url)))
    waits: list[float] = []
    made = ShardCache(tmp_path, max_bytes=10**9, wait=waits.append)
    with pytest.raises(ValueError, match=f"{url}: {message}"):
        made.fetch(url, wanted)
    assert len(waits) in (0, 5)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".lock")]


def test_the_cache_stays_within_its_limit_while_all_shards_are_read(memory, many_shards, tmp_path):
    files = files_of(memory)
    train = [f.num_bytes for name, f in files.items() if "-train-32-" in name and ".arrow" in name]
    limit = sum(train) // 3
    largest = 0

    class Watched(ShardCache):
        def fetch(self, url: str, wanted: sets.File) -> Path:
            nonlocal largest
            path = super().fetch(url, wanted)
            largest = max(largest, sum(p.stat().st_size for p in tmp_path.glob("*.arrow")))
            return path

    made = Watched(tmp_path, max_bytes=limit)
    shards, here = ShardSet.open(memory), ShardSet.open(str(many_shards))
    for source in ("wiki", "books"):
        rows = shards.rows(
            source,
            "train",
            32,
            fetch=lambda name: made.fetch(storage.join(memory, name), files[name]),
        )
        near = here.rows(source, "train", 32)
        for turn in range(40):
            order = np.random.default_rng(turn).integers(0, near.num_rows, 8)
            assert np.array_equal(rows.take(order).input_ids, near.take(order).input_ids)
    assert 0 < largest <= limit
    # The shards that were asked for last are the ones that stay.
    kept = {path.name for path in tmp_path.glob("*.arrow")}
    assert len(kept) < len(train)


def test_a_file_larger_than_the_cache_says_so(memory, tmp_path) -> None:
    url, wanted = some_file(memory)
    with pytest.raises(ValueError, match=rf"{wanted.num_bytes:,} bytes.*raise \[cache\] max_gb"):
        ShardCache(tmp_path, max_bytes=wanted.num_bytes - 1).fetch(url, wanted)


def test_what_a_killed_process_left_is_removed_and_what_a_live_one_writes_is_not(memory, tmp_path):
    url, wanted = some_file(memory)
    dead, alive = tmp_path / ".fetch-dead", tmp_path / ".fetch-alive"
    dead.write_bytes(b"0" * wanted.num_bytes)
    alive.write_bytes(b"0" * 10)
    with cache._held(alive):
        made = ShardCache(tmp_path, max_bytes=wanted.num_bytes + 10)
        assert made.fetch(url, wanted).is_file()
        assert not dead.exists()
        assert alive.exists()


def test_the_stream_reads_on_when_its_cache_is_emptied(memory, many_shards, tmp_path) -> None:
    shards, here = ShardSet.open(memory), ShardSet.open(str(many_shards))
    folder = tmp_path / "cache"
    fetch = cached_files(shards, CacheConfig(folder=str(folder)))
    rows, near = shards.rows("wiki", "train", 32, fetch=fetch), here.rows("wiki", "train", 32)
    every = np.arange(near.num_rows)
    for turn in range(40):
        if turn == 5:
            shutil.rmtree(folder)
        assert np.array_equal(rows.take(every).input_ids, near.take(every).input_ids)
    assert any(folder.iterdir())


def test_waits_double_stay_bounded_and_differ_between_files() -> None:
    one, other = ([back_off(name * 64, n) for n in range(1, 12)] for name in "ab")
    assert one == [back_off("a" * 64, n) for n in range(1, 12)]
    assert all(2.0 ** (n - 1) / 2 <= wait <= 2.0 ** (n - 1) for n, wait in enumerate(one[:6], 1))
    assert max(one) <= 60
    assert not set(one) & set(other)
