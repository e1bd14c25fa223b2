"""What a user can get wrong: exit status 2, one line with what, where and the cure, no change."""

import bz2
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from corpus import lock, sets
from pipeline.__main__ import main
from pipeline.raw.multistream import stream_starts
from pipeline.stages import FOLDERS

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


@pytest.fixture
def refused(capsys) -> Callable[..., str]:
    """Return a function that runs the pipeline, sees it refused, and gives what it said."""

    def run(stage: str, recipe: str | Path, data: str | Path, *options: str | Path) -> str:
        capsys.readouterr()
        arguments = [stage, "--recipe", recipe, "--data", data, *options]
        assert main([str(argument) for argument in arguments]) == 2
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1, said
        assert said[0].startswith("error: ")
        return said[0].removeprefix("error: ")

    return run


@pytest.fixture
def refused_dumps(tmp_path, refused, write_recipe) -> Callable[..., str]:
    """Return a function that sees dumps refused before anything is written."""

    def run(*paths: Path) -> str:
        recipe = write_recipe(tmp_path / "recipe.toml", paths)
        message = refused("documents", recipe, tmp_path / "data")
        assert not (tmp_path / "data").exists()
        return message

    return run


def test_a_missing_file(tmp_path, refused_dumps):
    message = refused_dumps(tmp_path / "raw" / "dump.xml.bz2")
    assert f"{tmp_path}/raw/dump.xml.bz2: no such file" in message
    assert "`paths`" in message
    assert "no such file" in refused_dumps(tmp_path / "*.bz2")
    (tmp_path / "folder" / ".hidden").mkdir(parents=True)
    (tmp_path / "folder" / ".hidden" / "dump.xml").write_text("<mediawiki></mediawiki>")
    assert "no such file" in refused_dumps(tmp_path / "folder")


def test_a_page_that_cannot_be_read_costs_only_itself_and_is_shown(tmp_path, write_recipe, capsys):
    good = "".join(
        f"<page><title>Page {n}</title><ns>0</ns><id>{n}</id><revision><text>"
        f"{'The river was long and the town was old. ' * 9}{n}</text></revision></page>\n"
        for n in range(3)
    )
    bad = (
        "<page><title>Bad</title><ns>0</ns><id>9</id><revision><text>y & z</text></revision></page>"
    )
    path = tmp_path / "dump.xml"
    again = good.partition("\n")[0]
    path.write_text(f"<mediawiki>\n{bad}{good}<page><title>C</title>\n{bad}{again}</mediawiki>\n")
    recipe = write_recipe(tmp_path / "recipe.toml", [path])
    assert main(["measures", "--recipe", str(recipe), "--data", str(tmp_path / "data")]) == 0
    made = capsys.readouterr().out
    assert main(["report", "--recipe", str(recipe), "--data", str(tmp_path / "data")]) == 0
    for shown in (made, capsys.readouterr().out):
        assert "rejected: bad_xml" in shown
        assert "rejected: duplicate_id" in shown
        (unclosed,) = [line for line in shown.splitlines() if line.startswith("unclosed_page")]
        assert unclosed.split()[1:] == [
            f"{path.read_text().index('<page><title>C'):,}",
            "23",
            str(path),
        ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"Just some text.\n" * 1000,
        PNG * 100,
        bz2.compress(b"Just some text.\n"),
        bz2.compress(PNG * 100_000),
        gzip.compress(b"Just some text.\n"),
        gzip.compress(b""),
    ],
)
def test_a_file_that_is_no_dump(tmp_path, refused_dumps, content):
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(content)
    assert refused_dumps(path).startswith(f"{path}: not a MediaWiki XML dump")


def test_a_large_bz2_of_something_else_is_no_dump(tmp_path, refused_dumps):
    # Its first block is larger than most heads that one reads.
    noise = b"".join(number.to_bytes(7, "big") for number in range(0, 7**19, 7**13))
    path = tmp_path / "noise.bz2"
    path.write_bytes(bz2.compress(noise))
    assert path.stat().st_size > 100_000
    assert refused_dumps(path).startswith(f"{path}: not a MediaWiki XML dump")


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("name", ["dump.xml", "dump.xml.gz", "dump.xml.bz2"])
def test_a_dump_in_utf_16_is_read_and_a_truncated_one_refused(
    tmp_path, refused_dumps, make_dump, write_recipe, name, codec
):
    text = make_dump(tmp_path / "utf8.xml", num_articles=3).read_text()
    pack = {"xml": bytes, "gz": gzip.compress, "bz2": bz2.compress}[name.rpartition(".")[2]]
    encoded = text.rstrip().encode(codec)
    path = tmp_path / name
    for end in (len(encoded) - 1, len(encoded) - 2, len(encoded) // 4 * 2, 100):
        path.write_bytes(pack(encoded[:end]))
        assert refused_dumps(path).startswith(f"{path}: ")
    path.write_bytes(pack(encoded))
    tables = []
    for dump in (path, tmp_path / "utf8.xml"):
        recipe, data = write_recipe(tmp_path / "recipe.toml", [dump]), tmp_path / f"of-{dump.name}"
        assert main(["documents", "--recipe", str(recipe), "--data", str(data)]) == 0
        (part,) = data.glob("documents/*/*.parquet")
        tables.append(pq.read_table(part))
    assert tables[0] == tables[1]
    assert tables[0].num_rows


@pytest.mark.parametrize("name", ["dump.xml", "dump.xml.gz", "one.bz2", "many.bz2"])
def test_a_truncated_dump(tmp_path, refused_dumps, make_dump, name):
    streams = 7 if name == "many.bz2" else 1
    path = make_dump(tmp_path / "whole" / name, num_articles=20, streams=streams)
    content = path.read_bytes()
    cut = tmp_path / name
    end = len(content.rstrip(b"\n")) if name == "dump.xml" else len(content)
    ends = {1, 2, 9, 50, end - 1, end - 5, end - 12}
    ends |= {len(content) * share // 10 for share in range(1, 10)}
    # Between two streams a bz2 file looks whole.
    ends |= {at for at in range(1, len(content)) if content[at : at + 4] == b"BZh9"}
    for end in sorted(ends):
        cut.write_bytes(content[:end])
        message = refused_dumps(cut)
        assert message.startswith(f"{cut}: "), end
        if end > 50:
            assert "truncated" in message, end
            assert "download it again" in message


def test_the_index_beside_a_multistream_dump_adds_nothing(tmp_path, make_dump, write_recipe):
    make_dump(tmp_path / "toy-multistream.xml.bz2", num_articles=3, streams=3)
    index = "".join(f"{600 + n // 2}:{n}:Article {n}: x\n" for n in range(1, 5))
    (tmp_path / "toy-multistream-index.txt.bz2").write_bytes(bz2.compress(index.encode()))
    keys = []
    for pattern in ("toy-multistream*.bz2", "toy-multistream.xml.bz2"):
        recipe, data = (
            write_recipe(tmp_path / "r.toml", [tmp_path / pattern]),
            tmp_path / f"of {len(keys)}",
        )
        assert main(["documents", "--recipe", str(recipe), "--data", str(data / "data")]) == 0
        parts = data.glob("data/documents/*/*.parquet")
        keys.append(sorted(key for part in parts for key in pq.read_table(part)["key"].to_pylist()))
    assert keys[0] == keys[1] != []


def test_the_end_of_a_dump_alone_is_not_refused(tmp_path, make_dump, write_recipe):
    # People cut streams out of a multistream dump with its index.
    xml = make_dump(tmp_path / "dump.xml", num_articles=3).read_bytes()
    at = xml.index(b"<page>")
    middle = xml[at : xml.rindex(b"</page>") + len(b"</page>")]
    (tmp_path / "cut.bz2").write_bytes(bz2.compress(middle))
    recipe = write_recipe(tmp_path / "recipe.toml", [tmp_path / "cut.bz2"])
    assert main(["documents", "--recipe", str(recipe), "--data", str(tmp_path / "data")]) == 0


@pytest.mark.parametrize("name", ["dump.xml.gz", "one.bz2"])
def test_damage_that_the_plan_sees(tmp_path, refused_dumps, make_dump, name):
    path = make_dump(tmp_path / name, num_articles=20)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    message = refused_dumps(path)
    assert message.startswith(f"{path}: damaged")
    assert "download it again" in message


def test_damage_inside_a_bz2_costs_only_itself(tmp_path, make_dump, write_recipe):
    streams = 5
    path = make_dump(tmp_path / "its 'own' nämé.bz2", num_articles=20, seed=2, streams=streams)
    content = bytearray(path.read_bytes())
    rows = {}
    for name in ("whole", "damaged"):
        recipe, data = write_recipe(tmp_path / "recipe.toml", [path]), tmp_path / name
        assert main(["documents", "--recipe", str(recipe), "--data", str(data)]) == 0
        assert_all_whole(data)
        documents = [pq.read_table(part) for part in data.glob("documents/*/*.parquet")]
        rejects = [pq.read_table(part) for part in data.glob("documents/*/rejects/*.parquet")]
        rows[name] = {key: text for t in documents for key, text in zip(*kt(t), strict=True)}
        if name == "whole":
            assert not rejects
            content[len(content) // 2] ^= 0xFF
            path.write_bytes(content)
        else:
            found = rejects[0].to_pylist()
    starts = list(stream_starts([path.read_bytes()]))
    assert [row["reason"] for row in found if row["reason"] == "damaged_bz2"] == ["damaged_bz2"]
    lost = next(row for row in found if row["reason"] == "damaged_bz2")
    begin = max(start for start in starts if start <= len(content) // 2)
    assert lost["offset"] == begin
    assert begin + lost["num_raw_bytes"] in (*starts, len(content))
    # A page may straddle the damage: that one is lost at its own cost.
    assert {row["reason"] for row in found} <= {"damaged_bz2", "truncated_page"}
    assert len(found) <= 2
    kept, whole = rows["damaged"], rows["whole"]
    assert kept.items() <= whole.items()
    assert len(kept) >= (len(whole) * (streams - 1) // streams - 2)


def kt(table):
    """Return the columns of keys and texts."""
    return table["key"].to_pylist(), table["text"].to_pylist()


def assert_all_whole(data: Path) -> None:
    """Check every receipt, and that no temporary name is left."""
    assert not list(data.rglob("*.tmp"))
    for path in data.rglob("receipts/*.json"):
        receipt = sets.receipt_from_json(json.loads(path.read_bytes()))
        assert sets.is_whole(str(path.parent.parent), receipt)


def test_the_same_file_twice(tmp_path, refused_dumps, make_dump):
    path = make_dump(tmp_path / "a.xml.bz2", num_articles=2)
    shutil.copyfile(path, tmp_path / "b.xml.bz2")
    message = refused_dumps(path, tmp_path / "b.xml.bz2")
    assert "a.xml.bz2" in message
    assert "b.xml.bz2" in message
    assert "the same file" in message
    assert "the same file" in refused_dumps(tmp_path / "a.*", tmp_path / "*.bz2")


def test_the_same_page_in_two_files(tmp_path, refused, make_dump, write_recipe):
    dumps = [make_dump(tmp_path / f"{n}.xml", num_articles=n) for n in (3, 4)]
    data = tmp_path / "data"
    message = refused("documents", write_recipe(tmp_path / "recipe.toml", dumps), data)
    assert message.startswith("source 'wiki': the key '")
    assert "stands there twice (and " in message
    assert "'Article " in message
    assert "give each wiki a source of its own" in message
    assert not list(data.glob("*/*/manifest.json"))
    assert not (data / "corpora").exists()


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
def test_a_full_disk(unbroken, refused, shard_digests, small_disk, stage):
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


def test_a_file_that_may_not_grow(tmp_path, unbroken):
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
