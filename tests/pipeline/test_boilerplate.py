"""A line is boilerplate where enough different texts of its group have it, and only there."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus import schemas
from pipeline.match import boilerplate
from pipeline.running.flow import Output, Part
from pipeline.text import cuts

FOOT = "Sign up for the weekly newsletter of our paper and never miss a story again."
BODY = (
    "The {0} river of the {0} valley carried stones {0} miles to the sea of {0}.\n"
    "It was long {0}.\nMore {0} of it."
)
SECTION = {
    "sources": {"news": {"boilerplate": "host", "cut_lines": []}},
    "least_documents": 3,
    "least_words": 8,
}


def document(identifier: int, text: str, url: str = "https://www.a.example/x", **values: str):
    return {
        **dict.fromkeys(schemas.DOCUMENTS.names, ""),
        "id": identifier,
        "source": "news",
        "text": text,
        "url": url,
        "num_raw_bytes": 0,
        **values,
    }


def run(folder, parts, *, num=2, **options):
    """Run the steps over documents parts; return the lines to cut of each, and the counts."""
    section = {**SECTION, **options}
    inputs = []
    for number, rows in enumerate(parts):
        url = folder / f"documents-{number}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=schemas.DOCUMENTS), url)
        inputs.append(
            {"name": f"p{number}", "url": str(url), "content": f"c{number}", "num_bytes": 1}
            | {"source": "news"}
        )
    group = section["sources"]["news"]["boilerplate"]
    keys = Output(url=str(folder / "keys"))
    files = []
    for entry in inputs:
        of_part = {"documents": entry["url"], "group": group, "least_words": 8}
        part = Part(name=entry["name"], fingerprint="", inputs=of_part)
        boilerplate.write_keys(part, keys, num=num)
        tag = boilerplate._tag(entry)
        files.append({"url": str(folder / "keys" / f"{entry['name']}.arrow"), "tag": tag})
    counts = Output(url=str(folder / "counts"))
    for p in range(num):
        wanted = {"files": files, "partition": p, "least": section["least_documents"]}
        boilerplate.count_lines(Part(name=f"n{p}", fingerprint="", inputs=wanted), counts, num=num)
    output, result = Output(url=str(folder)), []
    for entry, file in zip(inputs, files, strict=True):
        of_part = {
            "documents": entry["url"],
            "files": [str(folder / "counts" / f"n{p}.arrow") for p in range(num)],
            "tag": file["tag"],
            "group": group,
            "rules": [],
            "least_words": 8,
        }
        part = Part(name=f"lines-{entry['name']}", fingerprint="", inputs=of_part)
        boilerplate.match_part(part, output)
        found = pq.read_table(folder / f"lines-{entry['name']}.parquet")
        assert found.schema.equals(schemas.LINES)
        result.append(found.to_pylist())
    return result, output.counts


def with_foot(number: int, foot: str = FOOT) -> str:
    return f"{BODY.format(number)}\n\n{foot}\n"


def test_a_line_of_three_texts_is_cut_out_of_all_of_them(tmp_path):
    texts = [with_foot(1), with_foot(2, foot=FOOT.upper().replace(" ", "  ")), with_foot(3)]
    parts = [[document(1, texts[0])], [document(2, texts[1]), document(3, texts[2])]]
    (first, second), counts = run(tmp_path, parts)
    assert [row["id"] for row in [*first, *second]] == [1, 2, 3]
    assert {(row["kind"], row["num_documents"]) for row in [*first, *second]} == {
        ("boilerplate", 3)
    }
    for row in [*first, *second]:
        left = cuts.cut(texts[row["id"] - 1], [row])
        assert left == BODY.format(row["id"])
    assert counts["num_cut_documents"] == counts["num_cut_lines"] == 3


@pytest.mark.parametrize(
    "rows",
    [
        [document(n, with_foot(n)) for n in (1, 2)],  # two texts are not enough
        [document(n, with_foot(1)) for n in (1, 2, 3)],  # one text, crawled three times
        [document(n, with_foot(n), url=f"https://{n}.example/") for n in (1, 2, 3)],
        [document(n, with_foot(n), url="") for n in (1, 2, 3)],  # no group
        [document(n, with_foot(n, foot="Read more about it here today")) for n in (1, 2, 3)],
    ],
)
def test_other_lines_are_left(tmp_path, rows):
    (found,), _ = run(tmp_path, [rows])
    assert found == []


def test_near_copies_of_one_page_do_not_lose_what_they_share(tmp_path):
    same = BODY.format("same") + "\n" + "\n".join(BODY.format(word) for word in "abcdef")
    rows = [
        document(n, f"{same}\n{n} comments were left by the readers of page number {n}")
        for n in (1, 2, 3)
    ]
    (found,), counts = run(tmp_path, [rows])
    assert found == []
    assert counts["num_spared_documents"] == 3


def test_a_column_groups_documents_as_the_host_does(tmp_path):
    rows = [document(n, with_foot(n), url="", author="agency") for n in (1, 2, 3)]
    sources = {"news": {"boilerplate": "author", "cut_lines": []}}
    (found,), _ = run(tmp_path, [rows], sources=sources)
    assert len(found) == 3


def test_a_host_has_no_www_and_a_bad_address_none():
    assert boilerplate.host("https://WWW.A.example:80/x") == "a.example"
    assert boilerplate.host("http://[bad/") == boilerplate.host("no address") == ""


def test_the_spans_of_lines_are_their_bytes():
    text = f"é\n\n{FOOT}\r\nIt is 汉字 and this line has some eight words of length.\n{FOOT}"
    keys, _, _ = boilerplate._line_keys(text, 7, least_words=8)
    chosen = np.sort(np.unique(keys[:1]))
    long = text + "\n" + "It is not to be cut at all. " * 20
    found, spared = boilerplate.spans(long, 7, chosen, np.array([5]), least_words=8)
    assert not spared
    data = long.encode()
    assert [data[start:end].decode().strip() for start, end, _, _ in found] == [FOOT, FOOT]


def test_line_rules_give_spans_of_their_own(tmp_path):
    text = "This line is a sentence of prose.\nMenu\nAnother line is a sentence, too."
    assert [
        (text.encode()[start:end], kind)
        for start, end, kind, _ in boilerplate.rule_spans(text, ["c4"])
    ] == [(b"Menu\n", "c4: no_end")]
    assert boilerplate.rule_spans(text, []) == []
    both = boilerplate.rule_spans(text, ["c4", "refinedweb"])
    assert {kind for *_, kind, _ in both} == {"c4: no_end", "refinedweb: one_word"}
    spans = [{"start": start, "end": end} for start, end, _, _ in both[:1]]
    assert cuts.cut(text, spans) == text.replace("Menu\n", "")
