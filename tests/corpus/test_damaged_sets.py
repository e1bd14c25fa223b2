"""Of a set that is not what its manifest says, nothing wrong is read, and the cure is named."""

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corpus import sets
from corpus.__main__ import main
from corpus.shards import ShardSet

ROWS, OTHER = "wiki-train-64-00000.arrow", "wiki-train-32-00000.arrow"
DOCUMENTS = "wiki-train-64-00000.documents.arrow"


@pytest.fixture
def whole(unbroken) -> Path:
    return Path(ShardSet.open(str(unbroken.data)).url)


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "set", ignore=shutil.ignore_patterns("work")))


@pytest.fixture
def run(capsys) -> Callable[..., tuple[int, str]]:
    def command(*arguments: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        done = capsys.readouterr()
        return status, done.out + done.err

    return command


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / sets.MANIFEST
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def swap(folder: Path, one: str, other: str) -> None:
    (folder / one).rename(folder / "between")
    (folder / other).rename(folder / one)
    (folder / "between").rename(folder / other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ROWS, OTHER),
        (DOCUMENTS, "wiki-held_out-64-00000.documents.arrow"),
    ],
)
def test_exchanged_files_are_not_traced(folder, whole, run, one, other):
    swap(folder, one, other)
    key = (
        ShardSet.open(str(whole)).documents(ShardSet.open(str(whole)).shards[-1])["key"][0].as_py()
    )
    for what in (["--row", "0", "--row-length", "64"], ["--document", key]):
        status, said = run("trace", folder, *what)
        assert status == 2
        assert "truncated or replaced" in said
        assert "`python -m corpus repair` fetches it from a copy" in said
    status, said = run("verify", folder)
    assert (status, one in said, other in said) == (1, True, True)
    assert run("repair", folder, "--from", whole)[0] == 0
    assert run("verify", folder)[0] == 0


def test_rows_and_documents_of_other_numbers_are_not_traced(folder, run):
    def change(manifest: dict) -> None:
        # As if both files had the size of those that belong here.
        for part in manifest["parts"]:
            for name in (ROWS, OTHER):
                if name in part["files"]:
                    other = (folder / ({ROWS, OTHER} - {name}).pop()).stat().st_size
                    part["files"][name]["num_bytes"] = other

    edit(folder, change)
    swap(folder, ROWS, OTHER)
    status, said = run("trace", folder, "--row", "0", "--row-length", "64")
    assert status == 2
    assert "files of another set, or half of them" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["facts"].update(shard_format=1), "shard format 1, this program reads 2"),
        (lambda m: m["facts"].pop("special_tokens"), "'special_tokens' is missing or wrong"),
        (lambda m: m["facts"].update(vocabulary="many"), "damaged manifest"),
        (lambda m: m["parts"][0]["files"].clear(), "damaged manifest"),
        (lambda m: m.update(parts=None), "damaged manifest"),
        (lambda m: m.update(more=1), "damaged manifest"),
        (lambda m: m.update(stage="nonsense"), "damaged manifest"),
    ],
)
def test_a_manifest_that_was_changed_is_an_error_of_every_command(folder, run, change, message):
    edit(folder, change)
    for command in (["verify"], ["head"], ["trace", "--row", "0", "--row-length", "64"]):
        status, said = run(command[0], folder, *command[1:])
        assert status == 2, said
        assert f"{folder}" in said
        assert message in said


@pytest.mark.parametrize("name", ["../../outside", "/outside", "tokenizer/../../outside"])
def test_nothing_is_written_outside_of_the_set(folder, whole, run, name):
    edit(folder, lambda m: m["files"].update({name: {"num_bytes": 1, "sha256": "0" * 64}}))
    for command in (["verify", folder], ["repair", folder, "--from", whole]):
        status, said = run(*command)
        assert status == 2
        assert f"it names a file outside of its folder: {name!r}" in said


def test_a_copy_whose_manifest_differs_is_refused(folder, whole, run):
    (folder / ROWS).unlink()
    edit(folder, lambda m: m["parts"][2]["facts"].update(num_rows=5))
    status, said = run("repair", folder, "--from", whole)
    assert status == 2
    assert f"{folder}/manifest.json and {whole}/manifest.json differ, though both are" in said
    assert not (folder / ROWS).exists()
    shutil.copy(whole / sets.MANIFEST, folder)
    assert run("repair", folder, "--from", whole)[0] == 0
    assert run("verify", folder)[0] == 0


def test_what_cannot_be_read_is_named_and_the_rest_is_looked_at(folder, run):
    (folder / OTHER).unlink()
    (folder / OTHER).mkdir()
    (folder / ROWS).unlink()
    status, said = run("verify", folder)
    assert status == 1
    assert f"{folder / OTHER}: cannot be read: Is a directory" in said
    assert f"{folder / ROWS}: missing" in said


def test_a_data_folder_is_no_set_and_no_copy(unbroken, folder, run):
    status, said = run("verify", unbroken.data)
    assert (status, "name a folder DATA/STAGE/ID" in said) == (2, True)
    (folder / ROWS).unlink()
    status, said = run("repair", folder, "--from", unbroken.data)
    assert (status, f"\n{ROWS}: not in the copy\n" in said) == (2, True)


@contextmanager
def little_room() -> Iterator[None]:
    """Let files not grow above 8 kB, which looks as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_without_room_what_fits_is_repaired_and_nothing_is_half_written(folder, whole, run):
    (folder / ROWS).unlink()
    (folder / DOCUMENTS).unlink()
    with little_room():
        status, said = run("repair", folder, "--from", whole)
    assert status == 2
    assert f"{DOCUMENTS}: replaced" in said
    assert f"{folder / ROWS}: no room to write it" in said
    assert not (folder / ROWS).exists()
    assert not list(folder.glob(".*"))
