"""Asking about a finished corpus, as a user would: why, what-if, diff, report."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from corpus import sets
from corpus.identity import show_id
from pipeline.__main__ import main
from pipeline.fate.verdicts import REASONS


@pytest.fixture(scope="module")
def world(unbroken, tmp_path_factory, write_recipe):
    """The finished corpus, and another selection of it."""
    folder = tmp_path_factory.mktemp("ledger")
    data = unbroken.copy(folder / "data")
    other = write_recipe(
        folder / "other.toml", unbroken.dumps, near_duplicate=1.0, rules="min_words = 1000"
    )
    other.write_text(other.read_text().replace('name = "test"', 'name = "stricter"'))
    assert main(["fates", "--recipe", str(other), "--data", str(data), "--workers", "1"]) == 0
    return unbroken.recipe, other, data


@pytest.fixture
def ask(world, capsys):
    """A function that asks and returns what is printed."""
    recipe, _, data = world

    def run(command: str, *words: str, status: int = 0) -> str:
        options = ["--data", str(data)]
        if command != "diff":
            options += ["--recipe", str(recipe)]
        capsys.readouterr()
        assert main([command, *options, *words]) == status
        captured = capsys.readouterr()
        return captured.out + captured.err

    return run


def rows(data: Path, stage: str, name: str = "test") -> list[dict]:
    url = data / stage / sets.read_corpus(str(data), name)[stage]
    manifest = sets.read_manifest(str(url))
    return [row for part in manifest.parts for row in pq.read_table(url / part.file()).to_pylist()]


def test_why_tells_a_kept_documents_way_from_its_file_to_its_rows(world, ask, unbroken):
    _, _, data = world
    title = {row["id"]: row["title"] for row in rows(data, "documents")}
    kept = next(row for row in rows(data, "fates") if row["subset"] == "train")
    text = ask("why", show_id(kept["id"]))
    assert text == ask("why", title[kept["id"]])
    assert "fate: kept, train" in text
    assert any(str(dump) in text for dump in unbroken.dumps)
    assert "min_words" in text
    assert "FAILS" not in text
    assert re.search(r"wiki-train-32-00000.arrow: [\d,]+ tokens in rows \d+", text)
    assert "wiki-train-64-00000.arrow" in text


def test_why_shows_text_only_when_asked(world, ask):
    _, _, data = world
    document = rows(data, "documents")[0]
    begin = document["text"][:60]
    assert begin not in ask("why", show_id(document["id"]))
    assert begin in ask("why", show_id(document["id"]), "--samples")


def test_why_names_what_a_dropped_document_broke_or_who_survived_it(world, ask):
    _, _, data = world
    title = {row["id"]: row["title"] for row in rows(data, "documents")}
    fates = rows(data, "fates")
    for reason in ("min_words", "exact_duplicate", "near_duplicate"):
        dropped = next(row for row in fates if row["rule"] == reason)
        text = ask("why", show_id(dropped["id"]))
        assert f"fate: dropped by {reason} ({REASONS[reason]})" in text
        assert "rows: none in" in text
        if dropped["survivor"] is None:
            assert re.search(r"min_words +2 +min 25 +FAILS", text)
        else:
            survivor = show_id(dropped["survivor"])
            assert f"kept in its place: {survivor} ({title[dropped['survivor']]}, wiki)" in text
            assert "its cluster of duplicates: 3 documents" in text
            of_nearest = f"{dropped['value']:.6g} with the nearest of its cluster, threshold 0.8"
            assert (of_nearest in text) == (reason == "near_duplicate")
            assert "exact" in text
            assert "near" in text


def test_why_finds_by_key_title_part_of_it_or_text(world, ask):
    _, _, data = world
    first, *_, last = rows(data, "documents")
    assert show_id(last["id"]) in ask("why", last["key"])
    assert show_id(last["id"]) in ask("why", f"wiki:{last['key']}")
    many = ask("why", "article")
    assert "48 documents: each has it in the title 'article'; ask for one by id" in many
    assert "... and 38 more" in many
    assert len([line for line in many.splitlines() if " wiki " in line]) == 10
    words = first["text"].split()[20:32]
    assert show_id(first["id"]) in ask("why", "\n".join(words))


def test_what_is_not_there_is_not_found_and_one_is_told_where_it_was_sought(ask):
    text = ask("why", "a title that no page has", status=2)
    assert "keys and titles, parts of titles, the text of every document" in text
    assert "make report" in text
    assert "ids" in ask("why", "0123456789abcdef", status=2)


def test_a_rejected_record_is_found_with_its_reason(tmp_path, capsys, make_dump, write_recipe):
    dump = make_dump(tmp_path / "d.xml", num_articles=2)
    page = re.search(r"  <page>.*?</page>\n", dump.read_text(), re.DOTALL)
    assert page
    twice = page[0].replace("Article 1<", "Another title<")
    twice += page[0].replace("Article 1<", "A stub<").replace("<id>1<", "<id>77<")
    twice = re.sub(r"(<title>A stub.*<text[^>]*>).*(</text>)", r"\1{{a}}\2", twice, flags=re.DOTALL)
    dump.write_text(dump.read_text().replace("</mediawiki>", twice + "</mediawiki>"))
    recipe = write_recipe(tmp_path / "r.toml", [dump])
    options = ["--recipe", str(recipe), "--data", str(tmp_path / "data")]
    assert main(["documents", *options]) == 0
    named = pq.read_table(next((tmp_path / "data").rglob("rejects/*.parquet"))).to_pylist()
    reject, skipped = sorted(named, key=lambda row: row["reason"].startswith("skipped: "))
    said = capsys.readouterr().out
    assert skipped["reason"] == "skipped: empty"
    assert "1 skipped records are named in " in said
    assert main(["why", *options, "A stub"]) == 0
    assert capsys.readouterr().out.startswith("A stub (wiki): skipped when it was read: empty; ")
    assert main(["why", *options, "another", "TITLE"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Another title (wiki): rejected when it was read: " + reject["reason"])
    assert str(dump) in text
    assert main(["why", *options, "Article 2"]) == 0
    assert "fates: not made yet; `make fates`" in capsys.readouterr().out


def table(text: str, head: str) -> list[list[str]]:
    """Return the rows of one of the printed tables, cut at two blanks."""
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(head))
    found = []
    for line in lines[at + 2 :]:
        if not line:
            break
        found.append(re.split(r"  +", line.strip()))
    return found


def number(cell: str) -> int:
    return int(cell.replace(",", ""))


def test_diff_counts_every_document_that_either_keeps_once(world, ask, tmp_path):
    recipe, other, data = world
    a, b = rows(data, "fates"), rows(data, "fates", "stricter")
    rule_a, rule_b = ({row["id"]: row["rule"] for row in found} for found in (a, b))
    size = {row["id"]: row["num_bytes"] for row in a}
    text = ask("diff", str(recipe), str(other), "--list", str(tmp_path / "ids.tsv"))
    expected: dict[tuple[str, str], list[int]] = {}
    for identifier in rule_a:
        fate = (rule_a[identifier], rule_b[identifier])
        if fate == (None, None):
            key = ("kept in both", "kept")
        elif fate[0] is None:
            key = ("lost", fate[1])
        elif fate[1] is None:
            key = ("gained", fate[0])
        else:
            continue
        pair = expected.setdefault(key, [0, 0])
        pair[0] += 1
        pair[1] += size[identifier]
    assert {key[0] for key in expected} >= {"lost"}
    found = table(text, "source")
    assert {(row[1], row[2]): [number(cell) for cell in row[3:5]] for row in found} == expected
    assert all(number(row[5]) > 0 for row in found), "tokens are estimated from the shards"
    listed = (tmp_path / "ids.tsv").read_text().splitlines()[1:]
    assert {line.split("\t")[0] for line in listed} == {
        show_id(i) for i in rule_a if (rule_a[i] is None) != (rule_b[i] is None)
    }


def test_diff_takes_recipes_corpora_and_sets_and_names_what_it_lacks(world, ask, tmp_path):
    recipe, _, data = world
    pointer = sets.read_corpus(str(data), "test")["fates"]
    answers = {
        ask("diff", name, "stricter").split("\n\n")[1].replace("tokens (estimated)", "")
        for name in ("test", str(recipe))
    }
    assert len(answers) == 1
    assert table(ask("diff", pointer, "stricter"), "source")
    assert "no corpus there (stricter, test) and no recipe" in ask("diff", "x", "test", status=2)
    never = tmp_path / "never.toml"
    never.write_text(recipe.read_text().replace("near_duplicate = 0.8", "near_duplicate = 0.85"))
    assert "no fates of this recipe yet" in ask("diff", "test", str(never), status=2)
    never.write_text(never.read_text().replace('name = "test"', 'name = "never"'))
    text = ask("diff", "test", str(never), status=2)
    assert f"run `make fates RECIPE={never} DATA={data}`" in text


def test_diff_finds_a_recipes_fates_though_another_near_duplicate_has_its_own_matches(
    unbroken, tmp_path, capsys
):
    # Above 0.9 matches are others, and the corpus points at those that were made last.
    data = unbroken.copy(tmp_path / "data")
    before = unbroken.recipe
    after = tmp_path / "after.toml"
    after.write_text(before.read_text().replace("near_duplicate = 0.8", "near_duplicate = 1.0"))
    options = ["--data", str(data)]
    assert main(["fates", "--recipe", str(after), *options, "--workers", "1"]) == 0
    answers = []
    for a, b in ((before, after), (after, before)):
        capsys.readouterr()
        assert main(["diff", *options, str(a), str(b)]) == 0
        answers.append({tuple(row[1:4]) for row in table(capsys.readouterr().out, "source")})
    dropped = [row for row in rows(data, "fates") if row["rule"] == "near_duplicate"]
    assert not dropped
    (gained,) = (row for row in answers[0] if row[0] == "gained")
    assert gained[1] == "near_duplicate"
    assert ("lost", *gained[1:]) in answers[1]


def test_diff_tells_documents_that_only_one_corpus_has(world, ask, unbroken, write_recipe):
    _, other, data = world
    fewer = write_recipe(other.with_name("fewer.toml"), unbroken.dumps[:5])
    fewer.write_text(fewer.read_text().replace('name = "test"', 'name = "fewer"'))
    assert main(["fates", "--recipe", str(fewer), "--data", str(data), "--workers", "1"]) == 0
    found = table(ask("diff", "fewer", "test"), "source")
    (only,) = (row for row in found if row[1] == "kept, only in B")
    assert only[2] == "absent"
    assert number(only[3]) > 0


def test_what_if_answers_from_the_command_line_with_tokens(world, ask):
    text = ask("what-if", "min_words=1000", "near_duplicate=1.0")
    kept = {row[1]: [number(cell) for cell in row[2:]] for row in table(text, "source")}
    assert kept["before"][0] + kept["gained"][0] - kept["lost"][0] == kept["after"][0]
    after = sum(row["rule"] is None for row in rows(world[2], "fates", "stricter"))
    assert kept["after"][0] == after
    assert kept["before"][2] > kept["after"][2] or not kept["lost"][0]
    assert "estimated from the bytes and tokens of its shards" in text
    assert "did you mean 'min_words'" in ask("what-if", "min_word=3", status=2)


def test_the_report_adds_up(world, ask):
    text = ask("report")
    found = table(text[text.index("fates: ") :], "source")
    arrived = next(row for row in found if row[1] == "in")
    total = next(row for row in found if row[1] == "sum of these = in")
    assert arrived[2:] == total[2:]
    parts = [row for row in found if row not in (arrived, total)]
    assert [sum(number(row[i]) for row in parts) for i in (2, 3)] == [
        number(cell) for cell in arrived[2:]
    ]
    assert "IS NOT" not in text


def test_nothing_made_yet_is_said(tmp_path, unbroken, capsys):
    for command, *words in (["why", "x"], ["what-if", "min_words=3"]):
        options = ["--recipe", str(unbroken.recipe), "--data", str(tmp_path)]
        assert main([command, *options, *words]) == 2
        assert "nothing made of corpus 'test' yet" in capsys.readouterr().err


def test_why_names_the_language_that_a_document_is_in_instead(tmp_path, capsys):
    text = "Das Haus am Fluss wurde von den Leuten aus drei Dörfern gebaut und steht noch heute. "
    (tmp_path / "d.jsonl").write_text(json.dumps({"id": "k", "text": text * 4}) + "\n")
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f'name = "german"\n[[source]]\nname = "web"\nkind = "dataset"\nlanguage = "en"\n'
        f'licence = "x"\npaths = ["{tmp_path / "d.jsonl"}"]\n'
        'columns = { text = "text", key = "id" }\n'
    )
    options = ["--recipe", str(recipe), "--data", str(tmp_path / "data")]
    assert main(["fates", *options, "--workers", "1"]) == 0
    assert main(["why", *options, "k"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"dropped by language \(language\): it is de \(0\.\d+\), not as declared", out)
    assert re.search(r"language +de \(0\.\d+\) +en \(0\.51\) +FAILS", out)
