"""Downloads from a server on the loopback interface that fails as real ones do."""

import bz2
import email.utils
import gzip
import hashlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from corpus import download, fetch
from corpus.__main__ import main
from corpus.download import DownloadError, Wanted

BYTES = bytes(range(256)) * 20_000
STAMP = 1_700_000_000


class Server(http.server.ThreadingHTTPServer):
    """Files by path, and faults that are used up one a request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[tuple[str, int]] = []
        self.requests: list[tuple[str, str | None]] = []
        self.agents: set[str] = set()
        self.has_ranges = True
        self.etag = ""
        self.stamp = STAMP
        self.slow_seconds = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.requests.append((self.path, wanted))
        server.agents.add(self.headers["User-Agent"])
        fault, number = server.faults.pop(0) if server.faults else ("", 0)
        if fault == "status":
            self.send_response(number)
            self.send_header("Retry-After", "7")
            self.end_headers()
            return
        if self.path not in server.files:
            self.send_error(404)
            return
        data = server.files[self.path]
        if fault == "wrong":
            data = data[:number] + b"?" + data[number + 1 :]
        size, begin = len(data), 0
        stamp = email.utils.formatdate(server.stamp, usegmt=True)
        is_same = self.headers.get("If-Range") in (None, stamp)
        if wanted and server.has_ranges and is_same:
            begin = int(re.findall(r"\d+", wanted)[0])
            if begin >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - begin))
        self.send_header("Last-Modified", stamp)
        if server.etag:
            self.send_header("ETag", f'"{server.etag}"')
        self.end_headers()
        body = data[begin:]
        if fault == "cut":
            body = body[:number]
        for at in range(0, len(body), 1 << 16):
            time.sleep(server.slow_seconds)
            self.wfile.write(body[at : at + (1 << 16)])


@pytest.fixture
def server():
    own = Server()
    threading.Thread(target=own.serve_forever, args=(0.01,), daemon=True).start()
    yield own
    own.shutdown()
    own.server_close()


@pytest.fixture
def waits():
    return []


def get(server: Server, folder: Path, waits: list[float] | None = None, **options) -> Path:
    server.files.setdefault("/a.bin", BYTES)
    wanted = Wanted(url=f"{server.url}/a.bin", name="a.bin", **options)
    return download.fetch(wanted, folder, wait=(waits if waits is not None else []).append)


SHA1 = {"sha1": hashlib.sha1(BYTES).hexdigest(), "md5": hashlib.md5(BYTES).hexdigest()}


def test_a_file_appears_whole_and_is_not_fetched_twice(server, tmp_path):
    path = get(server, tmp_path / "new", digests=SHA1, num_bytes=len(BYTES))
    assert path.read_bytes() == BYTES
    assert [file.name for file in path.parent.iterdir()] == ["a.bin"]
    get(server, tmp_path / "new", digests=SHA1)
    assert len(server.requests) == 1
    assert server.agents == {download.USER_AGENT}
    assert "gristmill" in download.USER_AGENT


@pytest.mark.parametrize("digests", [SHA1, {}])
def test_a_cut_connection_is_gone_on_with(server, tmp_path, waits, digests):
    server.faults = [("cut", 1_500_000), ("status", 503), ("cut", 1_200_000), ("cut", 0)]
    assert get(server, tmp_path, waits, digests=digests).read_bytes() == BYTES
    ranges = [wanted for _, wanted in server.requests]
    assert ranges[0] is None
    assert ranges[1] == ranges[2] == "bytes=1500000-"
    assert ranges[3] == ranges[4] == "bytes=2700000-"
    # Progress starts the count anew; the server's own wish is heard.
    assert waits == [1, 7, 1, 2]


def test_a_later_call_goes_on_where_the_last_one_was_given_up(server, tmp_path):
    server.faults = [("cut", 2_000_000), *[("status", 500)] * 9]
    with pytest.raises(DownloadError, match=r"500 .*give the same command again"):
        get(server, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin.part"]
    assert server.faults.count(("status", 500)) == 4
    server.faults, server.requests = [], []
    assert get(server, tmp_path).read_bytes() == BYTES
    assert server.requests == [("/a.bin", "bytes=2000000-")]


def test_a_file_that_changed_in_between_is_fetched_anew(server, tmp_path):
    server.faults = [("cut", 2_000_000), *[("status", 500)] * 6]
    with pytest.raises(DownloadError):
        get(server, tmp_path)
    server.faults, server.stamp = [], STAMP + 60
    server.files["/a.bin"] = BYTES[::-1]
    assert get(server, tmp_path).read_bytes() == BYTES[::-1]
    # With checksums it is the checksum that decides.
    (tmp_path / "a.bin").unlink()
    (tmp_path / "a.bin.part").write_bytes(b"of another file")
    server.files["/a.bin"], server.requests = BYTES, []
    assert get(server, tmp_path, digests=SHA1).read_bytes() == BYTES
    assert [wanted for _, wanted in server.requests] == ["bytes=15-", None]


@pytest.mark.parametrize("digests", [SHA1, {}])
def test_a_server_without_ranges_sends_everything_again(server, tmp_path, digests):
    server.has_ranges = False
    server.faults = [("cut", 1_500_000)]
    assert get(server, tmp_path, digests=digests).read_bytes() == BYTES
    assert [wanted for _, wanted in server.requests] == [None, "bytes=1500000-"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digests": SHA1}, "sha1 .* should be"),
        ({"num_bytes": 7}, "5,120,000 bytes, should be 7"),
        ({"is_etag_md5": True}, "md5 .* should be"),
    ],
)
def test_wrong_bytes_are_removed(server, tmp_path, options, message):
    server.faults = [("wrong", 1000)]
    server.etag = SHA1["md5"]
    with pytest.raises(DownloadError, match=message) as error:
        get(server, tmp_path, **options)
    assert "it was removed" in str(error.value)
    assert list(tmp_path.iterdir()) == []
    if "num_bytes" not in options:
        assert get(server, tmp_path, **options).read_bytes() == BYTES


def test_a_whole_part_is_only_renamed(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(BYTES)
    assert get(server, tmp_path, digests=SHA1).read_bytes() == BYTES
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(DownloadError, match="remove it"):
        get(server, tmp_path, digests=SHA1)


def test_what_is_missing_or_out_of_reach_is_said_at_once(server, tmp_path, waits):
    with pytest.raises(DownloadError, match=r"/none: 404 .*check the address"):
        download.text(f"{server.url}/none", wait=waits.append)
    assert waits == []
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=r"cannot be reached.*tried 3 times.*--mirror"):
        download.text(server.url, wait=waits.append)
    assert waits == [1, 2]
    for url in ("ftp://host/a", "file:///etc/passwd", "a.bin"):
        with pytest.raises(ValueError, match=r"not an http|names no file"):
            list(fetch.all_of(fetch.urls([url]), str(tmp_path)))
    with pytest.raises(ValueError, match="no file name"):
        download.fetch(Wanted(url="http://host/x", name="../x"), tmp_path)


def test_a_full_disk_is_noticed_before_and_while_writing(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 3 << 20})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match=r"no room for a\.bin: 5,120,000 bytes to go") as error:
        get(server, tmp_path)
    assert error.value.kind == "no_room"
    monkeypatch.undo()
    (tmp_path / "a.bin.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"no room to write it.*goes on from here"):
        get(server, tmp_path)


def test_a_cut_gzip_file_is_noticed_without_a_checksum(tmp_path):
    members = [gzip.compress(os.urandom(5000)) for _ in range(4)]
    path = tmp_path / "a.gz"
    for data, is_whole in (
        (b"".join(members), True),
        (b"".join(members) + b"\0" * 512, True),
        (b"".join(members)[:-3], False),
        (b"".join(members)[:-2000], False),
        (b"".join(members[:3]) + members[3][:5], False),
        (b"no gzip at all", False),
    ):
        path.write_bytes(data)
        assert download.last_member_is_whole(path) == is_whole


# --- sources --------------------------------------------------------------------------------------


def wiki_dump(server: Server, date: str, *, status: str = "done", num_parts: int = 2) -> list[str]:
    folder = f"/zh_yuewiki/{date}"
    names = [
        f"zh_yuewiki-{date}-pages-articles-multistream{n}.xml-p{n}p{n}9.bz2" for n in (1, 2, 10)
    ]
    names = names[:num_parts] or [f"zh_yuewiki-{date}-pages-articles-multistream.xml.bz2"]
    files = {}
    for name in names:
        data = bz2.compress(name.encode() * 100)
        server.files[f"{folder}/{name}"] = data
        files[name] = {
            "size": len(data),
            "url": f"{folder}/{name}",
            "sha1": hashlib.sha1(data).hexdigest(),
            "md5": hashlib.md5(data).hexdigest(),
        }
    files[names[0].replace("multistream", "multistream-index").replace(".xml", ".txt")] = {
        "size": 1
    }
    files[f"zh_yuewiki-{date}-pages-articles-multistream.xml.bz2"] = files[names[0]]
    jobs = {"articlesmultistreamdump": {"status": status, "files": files}}
    server.files[f"{folder}/dumpstatus.json"] = json.dumps({"jobs": jobs}).encode()
    return names


def test_wikipedia_by_language_and_date(server, tmp_path):
    names = wiki_dump(server, "20261101", num_parts=3)
    wiki_dump(server, "20261120", status="in-progress")
    server.files["/zh_yuewiki/"] = (
        b'<a href="20261101/">20261101/</a> <a href="20261120/">x</a> <a href="latest/">latest/</a>'
    )
    for date in ("latest", "20261101"):
        wanted = fetch.wikipedia(language="zh-yue", date=date, mirror=server.url)
        assert [one.name for one in wanted] == names
    paths = list(fetch.all_of(wanted, str(tmp_path)))
    assert bz2.decompress(paths[2].read_bytes()) == names[2].encode() * 100
    assert wanted[0].digests.keys() == {"sha1", "md5"}
    with pytest.raises(ValueError, match="not finished"):
        fetch.wikipedia(language="zh-yue", date="20261120", mirror=server.url)
    with pytest.raises(ValueError, match="404"):
        fetch.wikipedia(language="xx", date="latest", mirror=server.url)
    with pytest.raises(ValueError, match="YYYYMMDD"):
        fetch.wikipedia(language="en", date="yesterday", mirror=server.url)


def test_a_mirror_without_the_status_has_checksum_lists(server, tmp_path):
    names = wiki_dump(server, "20261101", num_parts=0)
    del server.files["/zh_yuewiki/20261101/dumpstatus.json"]
    data = server.files[f"/zh_yuewiki/20261101/{names[0]}"]
    lines = f"{hashlib.sha1(data).hexdigest()}  {names[0]}\n{'0' * 40}  other.xml.gz\n"
    server.files["/zh_yuewiki/20261101/zh_yuewiki-20261101-sha1sums.txt"] = lines.encode()
    (one,) = fetch.wikipedia(language="zh-yue", date="20261101", mirror=server.url + "/")
    assert one.digests == {"sha1": hashlib.sha1(data).hexdigest()}
    (path,) = fetch.all_of([one], str(tmp_path))
    assert path.read_bytes() == data


def test_cc_news_by_month(server, tmp_path):
    files = {f"crawl-data/CC-NEWS/2026/10/CC-NEWS-{n}.warc.gz": bytes([n]) * 999 for n in range(3)}
    server.files = {f"/{path}": gzip.compress(data) for path, data in files.items()}
    paths = "\n".join(reversed(files)) + "\n"
    server.files["/crawl-data/CC-NEWS/2026/10/warc.paths.gz"] = gzip.compress(paths.encode())
    wanted = fetch.cc_news(month="2026-10", mirror=server.url)
    assert [one.name for one in wanted] == [f"CC-NEWS-{n}.warc.gz" for n in range(3)]
    server.faults = [("cut", 20), ("status", 503)]
    done = list(fetch.all_of(wanted, str(tmp_path), wait=lambda _: None))
    assert [gzip.decompress(path.read_bytes()) for path in done] == list(files.values())
    with pytest.raises(ValueError, match="YYYY-MM"):
        fetch.cc_news(month="2026-13", mirror=server.url)


def test_gutenberg_by_number_or_catalogue(server, tmp_path, waits):
    for number in (11, 22):
        server.files[f"/cache/epub/{number}/pg{number}.txt"] = f"Book {number}".encode()
    (tmp_path / "c.csv").write_text(
        "Text#,Type,Issued,Title,Language,Authors\n11,Text,,A,en,\n22,Text,,B,de; en,\n"
        "33,Sound,,C,en,\n44,Text,,D,fr,\n"
    )
    ids = fetch.catalogue_ids(str(tmp_path / "c.csv"), language="en")
    assert ids == [11, 22]
    wanted = fetch.gutenberg(ids=[11, 99, 22, 11], mirror=server.url)
    done = fetch.all_of(wanted, str(tmp_path / "to"), pause_seconds=2, wait=waits.append)
    with pytest.raises(ValueError, match=r"pg99\.txt: 404"):
        list(done)
    # The others are there, and none was asked for at once.
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["pg11.txt", "pg22.txt"]
    assert waits == [2, 2]


# --- the command ----------------------------------------------------------------------------------


def test_the_command_fetches_and_fails_clearly(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(download, "_MAX_UNREACHED", 1)
    server.files["/a.bin"] = BYTES
    url = f"{server.url}/a.bin"
    digest = hashlib.sha256(BYTES).hexdigest()
    assert main(["fetch", url, "--sha256", digest, "--to", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/a.bin\n"
    wiki_dump(server, "20261101")
    language = ["--language", "zh-yue", "--date", "20261101", "--files", "1"]
    arguments = ["wikipedia", "--mirror", server.url, *language]
    assert main(["fetch", *arguments, "--to", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("multistream1.xml") == 1
    for arguments, message in (
        ([url, "--sha256", "0" * 64, "--to", str(tmp_path / "b")], "sha256"),
        (["cc-news"], "--month"),
        (["gutenberg"], "--ids"),
        (["gutenberg", "--ids", "x"], "--ids are numbers"),
        (["wikipedia", "cc-news"], "one source at a time"),
        ([f"{server.url}/none"], "404"),
        (["wikipedia", "--mirror", "http://127.0.0.1:9"], "cannot be reached"),
        (["nonsense"], "known are wikipedia, cc-news, gutenberg"),
        ([url, "--to", "s3://bucket/raw"], "local folder"),
    ):
        assert main(["fetch", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_ctrl_c_leaves_a_part_that_the_next_call_goes_on_with(server, tmp_path):
    server.files["/a.bin"] = BYTES
    server.slow_seconds = 0.05
    arguments = [sys.executable, "-m", "corpus", "fetch", f"{server.url}/a.bin", "--to", tmp_path]
    running = subprocess.Popen(
        arguments,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests themselves were started to ignore Ctrl-C, a child would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    part = tmp_path / "a.bin.part"
    while not part.exists() or part.stat().st_size < 1 << 19:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 130
    assert said == "stopped; the same command goes on from here\n"
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin.part"]
    size = part.stat().st_size
    assert 0 < size < len(BYTES)
    server.slow_seconds = 0
    subprocess.run(arguments, check=True, capture_output=True)
    assert (tmp_path / "a.bin").read_bytes() == BYTES
    assert server.requests[-1] == ("/a.bin", f"bytes={size}-")
