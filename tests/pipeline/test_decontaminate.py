"""Examples of evaluation tasks are read from any table, and found in the texts that hold them."""

import bz2
import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus import identity, schemas
from pipeline.match import decontaminate, evaluation, grams
from pipeline.recipe import Evaluation, Matches
from pipeline.running.flow import Output, Part

LEAK = "the old harbour engine of the northern village was carried by seven painters over a bridge"


def read(task: Evaluation) -> list[list[str]]:
    return [
        example.texts for file in evaluation.files([task]) for example in evaluation.examples(file)
    ]


def write_parquet(path):
    table = pa.table(
        {"q": ["one", "two"], "a": [{"b": "three"}, {"b": "four"}], "n": [["x", "y"]] * 2}
    )
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        (
            "t.jsonl",
            b'{"q": "one", "n": 1}\n{"q": "two"}\n',
            {"columns": ("q",)},
            [["one"], ["two"]],
        ),
        ("t.json", b'[{"q": ["one", "b"], "a": "x"}]', {"columns": ("q", "a")}, [["one b", "x"]]),
        ("t.csv", b'q,a\n"one, 1",x\n', {"columns": ("a", "q")}, [["x", "one, 1"]]),
        (
            "t.tsv",
            b"a\t1\tone\nb\t2\ttwo\n",
            {"columns": ("3",), "header": False},
            [["one"], ["two"]],
        ),
        (
            "t.csv.gz",
            gzip.compress(b"1;one\n2;two\n"),
            {"columns": ("2",), "header": False},
            [["one"], ["two"]],
        ),
        ("t.txt.bz2", bz2.compress("one\n\ntwö\n".encode()), {}, [["one"], ["twö"]]),
        ("t.jsonl", b'{"q": "one"}\n{"q": \n', {"columns": ("q",)}, [["one"], []]),
    ],
)
def test_examples_are_the_rows_of_a_table_or_the_lines_of_a_text(
    tmp_path, name, content, options, expected
):
    (tmp_path / name).write_bytes(content)
    assert read(Evaluation(name="task", paths=(str(tmp_path / name),), **options)) == expected


def test_nested_columns_and_lists_of_tokens_are_text(tmp_path):
    write_parquet(tmp_path / "t.parquet")
    task = Evaluation(name="task", paths=(str(tmp_path),), columns=("q", "a.b", "n"))
    assert read(task) == [["one", "three", "x y"], ["two", "four", "x y"]]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"q\ta\n1\t2\n", {"columns": ("x",)}, "no column 'x'; it has q, a"),
        (b"1\t2\n", {"columns": ("3",), "header": False}, "no column '3'; .* called 1, 2"),
        (b"q\ta\n1\t2\n", {}, "name the `columns`"),
    ],
)
def test_a_wrong_column_is_refused_with_those_there_are(tmp_path, content, options, message):
    (tmp_path / "t.tsv").write_bytes(content)
    task = Evaluation(name="task", paths=(str(tmp_path / "t.tsv"),), **options)
    with pytest.raises(ValueError, match=f"evaluation 'task'.*{message}"):
        evaluation.check([task])


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="evaluation 'task': nowhere: no such file"):
        evaluation.check([Evaluation(name="task", paths=("nowhere",))])


def test_a_file_that_changes_during_the_run_is_refused(tmp_path):
    (tmp_path / "t.txt").write_text("one\n")
    (file,) = evaluation.files([Evaluation(name="task", paths=(str(tmp_path / "t.txt"),))])
    evaluation.refuse_changed(file)
    (tmp_path / "t.txt").write_text("two\n")
    with pytest.raises(ValueError, match=r"'task': .* has changed during the run"):
        evaluation.refuse_changed(file)


def test_a_short_example_is_one_ngram_and_a_shorter_one_none():
    def sizes(num, **options):
        options = {"size": 13, "least": 8, **options}
        text = " ".join(map(str, range(num)))
        found = decontaminate.example_ngrams([text], **options)
        return {own: len(hashes) for own, hashes in found.items()}

    assert sizes(7) == {}
    assert sizes(8) == {8: 1}
    assert sizes(12) == {12: 1}
    assert sizes(13) == {13: 1}
    assert sizes(20) == {13: 8}


def search(tmp_path, task: Evaluation, texts: list[str]):
    """Run the step and one part, and return the rows and the certificate."""
    config = Matches()
    files = evaluation.files([task])
    section = decontaminate.section(files, config)
    work = tmp_path / "set" / "work" / "evaluation"
    work.mkdir(parents=True)
    index = Output(url=str(work))
    decontaminate.write_index(
        Part(name="evaluation", fingerprint="", inputs={"files": files, "section": section}), index
    )
    table = pa.table({"id": pa.array(range(len(texts)), pa.uint64()), "text": texts})
    pq.write_table(table, tmp_path / "documents.parquet")
    inputs = {
        "documents": str(tmp_path / "documents.parquet"),
        "ngrams": str(work / "ngrams.arrow"),
        "examples": str(work / "examples.arrow"),
    }
    output = Output(url=str(tmp_path / "set"))
    part = Part(name="contamination-x", fingerprint="", inputs=inputs)
    decontaminate.match_part(part, output)
    found = pq.read_table(tmp_path / "set" / "contamination-x.parquet")
    assert found.schema.equals(schemas.MATCHES)
    return found.to_pylist(), index.facts["tasks"][task.name]


def test_an_example_is_found_whatever_its_case_and_punctuation(tmp_path):
    (tmp_path / "t.txt").write_text(f"{LEAK}\ntoo short to count\n{LEAK.replace('old', 'new')}\n")
    task = Evaluation(name="task", paths=(str(tmp_path / "t.txt"),))
    texts = [
        "Nothing to see here.",
        f"Before it. {LEAK.upper().replace(' ', ', ')}! After it.",
        " ".join(LEAK.split()[:14]) + " and so on",
        " ".join(LEAK.split()[:12]) + " and so on",
    ]
    rows, counts = search(tmp_path, task, texts)
    key = evaluation.files([task])[0]["split"]["sha256"][:16]
    first = identity.document_id("task", f"{key}/0")
    num = len(LEAK.split()) - 12
    mine = [(row["b"], row["num_common"], row["num_union"]) for row in rows if row["a"] == first]
    assert mine == [(1, num, num), (2, 2, num)]
    # The other example shares its end with the first one.
    assert {row["b"] for row in rows} == {1, 2}
    assert rows == sorted(rows, key=lambda row: (row["a"], row["b"]))
    assert (counts["num_examples"], counts["num_short"], counts["num_ngrams"]) == (3, 1, 2 * num)


def test_a_task_of_short_examples_is_looked_for_nowhere(tmp_path):
    (tmp_path / "t.txt").write_text("Short.\nAnd sweet.\n")
    rows, counts = search(
        tmp_path, Evaluation(name="task", paths=(str(tmp_path / "t.txt"),)), [LEAK]
    )
    assert rows == []
    assert counts["num_short"] == counts["num_examples"] == 2


def test_a_phrase_of_many_examples_names_the_first_of_them(tmp_path):
    lines = "".join(f"{LEAK} {number}\n" for number in range(100))
    (tmp_path / "t.txt").write_text(lines)
    task = Evaluation(name="task", paths=(str(tmp_path / "t.txt"),))
    rows, _ = search(tmp_path, task, [LEAK])
    assert len(rows) == decontaminate.MAX_EXAMPLES


def test_planted_examples_of_real_tasks_are_all_found(tmp_path, real_data):
    task = Evaluation(
        name="sst2", paths=(str(real_data / "downstream/SST-2/dev.tsv"),), columns=("content",)
    )
    (file,) = evaluation.files([task])
    examples = list(evaluation.examples(file))
    long = [
        example
        for example in examples
        if decontaminate.example_ngrams(example.texts, size=13, least=8)
    ]
    planted = long[::7]
    texts = [f"A review said: {example.texts[0]} And so it went." for example in planted]
    rows, counts = search(tmp_path, task, [*texts, "A text of its own, without any review in it."])
    found = {(row["a"], row["b"]) for row in rows if row["num_common"] == row["num_union"]}
    assert {(example.id, number) for number, example in enumerate(planted)} <= found
    assert counts["num_examples"] == len(examples) == 872
    assert counts["num_short"] == len(examples) - len(long)
    words = [grams.word_hashes(grams.view(example.texts[0]))[0] for example in examples]
    assert counts["num_short"] == sum(len(own) < 8 for own in words)
    assert max(row["b"] for row in rows) < len(planted)
    assert np.mean([len(own) for own in words]) > 10
