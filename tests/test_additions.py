"""What a recipe asks of `matches` beside duplicates: found, traceable, and part of the identity."""

import json
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from corpus import identity, keep, sets
from pipeline import recipe, stages
from pipeline.__main__ import main as pipeline
from pipeline.asking.matches_report import matches_text
from pipeline.running.runner import Runner
from pipeline.text.cuts import cut

WORDS = ["river", "stone", "market", "bridge", "winter", "harvest", "engine", "letter", "garden"]
LEAK = "the old harbour engine of the northern village was carried by seven painters over a bridge"
FOOT = "Sign up for the weekly newsletter of our paper and never miss a story again."

_SOURCE = """
[[source]]
name = "news"
kind = "dataset"
paths = [{paths}]
columns = {{ text = "text", key = "key", url = "url" }}
rules = {{ preset = "wiki", min_words = 20 }}
"""


def prose(seed: int, num: int = 150) -> str:
    rng = random.Random(seed)
    return "The " + " ".join(f"{rng.choice(WORDS)} of {rng.randrange(1000)}," for _ in range(num))


def write(path: Path, texts: dict[str, str]) -> Path:
    rows = [
        {"key": key, "text": text, "url": f"https://www.a.example/{key}"}
        for key, text in texts.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make(folder: Path, name: str, files: list[Path], extra: str = "", upto: str = "matches"):
    """Make a corpus up to a stage, in this process; return what was made."""
    paths = ", ".join(f'"{path}"' for path in files)
    path = folder / f"{name}.toml"
    path.write_text(f'name = "{name}"\n{_SOURCE.format(paths=paths)}{extra}')
    return stages.run(
        recipe.load(str(path)),
        data=str(folder / "data"),
        upto=upto,
        runner=Runner(),
        say=lambda made: None,
    )


def rows(made, prefix: str):
    last = made[-1]
    return [
        row
        for part in last.manifest.parts
        if part.name.startswith(prefix)
        for row in pq.read_table(f"{last.url}/{part.file()}").to_pylist()
    ]


def ids(*keys: str) -> list[int]:
    return [identity.document_id("news", key) for key in keys]


OLD = {f"old-{n}": prose(n) for n in range(8)}
NEW = {
    **{f"new-{n}": f"{prose(100 + n)}\n\n{FOOT}" for n in range(4)},
    "copy": OLD["old-1"].upper(),
    "near": OLD["old-2"].replace("river", "lake", 4),
    "near again": OLD["old-2"].replace("river", "lake", 4) + " " + FOOT,
    "like one that was dropped": "Too short to be kept.",
    "leak": f"{prose(200)} {LEAK.title()}.",
    "old-7": OLD["old-7"],
}
EXTRA = """boilerplate = "host"
[[matches.earlier]]
name = "last-year"
corpus = "old"
[[evaluation]]
name = "sayings"
paths = ["{task}"]
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An old corpus with its fates, and a new one that asks for everything."""
    folder = tmp_path_factory.mktemp("additions")
    short = {"short": "Too short to be kept."}
    make(folder, "old", [write(folder / "old.jsonl", OLD | short)], upto="fates")
    task = folder / "sayings.txt"
    task.write_text(f"{LEAK}\nNobody said anything of this kind in any of these texts.\nShort.\n")
    half = dict(list(NEW.items())[:5])
    rest = {key: text for key, text in NEW.items() if key not in half}
    files = [write(folder / "new/1.jsonl", half), write(folder / "new/2.jsonl", rest)]
    extra = EXTRA.format(task=task)
    return folder, files, extra, make(folder, "new", files, extra)


def test_a_document_of_an_earlier_corpus_is_traced_to_it(world):
    *_, made = world
    exact = {(row["b"], row["a"], row["corpus"]) for row in rows(made, "earlier-exact")}
    one, seven = ids("old-1"), ids("old-7")
    assert exact == {(*ids("copy"), *one, "last-year"), (*seven, *seven, "last-year")}
    near = rows(made, "earlier-near")
    assert {row["b"] for row in near} == set(ids("near", "near again"))
    assert {row["a"] for row in near} == set(ids("old-2"))
    assert all(7 * row["num_union"] <= 10 * row["num_common"] for row in near)
    assert {row["kind"] for row in near} == {"earlier_near"}
    # What fates dropped there does not count; here it is compared as ever.
    assert not {*ids("like one that was dropped")} & {row["b"] for row in [*near, *rows(made, "e")]}


def test_an_example_is_traced_to_its_document_and_the_task_has_a_certificate(world):
    *_, made = world
    (row,) = rows(made, "contamination")
    assert row["b"] == ids("leak")[0]
    assert row["corpus"] == "sayings"
    assert row["num_common"] == row["num_union"] == len(LEAK.split()) - 12
    assert made[-1].manifest.facts["contamination"] == {
        "sayings": {
            "num_examples": 3,
            "num_ngrams": row["num_union"] + 1,
            "num_short": 1,
            "num_unreadable": 0,
            "num_whole": 1,
            "num_examples_found": 1,
            "num_documents": 1,
        }
    }


def test_why_shows_the_example_that_a_document_holds(world, capsys):
    folder, files, extra, _ = world
    make(folder, "new", files, extra, upto="fates")
    command = ["why", identity.show_id(ids("leak")[0]), "--recipe", str(folder / "new.toml")]
    assert pipeline([*command, "--data", str(folder / "data")]) == 0
    text = capsys.readouterr().out
    assert "dropped by contamination" in text
    assert f"example of sayings, from {folder / 'sayings.txt'}\n{LEAK}" in text


def test_the_report_says_what_was_found(world):
    *_, made = world
    text = matches_text(made[-1].manifest)
    assert "last-year: 2 documents stand there too; 2 near duplicate pairs with it" in text
    assert "4 cuts in 4 documents; 0 more" in text
    row = next(line for line in text.splitlines() if line.startswith("sayings"))
    assert row.split() == ["sayings", "3", "5", "1", "1", "1", "0"]


def test_the_lines_of_one_host_are_spans_of_its_documents(world):
    *_, made = world
    found = rows(made, "lines-")
    keys = {identifier: key for key in NEW for identifier in ids(key)}
    assert {keys[row["id"]] for row in found} == {f"new-{n}" for n in range(4)}
    for row in found:
        assert cut(NEW[keys[row["id"]]], [row]) == NEW[keys[row["id"]]].removesuffix(f"\n\n{FOOT}")
        assert row["num_documents"] == 4


def test_pairs_inside_the_corpus_are_the_same_as_without_additions(world):
    folder, files, _, made = world
    plain = make(folder, "plain", files)
    assert rows(plain, "near") == rows(made, "near")
    assert {part.name for part in plain[-1].manifest.parts} == {"exact-00000", "near-00000"}
    inode = {Path(last.url, "near-00000.parquet").stat().st_ino for last in (plain[-1], made[-1])}
    assert len(inode) == 1  # made once, and found


def test_other_paths_and_names_change_nothing_and_other_examples_make_their_parts_anew(world):
    folder, files, _, made = world
    moved = folder / "moved"
    task = moved / "again.txt"
    turned = [moved / "a.jsonl", moved / "b.jsonl"]
    for old, new in zip(reversed(files), turned, strict=True):
        new.parent.mkdir(exist_ok=True)
        new.write_bytes(old.read_bytes())
    task.write_bytes((folder / "sayings.txt").read_bytes())
    again = make(folder, "new", turned, EXTRA.format(task=task))
    assert not again[-1].is_new
    task.write_text(LEAK + "\n")
    other = make(folder, "new", turned, EXTRA.format(task=task))
    assert other[-1].url != made[-1].url
    assert len(rows(other, "contamination")) == 1
    for name in ("earlier-near-00000", "near-00000"):
        places = [Path(last.url, f"{name}.parquet").stat() for last in (made[-1], other[-1])]
        assert places[0].st_ino == places[1].st_ino


def test_an_earlier_corpus_is_kept_as_long_as_one_that_was_compared_with_it(world):
    folder, *_ = world
    data = folder / "copy"
    shutil.copytree(folder / "data", data)
    old = sets.read_corpus(str(data), "old")
    (data / "corpora/old.json").unlink()
    gone = {(kept.stage, kept.id) for kept in keep.prunable(str(data))}
    assert not gone & {(stage, old[stage]) for stage in ("documents", "measures", "fates")}


def test_all_documents_of_an_earlier_corpus_may_count(world):
    folder, files, extra, _ = world
    every = extra.replace('corpus = "old"', 'corpus = "old"\nwhich = "all"')
    found = {row["b"] for row in rows(make(folder, "new", files, every), "earlier-exact")}
    assert set(ids("like one that was dropped", "copy", "old-7")) == found


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('[[matches.earlier]]\nname = "older"', "no finished fates .* 'older' .corpora: .*old"),
        ('[[matches.earlier]]\nname = "x"\ncorpus = "new"', "this corpus itself"),
        ('[matches]\nseed = 2\n[[matches.earlier]]\nname = "old"', "measured with seed = 1"),
        ('[matches]\nshingle_words = 4\n[[matches.earlier]]\nname = "old"', "shingle_words = 5"),
        ('[[evaluation]]\nname = "a"\npaths = ["nowhere"]', "nowhere: no such file"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_made(world, extra, message):
    folder, files, *_ = world
    before = sorted(path.name for path in (folder / "data").rglob("*"))
    with pytest.raises(ValueError, match=message):
        make(folder, "new", files, extra)
    assert sorted(path.name for path in (folder / "data").rglob("*")) == before


def test_fates_drop_what_was_found_and_shards_hold_what_is_left_of_the_kept(world):
    folder, files, _, _ = world
    task = folder / "sayings.txt"
    extra = (
        EXTRA.format(task=task) + "[tokenizer]\nvocabulary = 320\n[shards]\nrow_lengths = [64]\n"
    )
    made = make(folder, "new", files, extra, upto="shards")
    fates = {
        row["id"]: row
        for part in made[3].manifest.parts
        for row in pq.read_table(f"{made[3].url}/{part.file()}").to_pylist()
    }
    reasons = {key: fates[identifier]["rule"] for key in NEW for identifier in ids(key)}
    assert reasons == {
        **dict.fromkeys((f"new-{n}" for n in range(4)), None),
        "copy": "earlier_exact",
        "old-7": "earlier_exact",
        "near": "earlier_near",
        "near again": "earlier_near",
        "leak": "contamination",
        "like one that was dropped": "min_words",
    }
    copy = fates[ids("copy")[0]]
    assert (copy["survivor"], copy["corpus"]) == (ids("old-1")[0], "last-year")
    counts = made[-1].manifest.counts
    kept = sum(row["verdict"] == "kept" for row in fates.values())
    assert kept == sum(n for name, n in counts.items() if name.startswith("num_documents "))
    pieces = []
    for shard in Path(made[-1].url).glob("news-*-?????.arrow"):
        pieces += pa.ipc.open_file(shard).read_all()["input_ids"].to_pylist()
    tokenizer = Tokenizer.from_file(str(Path(made[-1].url, "tokenizer/tokenizer.json")))
    text = " ".join(tokenizer.decode(piece) for piece in pieces)
    assert "Sign up" not in text
    assert text.count("The ") >= kept
