"""A damaged set is made whole from a copy, and only by files that are the right ones."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from corpus import check, sets
from corpus.__main__ import main
from corpus.shards import ShardSet


@pytest.fixture
def place(unbroken, tmp_path) -> tuple[Path, Path]:
    """A set with three kinds of damage, and the copy that is whole."""
    whole = Path(ShardSet.open(str(unbroken.data)).url)
    folder = tmp_path / "set"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("work"))
    rows = folder / "wiki-train-64-00000.arrow"
    rows.write_bytes(rows.read_bytes()[:-8] + b"\7" * 8)
    (folder / "wiki-train-32-00000.documents.arrow").unlink()
    card = folder / "README.md"
    card.write_bytes(card.read_bytes()[:100])
    return folder, whole


BROKEN = ["README.md", "wiki-train-32-00000.documents.arrow", "wiki-train-64-00000.arrow"]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def untouched(folder: Path) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name not in BROKEN
    }


def test_only_what_is_damaged_or_missing_is_fetched(place, capsys):
    folder, whole = place
    before = untouched(folder)
    assert main(["repair", str(folder), "--from", str(whole)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        *(f"{name}: replaced" for name in BROKEN),
        f"{folder}: whole, 3 files replaced from {whole}",
    ]
    assert bytes_of(folder) == bytes_of(whole)
    assert untouched(folder) == before
    assert list(check.damage(str(folder))) == []
    assert main(["repair", str(folder), "--from", str(whole)]) == 0
    assert "whole, 0 files" in capsys.readouterr().out


@pytest.fixture
def served(place) -> Iterator[str]:
    """The address of the copy on a web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None: ...

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(place[1]))
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_web_server_will_do(place, served):
    folder, whole = place
    assert main(["repair", str(folder), "--from", served]) == 0
    assert bytes_of(folder) == bytes_of(whole)


def test_a_wrong_file_is_not_taken_and_the_others_are(place, tmp_path, capsys):
    folder, whole = place
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy, ignore=shutil.ignore_patterns("work"))
    (copy / BROKEN[1]).write_bytes(b"something else")
    (copy / BROKEN[2]).unlink()
    torn = (folder / BROKEN[2]).read_bytes()
    assert main(["repair", str(folder), "--from", str(copy)]) == 2
    done = capsys.readouterr()
    assert done.out == "README.md: replaced\n"
    assert "2 files could not be replaced" in done.err
    assert f"{BROKEN[1]}: {copy}/{BROKEN[1]}: 14 bytes with sha256" in done.err
    assert BROKEN[2] in done.err
    assert not (folder / BROKEN[1]).exists()
    assert (folder / BROKEN[2]).read_bytes() == torn
    assert not list(folder.glob(".*"))


def test_without_a_manifest_nothing_tells_what_is_right(place, capsys):
    folder, whole = place
    (folder / sets.MANIFEST).unlink()
    assert main(["repair", str(folder), "--from", str(whole)]) == 2
    assert f"copy {whole}/manifest.json there" in capsys.readouterr().err
