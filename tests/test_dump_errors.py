"""Dumps that are missing, damaged or none: refused at once, or the damage costs only itself."""

import bz2
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from pipeline.raw.multistream import stream_starts

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


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
        gzip.compress(b"Just some text.\n", mtime=0),
        gzip.compress(b"", mtime=0),
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


def test_damage_inside_a_bz2_costs_only_itself(tmp_path, make_dump, write_recipe, assert_all_whole):
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
