"""What a list of documents to forget may look like, and where else their text is looked for."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from corpus import sets
from corpus.identity import document_id, show_id
from corpus.shards import ShardSet
from pipeline.__main__ import main
from pipeline.asking import report
from pipeline.forgetting import forgotten

A, B = document_id("wiki", "7"), document_id("wiki", "8")


def read(path: Path | str) -> tuple[dict[int, str], list[str]]:
    said: list[str] = []
    return forgotten.read_ids(str(path), show=said.append), said


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_marks_blank_lines_and_comments_do_not_matter(tmp_path, end, mark):
    lines = ["# request 7", f"{show_id(A).upper()}\twhy", "", "  wiki:8  ", "   ", "# all", ""]
    (tmp_path / "ids").write_bytes(mark + end.join(lines).encode())
    found, said = read(tmp_path / "ids")
    assert found == {A: show_id(A).upper(), B: "wiki:8"}
    assert not said


def test_lines_that_say_nothing_new_are_counted(tmp_path):
    (tmp_path / "ids").write_text(f"wiki:7\n{show_id(A)}\nwiki:8\nwiki:7\n")
    found, said = read(tmp_path / "ids")
    assert found == {A: "wiki:7", B: "wiki:8"}
    assert said == [f"{tmp_path}/ids: 2 lines name a document that is named before"]


def test_a_minus_sign_is_the_standard_input_which_may_be_a_pipe(monkeypatch):
    for name in ("-", "/dev/stdin"):
        pipe = SimpleNamespace(buffer=io.BytesIO(b"wiki:7\n"))
        monkeypatch.setattr(sys, "stdin", pipe)
        assert read(name)[0] == {A: "wiki:7"}
        with pytest.raises(ValueError, match="standard input: no document id in it"):
            read(name)


def test_what_is_no_list_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "titles").write_text("wiki:7\nA town\n123\nwiki:\n")
    message = "titles, line 2: 'A town' is no document id .*, and 2 other lines are none either"
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "titles")
    (tmp_path / "wide").write_bytes("wiki:7\n".encode("utf-16"))
    with pytest.raises(ValueError, match="wide: not UTF-8 text"):
        read(tmp_path / "wide")
    with pytest.raises(ValueError, match=f"{tmp_path}: cannot be read"):
        read(tmp_path)
    with pytest.raises(ValueError, match="absent: no such file"):
        read(tmp_path / "absent")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> SimpleNamespace:
    """A table whose key column was another one when its first set was made."""
    folder = tmp_path_factory.mktemp("keys")
    texts = [f"The {n} miller grinds grain {n * 7} and sells it in {1700 + n}. " * 6
             for n in range(12)]  # fmt: skip
    rows = [{"old": f"o{n}", "new": f"n{n}", "text": text} for n, text in enumerate(texts)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipes = {}
    for key in ("old", "new"):
        recipes[key] = folder / f"{key}.toml"
        recipes[key].write_text(
            f'name = "keys"\n[[source]]\nname = "rows"\nkind = "dataset"\nlanguage = "en"\n'
            f'paths = ["{folder}/rows.jsonl"]\ncolumns = {{ text = "text", key = "{key}" }}\n'
            'language_id = "trust"\nrules = { preset = "none" }\n'
            "[matches]\nnum_permutations = 64\nbands = 16\n[fates]\nheld_out = 0.1\n"
            "[tokenizer]\nvocabulary = 320\n[shards]\nrow_lengths = [64]\n"
        )
    data = folder / "data"
    for key in ("old", "new"):
        command = ["shards", "--recipe", str(recipes[key]), "--data", str(data), "--workers", "1"]
        assert main(command) == 0
    return SimpleNamespace(data=data, recipe=recipes["new"])


@pytest.fixture
def forget(corpus, tmp_path, capsys) -> Callable[..., str]:
    def run(lines: list[str], *options: str, status: int = 0) -> str:
        (tmp_path / "ids").write_text("\n".join(lines))
        command = ["forget", "--recipe", str(corpus.recipe), "--data", str(corpus.data)]
        capsys.readouterr()
        assert main([*command, "--ids", str(tmp_path / "ids"), *options]) == status
        done = capsys.readouterr()
        return done.out + done.err

    return run


def test_the_same_text_under_another_key_is_found_and_purged(corpus, forget):
    """Last of this file's set, in the order in which it changes."""
    data = str(corpus.data)
    new = ShardSet.open(data)
    (older,) = (path for path in (corpus.data / "shards").iterdir() if path.name != new.id)
    row = next(
        row
        for shard in new.shards
        if shard.subset == "train"
        for row in new.documents(shard).to_pylist()
    )
    other = document_id("rows", row["key"].replace("n", "o"))
    unknown = forget([f"rows:{row['key']}", "o1:x", "rows:absent"], status=2)
    assert "not in corpus 'keys': o1:x, rows:absent; nothing was forgotten" in unknown
    assert "A key stands behind its source (rows), as in rows:KEY" in unknown
    said = forget([f"rows:{row['key']}"])
    what = f"{older}: 1 of the same text under other ids ({show_id(other)})"
    assert f"  {what}; nothing uses it: --purge removes it" in said
    assert f"{new.url}: 1 documents; nothing uses it: --purge removes it" in said
    assert said.count(f"1 of the same text under other ids ({show_id(other)}), from") == 1
    again = forget([f"rows:{row['key']}", "rows:n3" if row["key"] != "n3" else "rows:n4"])
    assert "forgot 1 documents" in again
    assert "1 more were forgotten before" in again
    # Its counts of cuts are called what they are, and the report adds them up all the same.
    manifest = ShardSet.open(data).manifest
    for part in manifest.parts:
        kinds = {name.split(" ")[0] for name in part.counts if "_cuts" in name}
        is_rewritten = part.name in manifest.facts["forgotten"]["shards"]
        assert {name.startswith("num_packed_") for name in kinds} == {is_rewritten}
        assert len(kinds) == 6
    cuts = [
        line.split()[-2:]
        for shards in (new.manifest, manifest)
        for line in report.shards_table(shards).splitlines()
        if " train " in line
    ]
    assert cuts[0] == cuts[1]
    # A set of another version cannot be looked into, and might hold it.
    strange = corpus.data / "shards" / "0123456789abcdef"
    strange.mkdir()
    old_format = {**json.loads((older / sets.MANIFEST).read_text()), "id": strange.name}
    old_format["facts"] = {**old_format["facts"], "shard_format": 1}
    (strange / sets.MANIFEST).write_text(json.dumps(old_format))
    said = forget([f"rows:{row['key']}"], "--purge")
    assert f"removed {older}, which held 2 of the same text under other ids" in said
    assert f"removed {strange}, which was of another version" in said
    assert [path.name for path in (corpus.data / "shards").iterdir()] == [manifest.id]
