"""What a user can get wrong: exit status 2, one line with what, where and the cure, no change."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from corpus import lock
from pipeline.__main__ import main
from pipeline.stages import FOLDERS

CHANGES = {
    "an unknown key": ("near_duplicate", "near_duplicates", "did you mean 'near_duplicate'?"),
    "an unknown section": ("[fates]", "[fate]", "did you mean 'fates'?"),
    "a word for a number": ("held_out = 0.3", 'held_out = "much"', "expected float"),
    "a number for a list": ("row_lengths = [64]", "row_lengths = 64", "expected a list"),
    "a flag for a number": ("bands = 16", "bands = true", "expected int"),
    "a list with a word": ("row_lengths = [64]", 'row_lengths = [64, "x"]', "row_lengths[1]"),
    "near duplicates too far": ("near_duplicate = 0.8", "near_duplicate = 0.5", "0.7"),
    "more held out than there is": ("held_out = 0.3", "held_out = 1.5", "less than 1"),
    "bands that do not divide": ("bands = 16", "bands = 15", "must divide"),
    "an odd vocabulary": ("vocabulary = 512", "vocabulary = 500", "multiple of 64"),
    "a tiny row": ("row_lengths = [64]", "row_lengths = [4]", "8 to 65535"),
    "an unknown rule": ('preset = "wiki"', 'preset = "wiki", min_word = 3', "min_word"),
    "an unknown preset": ('preset = "wiki"', 'preset = "wiky"', "wiky"),
    "an unknown kind": ('kind = "wikipedia"', 'kind = "wikipaedia"', "'wikipedia', 'books'"),
    "a missing key": ('kind = "wikipedia"', "", "the key 'kind' is missing"),
    "no source": ("[[source]]", "[[sources]]", "did you mean 'source'?"),
    "a name with blanks": ('name = "test"', 'name = "my test"', "'my test'"),
    "no TOML": ("[fates]", "[fates", "not valid TOML"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_recipe(tmp_path, refused, make_dump, write_recipe, change):
    dump = make_dump(tmp_path / "dump.xml", num_articles=2)
    recipe = write_recipe(tmp_path / "recipe.toml", [dump])
    before, after, hint = CHANGES[change]
    text = recipe.read_text()
    assert before in text
    recipe.write_text(text.replace(before, after))
    message = refused("shards", recipe, tmp_path / "data")
    assert message.startswith(str(recipe))
    assert hint in message
    assert not (tmp_path / "data").exists()


def test_a_recipe_that_is_not_there(tmp_path, refused):
    assert "no such recipe" in refused("shards", tmp_path / "none.toml", tmp_path / "data")
    assert "no such recipe" in refused("shards", "wikipaedia", tmp_path / "data")
    assert "DUMP=" in refused("shards", "demo", tmp_path / "data")
    (tmp_path / "latin.toml").write_bytes('name = "é"'.encode("latin-1"))
    assert "latin.toml" in refused("shards", tmp_path / "latin.toml", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be(tmp_path, refused, unbroken):
    (tmp_path / "file").write_text("mine")
    message = refused("documents", unbroken.recipe, tmp_path / "file" / "data")
    assert message.startswith(f"{tmp_path}/file/data: {tmp_path}/file is no folder")
    assert "choose another" in refused("documents", unbroken.recipe, tmp_path / "file")
    # Whoever runs this, root too, can make nothing there.
    assert "choose another" in refused("documents", unbroken.recipe, "/proc/gristmill/data")
    assert "an empty path" in refused("documents", unbroken.recipe, "")
    assert (tmp_path / "file").read_text() == "mine"
    assert "cannot open this kind of storage" in refused("shards", unbroken.recipe, "foo://a/b")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[[str], Path]]:
    """Return a function that gives a folder on a disk of some size, and later of another."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def mount(size: str) -> Path:
        options = f"remount,size={size}" if mounted else f"size={size}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["documents", "matches", "shards"])
def test_a_full_disk(unbroken, refused, shard_digests, small_disk, assert_all_whole, stage):
    data = small_disk("64m") / "data"
    later = list(FOLDERS.values())
    later = later[later.index(stage) :]
    unbroken.copy(data, without=[*later, "corpora"])
    used = shutil.disk_usage(data).used
    small_disk(str(used + 24 * 1024))
    message = refused("shards", unbroken.recipe, data)
    assert message.startswith(f"{data}/")
    assert "no room to write it (No space left on device)" in message
    assert "the same command again" in message
    assert not list(data.glob(f"{stage}/*/manifest.json"))
    assert_all_whole(data)
    found = shard_digests(data)
    assert {name: unbroken.digests[name] for name in found if "corpora" not in name} == {
        name: digest for name, digest in found.items() if "corpora" not in name
    }
    small_disk("64m")
    assert main(["shards", "--recipe", str(unbroken.recipe), "--data", str(data)]) == 0
    assert shard_digests(data) == unbroken.digests


def test_a_file_that_may_not_grow(tmp_path, unbroken, assert_all_whole):
    limit, data = 4096, tmp_path / "data"
    assert max(path.stat().st_size for path in unbroken.data.glob("documents/*/*")) > limit
    command = f"ulimit -f {limit // 1024}; exec {sys.executable} -m pipeline documents"
    done = subprocess.run(
        ["bash", "-c", f'{command} --recipe "$1" --data "$2"', "run", unbroken.recipe, data],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {data}/documents/")
    assert "no room to write it (File too large)" in line
    assert_all_whole(data)


def test_a_second_run_on_a_folder(tmp_path, unbroken, refused, shard_digests):
    data = unbroken.copy(tmp_path / "data", without=["shards"])
    before = shard_digests(data)
    with lock.locked(str(data), command="pipeline tokenizer"):
        message = refused("shards", unbroken.recipe, data)
    assert message.startswith(f"{data}: in use by `pipeline tokenizer` (process ")
    assert "wait for it to finish or stop it" in message
    assert shard_digests(data) == before


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--worker_machine_typo=1"], "--worker_machine_typo"),
        (["--recipes", "x"], "--recipes"),
        (["--workers", "0"], "--workers must be at least 1"),
        (["--runner", "DataflowRunner"], "gs://"),
        (["--runner", "NoRunner"], "NoRunner"),
    ],
)
def test_a_wrong_option(tmp_path, unbroken, refused, options, hint):
    assert hint in refused("shards", unbroken.recipe, tmp_path / "data", *options)
    assert not (tmp_path / "data").exists()


def _without_mask(content: dict) -> bytes:
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] != "[MASK]"]
    content["model"]["vocab"].pop("[MASK]")
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        (_without_mask, "no [MASK] token"),
        (lambda _: b"{}", "is not a tokenizer's"),
        (lambda _: b"no JSON", "is not a tokenizer's"),
        (lambda _: b"\xff\xfe", "is not a tokenizer's"),
        (None, "no tokenizer.json in"),
    ],
)
def test_a_pinned_tokenizer_of_no_use(tmp_path, unbroken, refused, write_recipe, damage, hint):
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    if damage is not None:
        (made,) = unbroken.data.glob("tokenizers/*/tokenizer.json")
        (folder / "tokenizer.json").write_bytes(damage(json.loads(made.read_bytes())))
    recipe = write_recipe(tmp_path / "recipe.toml", unbroken.dumps, tokenizer=f'path = "{folder}"')
    message = refused("shards", recipe, tmp_path / "data")
    assert str(folder) in message
    assert hint in message
    assert not (tmp_path / "data").exists()


def test_a_vocabulary_larger_than_the_text_supports(
    tmp_path, unbroken, refused, write_recipe, shard_digests
):
    data = unbroken.copy(tmp_path / "data", without=["tokenizers", "shards"])
    before = shard_digests(data)
    recipe = write_recipe(tmp_path / "recipe.toml", unbroken.dumps, tokenizer="vocabulary = 65536")
    message = refused("shards", recipe, data)
    assert "tokenizer.vocabulary is 65536" in message
    size = int(message.rpartition(" ")[2])
    assert shard_digests(data) == before
    # The cure cures.
    write_recipe(recipe, unbroken.dumps, tokenizer=f"vocabulary = {size}")
    assert main(["tokenizer", "--recipe", str(recipe), "--data", str(data)]) == 0
    (made,) = data.glob("tokenizers/*/tokenizer.json")
    assert Tokenizer.from_file(str(made)).get_vocab_size() == size


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--data", "{}/none"],
        ["gc", "--data", "{}/none"],
        ["gc", "--data", ""],
        ["verify", "{}/none"],
        ["head", "{}/none"],
        ["verify", ""],
    ],
)
def test_commands_on_a_folder_that_is_not_there(tmp_path, command, arguments: Sequence[str]):
    done = command("corpus", *(argument.format(tmp_path) for argument in arguments))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")


def test_a_damaged_pointer_is_named(tmp_path, unbroken, refused):
    data = unbroken.copy(tmp_path / "data")
    path = data / "corpora" / "test.json"
    path.write_text('{"documents": ')
    assert refused("documents", unbroken.recipe, data).startswith(f"{path}: damaged")
    path.unlink()
    assert main(["shards", "--recipe", str(unbroken.recipe), "--data", str(data)]) == 0


def test_a_damaged_digest_cache_costs_only_time(tmp_path, unbroken, shard_digests):
    data = unbroken.copy(tmp_path / "data")
    for content in (b'{"1 wiki', b"\xff", b"[]", b"{}"):
        (data / "digests.json").write_bytes(content)
        assert main(["shards", "--recipe", str(unbroken.recipe), "--data", str(data)]) == 0
        assert shard_digests(data) == unbroken.digests
