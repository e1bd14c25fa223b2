"""A file is whole or absent, locally and by URL."""

import http.server
import threading

import pytest

from corpus import storage


def write_half(path: str) -> None:
    with storage.create(path) as file:
        file.write(b"half")
        raise RuntimeError


def test_a_failed_write_leaves_nothing(tmp_path):
    path = tmp_path / "folder" / "file"
    with pytest.raises(RuntimeError):
        write_half(str(path))
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = str(tmp_path / "file")
    storage.write_bytes(path, b"old")
    with pytest.raises(RuntimeError):
        write_half(path)
    assert storage.read_bytes(path) == b"old"


@pytest.mark.parametrize("base", ["{tmp}", "file://{tmp}", "memory://test-storage"])
def test_every_kind_of_storage_does_the_same(base, tmp_path):
    folder = base.format(tmp=tmp_path)
    one = storage.join(folder, "sub", "one.bin")
    assert not storage.exists(one)
    storage.write_bytes(one, b"0123456789")
    assert storage.exists(one)
    assert storage.size(one) == 10
    assert storage.read_bytes(one, start=2, end=5) == b"234"
    with storage.open_read(one) as file:
        file.seek(8)
        assert file.read() == b"89"
    storage.link(one, storage.join(folder, "sub", "two.bin"))
    storage.write_bytes(storage.join(folder, "sub", ".hidden"), b"")
    assert storage.names(storage.join(folder, "sub")) == ["one.bin", "two.bin"]
    found = storage.glob(storage.join(folder, "sub", "*.bin"))
    assert [name.rsplit("/", 1)[1] for name in found] == ["one.bin", "two.bin"]
    assert storage.read_bytes(found[1]) == b"0123456789"
    assert storage.files(folder) == found, "without what begins with a dot"
    assert storage.files(one) == [one]
    assert storage.files(storage.join(folder, "absent")) == []
    assert storage.names(storage.join(folder, "absent")) == []
    storage.remove(storage.join(folder, "sub"))
    assert storage.names(storage.join(folder, "sub")) == []


def test_an_unknown_scheme_names_the_cure():
    with pytest.raises(ValueError, match="cannot open this kind of storage"):
        storage.read_bytes("nosuch://bucket/file")


class _Ranges(http.server.BaseHTTPRequestHandler):
    content = bytes(range(256)) * 4096

    def do_HEAD(self):
        self._answer(self.content)

    def do_GET(self):
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        self._answer(self.content[int(first) : int(last) + 1 if last else None], begin=int(first))

    def _answer(self, data: bytes, *, begin: int = 0):
        if "absent" in self.path:
            self.send_error(404)
            return
        self.send_response(206 if "Range" in self.headers else 200)
        total = len(self.content)
        self.send_header("Content-Range", f"bytes {begin}-{begin + len(data) - 1}/{total}")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *arguments):
        pass


def test_a_file_on_a_web_server_is_read_by_its_address():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Ranges) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        url = f"{place}/dump.xml?version=3"
        assert storage.files(url) == [url]
        assert storage.files(f"{place}/absent") == []
        assert storage.size(url) == len(_Ranges.content)
        assert storage.read_bytes(url, start=300, end=303) == bytes([44, 45, 46])
        with storage.open_read(url) as file:
            file.seek(1 << 19)
            assert file.read() == _Ranges.content[1 << 19 :]
        server.shutdown()


def test_a_link_that_is_there_already_is_made_again_without_a_trace(tmp_path):
    (tmp_path / "a").write_bytes(b"text")
    for _ in range(2):
        storage.link(str(tmp_path / "a"), str(tmp_path / "b"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert (tmp_path / "a").samefile(tmp_path / "b")
