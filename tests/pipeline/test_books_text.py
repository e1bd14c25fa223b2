"""Books in plain text and Markdown: boilerplate, re-flow, marks, contents."""

import random
import textwrap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.book import bookmarks, booktext, reflow
from pipeline.book.bookblocks import Book
from pipeline.book.bookplain import read_markdown, read_plain

WORDS = "the a river stone old market keeper walked carried home and lantern night under"


def sentences(seed: int, count: int) -> str:
    rng = random.Random(seed)
    words = WORDS.split()
    return " ".join(
        " ".join(rng.choice(words) for _ in range(rng.randint(5, 14))).capitalize() + "."
        for _ in range(count)
    )


def paragraphs(seed: int, count: int) -> list[str]:
    return [sentences(seed * 1000 + n, 2 + n % 6) for n in range(count)]


def wrap(text: str, width: int = 70) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def out(text: str) -> str:
    return booktext.text(read_plain(text))


BODY = paragraphs(1, 12)
WRAPPED = "\n\n".join(wrap(paragraph) for paragraph in BODY)

HEADERS = [
    # 2004 and later
    "The Project Gutenberg EBook of The Old Mill, by Ann Author\n\nThis eBook is for the use of "
    "anyone anywhere at no cost and with\nalmost no restrictions whatsoever.\n\n\n"
    "Title: The Old Mill\n       A Tale\n\nAuthor: Ann Author\n\nRelease Date: May 1, 2005 "
    "[EBook #99999]\n\nLanguage: French\n\nCharacter set encoding: ASCII\n\n"
    "*** START OF THIS PROJECT GUTENBERG EBOOK THE OLD MILL ***\n\n\n\n\nProduced by Some "
    "Volunteers and the\nOnline Distributed Proofreading Team\n\n\n\n\n",
    # The marker over two lines, without spaces, and credits of another kind
    "Project Gutenberg's The Old Mill, by Ann Author\n\nTitle: The Old Mill\n\nAuthor: Ann Author\n"
    "\nLanguage: French\n\n***START OF THE PROJECT GUTENBERG EBOOK THE OLD MILL, A TALE OF THE\n"
    "RIVER***\n\n\nE-text prepared by A. Volunteer\n\n\n\nNote: Project Gutenberg also has an HTML "
    "version of this\n      file which includes the original illustrations.\n\n\n\n",
    # The 1990s
    "The Project Gutenberg Etext of The Old Mill, by Ann Author\n\nTitle: The Old Mill\n\n"
    "Author: Ann Author\n\nLanguage: French\n\nCopyright laws are changing all over the world.\n\n"
    "**Welcome To The World of Free Plain Vanilla Electronic Texts**\n\n"
    "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***\nWhy is this here?\n\n"
    "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n\n\n"
    "This etext was prepared by A. Volunteer, Nowhere\n\n\n\n",
    # Recent, with a note of the transcriber
    "The Project Gutenberg eBook of The Old Mill\n\nTitle: The Old Mill\n\nAuthor: Ann Author\n\n"
    "Language: French\n\n*** START OF THE PROJECT GUTENBERG EBOOK THE OLD MILL ***\n\n\n\n\n"
    "Transcriber's Note:\n\nItalic text is marked with underscores. Obvious typos were corrected.\n"
    "\n\n\n",
]
FOOTERS = [
    "\n\n\n\nEnd of the Project Gutenberg EBook of The Old Mill, by Ann Author\n\n*** END OF THIS "
    "PROJECT GUTENBERG EBOOK THE OLD MILL ***\n\n***** This file should be named 99999.txt *****\n"
    "Updated editions will replace the previous one.\n\n*** START: FULL LICENSE ***\n\nblah\n",
    "\n\n\n\n***END OF THE PROJECT GUTENBERG EBOOK THE OLD MILL***\n\n\n******* This file should "
    "be named 99999.txt or 99999.zip *******\n\nblah\n",
    "\n\n\n\nEnd of The Project Gutenberg Etext of The Old Mill\n\nblah\n",
    '\n\n\n\nTRANSCRIBER\'S NOTES\n\nPage 4: "teh" changed to "the".\n\nPage 9: "adn"\n\n\n\n'
    "*** END OF THE PROJECT GUTENBERG EBOOK THE OLD MILL ***\n\nblah\n",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("footer", FOOTERS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_variant_of_header_and_footer_goes_and_the_book_stays(header, footer, line_end):
    book = read_plain((header + WRAPPED + footer).replace("\n", line_end))
    assert booktext.text(book) == "\n\n".join(BODY)
    assert (book.title.split(" A Tale")[0], book.author) == ("The Old Mill", "Ann Author")
    assert book.language == "fr"
    assert book.removed["gutenberg"] > 100


def test_a_book_of_another_origin_loses_nothing():
    assert out(WRAPPED) == "\n\n".join(BODY)


def test_two_files_in_one_keep_both_books():
    second = paragraphs(2, 6)
    text = (
        HEADERS[0] + WRAPPED + FOOTERS[0] + HEADERS[1] + "\n\n".join(map(wrap, second)) + FOOTERS[1]
    )
    assert out(text) == "\n\n".join(BODY + second)


def test_the_notice_inside_a_collection_goes():
    notice = "<<THIS ELECTRONIC VERSION OF THE WORKS IS\nCOPYRIGHT 1990 BY SOMEBODY.>>"
    text = HEADERS[0] + f"{WRAPPED}\n\n{notice}\n\n{WRAPPED}" + FOOTERS[0]
    assert out(text) == "\n\n".join(BODY + BODY)


def test_a_mention_of_the_project_in_a_book_is_no_marker():
    talk = "He said that Project Gutenberg had begun with a single file, and that it was good."
    assert talk in out("\n\n".join([*map(wrap, BODY), wrap(talk), *map(wrap, BODY)]))


@pytest.mark.parametrize("width", [55, 65, 72, 79])
def test_wrapped_prose_is_joined_at_any_width(width):
    text = "\n\n".join(wrap(paragraph, width) for paragraph in BODY)
    assert reflow.reflow(text) == "\n\n".join(BODY)


def test_prose_with_indented_first_lines_and_no_blank_lines_is_cut_and_joined():
    text = "\n".join("   " + wrap(paragraph, 68) for paragraph in paragraphs(3, 60))
    assert reflow.reflow(text).split("\n\n")[:40] == paragraphs(3, 60)[:40]


VERSE = """\
The lantern swung above the stone,
  And all the river lay asleep;
The keeper walked the bank alone,
  His promise and his watch to keep.

No bell was rung, no boat came down,
  No fire was lit upon the hill;
The night had folded up the town,
  And every wheel and wing was still."""


def test_verse_among_prose_keeps_its_lines():
    text = f"{WRAPPED}\n\n{textwrap.indent(VERSE, '    ')}\n\n{WRAPPED}"
    assert f"\n\n{VERSE}\n\n" in reflow.reflow(text)


def test_blank_verse_of_even_lines_keeps_them():
    lines = [
        f"The keeper {verb} along the silent river road" for verb in ("walked", "rowed", "rode")
    ]
    text = "\n".join(lines * 20)
    assert reflow.reflow(text) == text


@pytest.mark.parametrize(
    "block",
    [
        "1. The mill\n2. The river\n3. The market",
        "quitter,                to leave\nrevenir,                to come back",
        "THE MILL HOUSE,\nNear the Market,\n    5th May.",
        "KEEPER. Who is there?\nMILLER. A friend.\nKEEPER. Come in.",
    ],
)
def test_lists_tables_addresses_and_speeches_keep_their_lines(block):
    assert f"\n\n{block}\n\n" in reflow.reflow(f"{WRAPPED}\n\n{block}\n\n{WRAPPED}")


def test_words_cut_at_line_ends_follow_the_books_own_spelling():
    lines = [
        "The old keeper of the mill was a man whom nobody had seen in the after-",
        "noon light, and even the boy who was his friend had not, but the gate-",
        "keeper knew it, for he had a window on the market, and heard of the re-",
        "flow of the water. In the afternoon he heard a gatekeeper speak.",
    ]
    joined = reflow.reflow("\n".join(lines) + "\n\n" + WRAPPED)
    assert "afternoon light" in joined
    assert "the gatekeeper knew" in joined
    assert "the re-flow of" in joined


@given(
    st.lists(
        st.one_of(
            st.just(""),
            st.text(alphabet="abcAB ,.-—\t_[]1", max_size=90),
            st.sampled_from(WRAPPED.split("\n") + VERSE.split("\n")),
        ),
        max_size=60,
    )
)
def test_reflow_is_idempotent_and_keeps_the_letters(lines):
    text = "\n".join(lines)
    once = reflow.reflow(text)
    assert reflow.reflow(once) == once
    assert [c for c in once if c.isalpha()] == [c for c in text if c.isalpha()]


@pytest.mark.parametrize(
    ("marked", "clear"),
    [
        ("She _never_ said =that= word.", "She never said =that= word."),
        ("_Two words_, he said; _three\nwords now_.", "Two words, he said; three\nwords now."),
        ("a snake_case_name and ____ blanks", "a snake_case_name and ____ blanks"),
        ("[Illustration] Then it [Illustration: The mill [1]] ended.", " Then it  ended."),
        ("It ended[Pg 12] there {pg 3}.", "It ended there ."),
        ("[Transcriber's note: so in the book] It was.", " It was."),
        ("M^{r} Keeper", "Mr Keeper"),
        ("He saw[1] it.[2]\n\n[1] A mill.\n", "He saw it.[2]\n\nA mill.\n"),
        (
            "He saw[A] it.\n\n[Footnote A: A mill [sic] here.]\n",
            "He saw it.\n\nA mill [sic] here.\n",
        ),
        ("sic [1] without a note", "sic [1] without a note"),
        ("One.\n\n   * * * * *\n\nTwo.", "One.\n\n\n\n\nTwo."),
    ],
)
def test_transcribers_marks_go(marked, clear):
    assert bookmarks.clear(marked, Book()) == clear


def test_page_numbers_and_running_heads_go_and_sentences_close_over_them():
    pages = [
        f"and so the story went on\n\n{number}\n\nTHE OLD MILL  {number}\n\nuntil the night"
        for number in range(3, 11)
    ]
    text = bookmarks.clear("\n".join(pages), Book())
    assert not any(char.isdigit() for char in text)
    assert "went on\nuntil" in text
    assert bookmarks.clear("In\n\n1903\n\nit ended.", Book()) == "In\n\n1903\n\nit ended."


def test_numbers_of_chapters_and_poems_stay():
    for form in ("Chapter {}", "{}", "Sonnet {}", "THE KEEPER {}"):
        text = "\n\n".join(f"{form.format(n)}\n\n{VERSE}" for n in range(1, 12))
        assert all(f"{form.format(n)}\n\n" in bookmarks.clear(text, Book()) for n in range(1, 12))
    book = "\n\n".join(f"Chapter {n}\n\n{WRAPPED}" for n in (1, 2, 3, 4, 5, 7, 9))
    assert out(book).count("Chapter") == 7


CONTENTS = """\
CONTENTS

 I. THE MILL                        1
II. THE RIVER                      14
III. THE MARKET                    20
"""


@pytest.mark.parametrize(
    "contents",
    [
        CONTENTS,
        "CONTENTS.\n\nI. THE MILL\n\nII. THE RIVER\n\nIII. THE MARKET\n",
        "TABLE OF CONTENTS\n\nThe Mill\n\nThe River\n\nThe Market\n",
    ],
)
def test_contents_go_and_chapter_headings_stay_on_lines_of_their_own(contents):
    chapters = [
        f"{number}. {name}\n\n" + "\n\n".join(map(wrap, paragraphs(seed, 12)))
        for seed, number, name in (
            (1, "I", "THE MILL"),
            (2, "II", "THE RIVER"),
            (3, "III", "THE MARKET"),
        )
    ]
    text = out(f"THE OLD MILL\n\n{contents}\n\n\n" + "\n\n".join(chapters))
    assert "ontents" not in text.casefold()
    assert text.count("THE RIVER") == 1
    assert f"\n\nII. THE RIVER\n\n{paragraphs(2, 1)[0]}" in text
    assert "\n\nI. THE MILL\n\n" in text


def test_a_poem_behind_a_heading_called_contents_stays():
    text = out(f"CONTENTS\n\n{VERSE}\n\n{WRAPPED}")
    assert VERSE.split("\n\n")[0] in text


def test_an_index_goes():
    index = "\n\n".join(f"{word}, {n}, {n + 3}" for n, word in enumerate(WORDS.split()[:6], 5))
    assert out(f"{WRAPPED}\n\n{WRAPPED}\n\nINDEX\n\n{index}") == "\n\n".join(BODY + BODY)


def test_a_title_page_goes_and_gives_the_year_a_dedication_stays():
    front = (
        "THE OLD MILL\n\nBY ANN AUTHOR\n\nLONDON: GOOD & CO.\n1899\n\nTo my mother, who knew.\n\n"
    )
    book = read_plain(HEADERS[0] + front + "CHAPTER I\n\n" + WRAPPED + FOOTERS[0])
    text = booktext.text(book)
    assert text.startswith("To my mother, who knew.\n\nCHAPTER I\n\n")
    assert book.date == "1899"


def test_markdown_gives_facts_headings_and_plain_text():
    text = (
        "# Title: The Old Mill\n\n## Author: Ann Author\n\n## Year: 1899\n\n-------\n\n"
        "## Chapter I - The *Mill*\n\n"
        "See [the map](http://example.org/a_(b)) and ![x](y.png)**now**.\n\n"
        f"> _Quoted_ words\\*.\n\n{VERSE}\n\n{BODY[0]}\n"
    )
    book = read_markdown(text)
    assert (book.title, book.author, book.date) == ("The Old Mill", "Ann Author", "1899")
    assert booktext.text(book) == (
        "Chapter I - The Mill\n\nSee the map and now.\n\nQuoted words*.\n\n"
        + VERSE
        + f"\n\n{BODY[0]}"
    )


def test_yaml_front_matter_gives_facts():
    book = read_markdown(
        f'---\ntitle: "The Old Mill"\nauthor: Ann Author\nlang: nl\n---\n\n{BODY[0]}\n'
    )
    assert (book.title, book.author, book.language) == ("The Old Mill", "Ann Author", "nl")
    assert booktext.text(book) == BODY[0]


@given(st.text(alphabet="ab1 \n[]{}_*<>#-=.~^|\\:IV", max_size=300))
def test_any_text_is_read(text):
    assert isinstance(out(text), str)
    assert isinstance(booktext.text(read_markdown(text)), str)


@pytest.mark.parametrize(
    "part",
    [
        "[Illustration ", "[Footnote 1: [a\n", "_a ", "[[", "THE MILL 12\n", "1", "*", " ", "\t",
        "> ",
        "CONTENTS\n\n", "INDEX\n\n", "CONTENTS\n\nI. A 1\n\n", "   Abc\nabc\n", "after-\n", "[a](",
        "*** START OF THE PROJECT GUTENBERG \n", "<<THIS ELECTRONIC VERSION\n",
    ],
)  # fmt: skip
def test_hostile_repetition_takes_no_more_than_linear_time(part):
    begin = time.process_time()
    text = part * (20_000 // len(part))
    out(text)
    booktext.text(read_markdown(text))
    # A quadratic step takes minutes at this size; the limit is for slow machines.
    assert time.process_time() - begin < 10
