"""Stores on loopback, and a proxy before them that answers some requests for shards badly.

moto is S3, gcp-storage-emulator GCS, a plain web server http, and one that answers as the hub does
hf. The proxy answers too late, cuts,
changes a byte, says 503, closes the connection, or hangs.
"""

import functools
import http.client
import http.server
import json
import logging
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest

from corpus import storage

BUCKET = "shards"


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on; those for shards meet the faults, one each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = ""
        self.faults: list[str] = []
        self.met: list[str] = []
        self.gets: list[str] = []
        self.watched: Path | None = None
        """A cache whose size is looked at whenever a shard is asked for."""
        self.sizes: list[int] = []
        self.is_hanging, self.goes_on = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @staticmethod
    def held_bytes(folder: Path) -> int:
        """Return the bytes of a cache: what is there, and what is on its way."""
        total = 0
        for path in (*folder.glob("*.arrow"), *folder.glob(".fetch-*")):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

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
                if server.watched is not None:
                    server.sizes.append(server.held_bytes(server.watched))
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
        elif fault == "hang":
            self.wfile.write(body[: len(body) // 2])
            server.is_hanging.set()
            server.goes_on.wait(60)
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
def s3(
    proxy: Proxy, s3_address: str, s3_bucket, many_shards: Path
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return a bucket's URL, and what points the proxy to its store."""

    def use() -> None:
        proxy.target = s3_address

    use()
    with s3_bucket(BUCKET, address=proxy.address):
        yield upload(many_shards, f"s3://{BUCKET}/set"), use
        use()


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


class _Plain(http.server.SimpleHTTPRequestHandler):
    """Knows no ranges: who asks for one is sent the whole file."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def web(proxy: Proxy, many_shards: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return a URL, and what points the proxy to its server."""
    server = _serving(_Plain, many_shards.parent)

    def use() -> None:
        proxy.target = f"127.0.0.1:{server.server_port}"

    use()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "http_proxy"):
            patch.delenv(name, raising=False)
        yield f"http://{proxy.address}/{many_shards.name}", use
    server.shutdown()
    server.server_close()


REPOSITORY = "owner/name"


class _Hub(_Plain):
    """Answers what `hf://` asks: is there such a repository, what is in it, a range of a file."""

    def do_GET(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        about, files = f"/api/datasets/{REPOSITORY}", f"/datasets/{REPOSITORY}/resolve/main/"
        root = Path(self.directory)
        if path.startswith(f"{about}/tree/main"):
            folder = root / path.removeprefix(f"{about}/tree/main").lstrip("/")
            self._send(200, json.dumps([self._entry(p, root) for p in sorted(folder.iterdir())]))
        elif path in (about, f"{about}/revision/main"):
            self._send(200, json.dumps({"id": REPOSITORY, "sha": "0" * 40}))
        elif path.startswith(files) and (root / path.removeprefix(files)).is_file():
            content = (root / path.removeprefix(files)).read_bytes()
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            first, last = map(int, asked.groups()) if asked else (0, len(content) - 1)
            self._send(206 if asked else 200, content[first : last + 1])
        else:
            self._send(404, "")

    def _entry(self, path: Path, root: Path) -> dict[str, object]:
        known = {"path": str(path.relative_to(root)), "oid": "0" * 40}
        if path.is_dir():
            return {"type": "directory", **known}
        return {"type": "file", "size": path.stat().st_size, **known}

    def _send(self, status: int, body: str | bytes) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def hub(proxy: Proxy, many_shards: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return the URL of a set in a hub's repository, and what points the proxy to its server."""
    constants = pytest.importorskip("huggingface_hub.constants")
    server = _serving(_Hub, many_shards.parent)

    def use() -> None:
        proxy.target = f"127.0.0.1:{server.server_port}"

    use()
    with pytest.MonkeyPatch.context() as patch:
        # Nothing but this endpoint is asked.
        endpoint = f"http://{proxy.address}"
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "ENDPOINT", endpoint)
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        kind = fsspec.get_filesystem_class("hf")
        kind.clear_instance_cache()
        yield f"hf://datasets/{REPOSITORY}/{many_shards.name}", use
        kind.clear_instance_cache()
    server.shutdown()
    server.server_close()


def _serving(handler: type[_Plain], folder: Path) -> http.server.ThreadingHTTPServer:
    made = functools.partial(handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), made)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


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
