"""Real books from ../shared/data: boilerplate, text that must stay, every file accounted for."""

import functools
import gzip
import itertools
import re
import unicodedata
from collections import defaultdict

import pytest

from pipeline import plan, readers
from pipeline.recipe import Source
from pipeline.text import clean

# Of the licence and the small print. The code looks for none of it but "gutenberg", "etext" and
# "ebook", which stand here to be strict: these must not be left either.
LEGAL = (
    "donation", "royalty fee", "pglaf", "trademark", "refund", "no restrictions whatsoever",
    "copy it, give it away", "states copyright", "public domain", "machine-readable",
    "literary archive", "michael s. hart", "newsletter", "electronic work", "plain vanilla",
    "disclaimer", "redistribut", "indemnify", "license", "http://", "www.", "gutenberg",
    "volunteers'", "etext", "ebook",
)  # fmt: skip
EDGE_SHARE = 0.03


@functools.cache
def read(folder):
    source = Source(name="books", kind="books", paths=(str(folder),))
    found = plan.find([source])
    files, _ = plan.raw_files(found, data=str(folder / "absent"))
    names = {file.sha256: file.url.rsplit("/", 1)[-1] for file in files}
    section = readers.section(source)
    records = [record for split in plan.splits(files) for record in readers.read(split, section)]
    return [(names[record.file], record) for record in records]


def words(text: str) -> list[str]:
    text = unicodedata.normalize("NFKD", text.casefold()).replace("œ", "oe").replace("æ", "ae")
    return re.findall(r"[a-z0-9]+", "".join(c for c in text if not unicodedata.combining(c)))


def shingles(text: str) -> set[int]:
    found = words(text)
    return {hash(tuple(found[n : n + 5])) for n in range(len(found) - 4)}


@pytest.mark.parametrize(
    ("folder", "documents", "others"),
    [
        ("gitenberg", 21, {}),
        ("editions", 22, {"not_text": 1}),
        ("classic_books_markdown", 45, {}),
        ("eltec_tei", 4, {}),
        ("standardebooks", 24, {"empty": 5, "not_text": 1}),
    ],
)
def test_every_file_is_accounted_for_and_no_boilerplate_is_left(
    real_data, folder, documents, others
):
    records = read(real_data / "books" / folder)
    counts: dict[str, int] = defaultdict(int)
    for name, record in records:
        counts[record.rejected or record.skipped or "document"] += 1
        edge = max(2000, int(len(record.text) * EDGE_SHARE))
        for part in (record.text[:edge], record.text[-edge:]):
            left = [mark for mark in LEGAL if mark in part.casefold()]
            assert not left, (name, left)
        assert clean.clean_text(record.text) == record.text
    assert counts.pop("document") == documents
    assert counts == others


def test_the_same_book_has_the_same_text_in_every_form(real_data):
    books = defaultdict(list)
    for name, record in read(real_data / "books" / "gitenberg"):
        books[re.sub(r"(-0|-8|-h)?\.\w+$", "", name)].append((name, shingles(record.text)))
    assert len(books) == 8
    for forms in books.values():
        for (name, own), (other_name, other) in itertools.permutations(forms, 2):
            # One book has word lists in two columns, whose cells the text version wraps.
            is_table = "Entre-Nous" in name and "-h.htm" in name + other_name
            least = 0.94 if is_table else 0.99
            assert len(own & other) >= least * len(own), (name, other_name)


def test_what_two_editions_share_is_in_the_text_of_both(real_data):
    folder = real_data / "books" / "editions"
    documents = {name: record.text for name, record in read(folder) if record.text}
    # Every third pair, since shingles take longer than reading.
    names = [name for n, name in enumerate(sorted(documents)) if n // 2 % 3 == 0]
    texts = {name: shingles(documents[name]) for name in names}
    raw = {name: shingles(gzip.decompress((folder / name).read_bytes()).decode()) for name in texts}
    for a, b in zip(names[::2], names[1::2], strict=True):
        shared = raw[a] & raw[b]
        # Marks of type and hyphens at line ends part words in the raw files only.
        assert len(shared & texts[a]) >= 0.999 * len(shared), a
        assert len(shared & texts[b]) >= 0.999 * len(shared), b


def test_metadata_of_real_books(real_data):
    found = {
        name: (record.title, record.author, record.date, record.language)
        for folder in ("gitenberg", "eltec_tei", "classic_books_markdown")
        for name, record in read(real_data / "books" / folder)
    }
    assert found["Pride-and-Prejudice_1342_1342.txt"][:2] == ("Pride and Prejudice", "Jane Austen")
    assert found["Entre-Nous--13-Lectures-fran-aises---l-u_44157-8.txt"][3] == "fr"
    assert found["FRA00401_Allais.xml"] == ("Le Captain Cap", "Allais, Alphonse", "1902", "fr")
    assert found["Dante - Purgatorio.md.gz"][:3] == ("Purgatorio", "Dante", "1320")
    assert all(title and author for title, author, _, _ in found.values())


def test_verse_keeps_its_lines_and_prose_has_none(real_data):
    folder = real_data / "books" / "classic_books_markdown"
    texts = {name: record.text for name, record in read(folder)}
    for name in ("Robert W. Service - Songs of a Sourdough.md.gz", "Dante - Purgatorio.md.gz"):
        raw = gzip.decompress((folder / name).read_bytes()).decode()
        verse = re.compile(r"[A-Z'\"“].{20,}[,;]\s*$")
        wanted = [line.strip() for line in raw.split("\n") if verse.match(line)]
        assert len(wanted) > 200
        kept = {line.strip() for line in texts[name].split("\n")}
        lost = [line for line in wanted if clean.clean_text(line.replace("_", "")) not in kept]
        assert len(lost) <= 0.01 * len(wanted), lost[:5]
    for name, record in read(real_data / "books" / "gitenberg"):
        if name.startswith("Pride"):
            lines = record.text.split("\n")
            # Lines that end in mid-sentence: before a letter, and its last words; no others.
            broken = [line for line in lines if re.search(r"[a-z,]$", line) and len(line) > 50]
            assert len(broken) <= 12, (name, broken)
