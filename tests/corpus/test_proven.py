"""Files are read once, and again when anything about them has changed; damage is always named."""

import json
import logging
import os
from pathlib import Path

import pytest

from corpus import proven, sets
from corpus.sets import File

SIZES = {"a.arrow": 3_000_000, "b.arrow": 5, "c.arrow": 0}


@pytest.fixture
def files(tmp_path) -> dict[str, File]:
    for number, (name, size) in enumerate(SIZES.items()):
        (tmp_path / name).write_bytes(bytes([number]) * size)
    return {name: sets.digest_file(str(tmp_path / name)) for name in SIZES}


def flip(path: Path) -> None:
    """Change a byte, and nothing that `touch` could not put back."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_was_found_whole_is_not_read_again(tmp_path, files):
    assert proven.prove(tmp_path, files) == sum(SIZES.values())
    assert proven.prove(tmp_path, files) == 0
    assert proven.prove(tmp_path, {"b.arrow": files["b.arrow"]}) == 0
    assert proven.prove(tmp_path, files, again=True) == sum(SIZES.values())
    (tmp_path / "b.arrow").touch()
    assert proven.prove(tmp_path, files) == 5


@pytest.mark.parametrize("is_known", [True, False])
def test_damage_of_the_same_size_and_time_is_found(tmp_path, files, is_known):
    if is_known:
        proven.prove(tmp_path, files)
    flip(tmp_path / "a.arrow")
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"^{tmp_path}/a.arrow: damaged: sha256 .*\n`python"):
            proven.prove(tmp_path, files)
    flip(tmp_path / "a.arrow")
    assert proven.prove(tmp_path, files) == SIZES["a.arrow"]


def test_all_that_is_wrong_is_named_and_the_rest_remembered(tmp_path, files):
    flip(tmp_path / "b.arrow")
    (tmp_path / "c.arrow").unlink()
    with pytest.raises(ValueError, match="corpus repair") as caught:
        proven.prove(tmp_path, files)
    lines = str(caught.value).splitlines()
    assert f"{tmp_path}/c.arrow: missing" in lines
    assert any(line.startswith(f"{tmp_path}/b.arrow: damaged") for line in lines)
    assert list(json.loads((tmp_path / proven.NAME).read_bytes())) == ["a.arrow"]


def test_another_manifest_has_its_files_read_anew(tmp_path, files):
    proven.prove(tmp_path, files)
    other = {**files, "b.arrow": File(num_bytes=5, sha256="0" * 64)}
    with pytest.raises(ValueError, match=r"b\.arrow: damaged"):
        proven.prove(tmp_path, other)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"b.arrow": 3}', b"\xff"])
def test_a_damaged_memory_costs_only_time(tmp_path, files, content):
    (tmp_path / proven.NAME).write_bytes(content)
    assert proven.prove(tmp_path, files) == sum(SIZES.values())
    assert proven.prove(tmp_path, files) == 0


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, files, caplog):
    # As in a folder of another user's; root may write everywhere, but not over a folder.
    (tmp_path / proven.NAME).mkdir()
    with caplog.at_level(logging.DEBUG, "corpus"):
        for _ in range(2):
            assert proven.prove(tmp_path, files) == sum(SIZES.values())
    assert "it is not remembered" in caplog.text
    assert [path.name for path in tmp_path.glob(".*")] == [proven.NAME]
