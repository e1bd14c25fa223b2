"""Books in HTML, XHTML, EPUB and TEI."""

import io
import textwrap
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.book import booktext
from pipeline.book.bookhtml import read_html
from pipeline.book.bookmarkup import UnreadableError
from pipeline.book.booktei import read_tei
from pipeline.book.epub import read_epub

PROSE = (
    "The keeper of the old mill walked home along the river under the stars, and he carried a "
    "lantern that his mother had left him, for the night was dark and the road was long."
)


def html(body: str, head: str = "<title>The Old Mill, by Ann Author</title>") -> str:
    return f"<html lang='en'><head>{head}</head><body>{body}</body></html>"


def text(body: str, head: str = "") -> str:
    return booktext.text(read_html(html(body, head)))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("<p>One\n  two <i>three</i>.</p><p>Four.</p>", "One two three.\n\nFour."),
        ("<h2>I<br>THE MILL</h2><p>One.</p>", "I THE MILL\n\nOne."),
        ("<p>Dear Ann,<br/>come home.</p>", "Dear Ann,\ncome home."),
        ("<pre>  a b\n    c\n</pre>", "a b\n  c"),
        ("<div>One<p>two</p>three</div>", "One\n\ntwo\n\nthree"),
        ("<ul><li>One</li><li>Two</li></ul>", "One\nTwo"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "a  b\nc  d"),
        (
            "<div class='stanza'><div class='verse'>One,</div>"
            "<div class='verse i2'>two</div></div>",
            "One,\ntwo",
        ),
        (
            "<div class='poem'><span class='i0'>One,<br/></span>"
            "<span class='i2'>two<br/></span></div>",
            "One,\ntwo",
        ),
        ("<p>On<span class='pagenum'>[Pg 12]</span>e.</p>", "One."),
        ("<p>So<a class='fnanchor' href='#Footnote_1'>[1]</a> it was.</p>", "So it was."),
        ("<p>So<a href='#fn1'><sup>1</sup></a> it was.</p>", "So it was."),
        ("<p>Mill, <a href='#Page_12'>12</a></p>", "Mill, 12"),
        ("<p>One.</p><div class='figcenter'><img src='a.png'><p>A mill.</p></div>", "One."),
        ("<p>One.</p><div class='transnote'><p>Typos were corrected.</p></div>", "One."),
        ("<p>One.</p><p style='display: none'>x</p><p hidden>y</p>", "One."),
        ("<p>A&nbsp;B &amp; C&mdash;D</p>", "A B & C—D"),
        ("<p>One<script>var x = '<p>';</script>.</p><style>p {}</style>", "One."),
        ("<div class='footnotes'><p>A note.</p></div>", "A note."),
    ],
)
def test_html_becomes_paragraphs_lines_and_headings(body, wanted):
    assert text(body) == wanted


def test_an_element_called_like_a_page_number_that_holds_the_book_stays():
    assert PROSE in text(f"<span class='pagenum'>[Pg 1]<p>{PROSE}</p></span>")


def test_what_the_style_sheet_hides_goes_but_not_on_other_devices():
    style = "<style>p.gone { display: none } @media handheld { .kept { display: none } }</style>"
    assert text("<p class='gone'>x</p><p class='kept'>y</p>", style) == "y"


def test_the_head_gives_facts():
    book = read_html(html("<p>x</p>"))
    assert (book.title, book.author, book.language) == ("The Old Mill", "Ann Author", "en")


@pytest.mark.parametrize("tag", ["pre", "p"])
def test_the_boilerplate_of_project_gutenberg_goes_from_html(tag):
    head = (
        f"<{tag}>The Project Gutenberg EBook of The Old Mill, by Ann Author</{tag}>"
        f"<{tag}>Title: The Old Mill</{tag}><{tag}>Author: Ann Author</{tag}>"
        f"<{tag}>*** START OF THIS PROJECT GUTENBERG EBOOK THE OLD MILL ***</{tag}>"
        f"<{tag}>Produced by Somebody</{tag}>"
    )
    foot = (
        f"<{tag}>End of Project Gutenberg's The Old Mill\n\n*** END OF THIS PROJECT GUTENBERG "
        f"EBOOK THE OLD MILL ***\n\nblah</{tag}><p>more</p>"
    )
    book = read_html(f"<body>{head}<h2>CHAPTER I</h2><p>{PROSE}</p><p>{PROSE}!</p>{foot}</body>")
    assert booktext.text(book) == f"CHAPTER I\n\n{PROSE}\n\n{PROSE}!"
    assert (book.title, book.author) == ("The Old Mill", "Ann Author")


def test_sections_of_boilerplate_go_and_give_facts():
    page = (
        "<section class='pg-boilerplate pgheader' id='pg-header'><h2>The Project Gutenberg eBook "
        "of The Old Mill</h2><div>This eBook is for the use of anyone anywhere.</div>\n"
        "<p>\nTitle: The Old Mill\n</p><p>\nAuthor: Ann Author\n</p></section>"
        f"<p>{PROSE}</p><section class='pg-boilerplate pgfooter' id='pg-footer'>blah</section>"
    )
    book = read_html(html(page, "<title>x | y</title>"))
    assert booktext.text(book) == PROSE
    assert (book.title, book.author) == ("The Old Mill", "Ann Author")


def test_a_book_that_is_one_preformatted_element_is_read_as_plain_text():
    wrapped = "\n\n".join([textwrap.fill(PROSE, 60)] * 40)
    assert text(f"<pre>{wrapped}</pre>").startswith(f"{PROSE}\n\n{PROSE}")


def test_xhtml_front_matter_goes():
    page = (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
        'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>Imprint</title></head>'
        '<body epub:type="frontmatter"><section epub:type="{}"><p>x</p></section></body></html>'
    )
    assert booktext.text(read_html(page.format("imprint"))) == ""
    assert booktext.text(read_html(page.format("preface"))) == "x"


def test_deep_nesting_neither_crashes_nor_loses_what_stands_before_it():
    assert "One." in text("<p>One.</p>" + "<div><b>" * 20_000 + "x")


@pytest.mark.parametrize("reader", [read_html, read_tei])
def test_entity_bombs_are_rejects(reader):
    bomb = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><TEI><p>&b;</p></TEI>'
    with pytest.raises(UnreadableError, match="xml_entities"):
        reader(bomb)


TEI = """<?xml version="1.0" encoding="UTF-8"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0" xml:lang="fr"><teiHeader><fileDesc><titleStmt>
<title>Le Moulin : édition numérique</title><author>Auteur, Anne (1800-1850)</author></titleStmt>
<sourceDesc><bibl type="printSource"><title>Le Moulin</title><date>1899</date></bibl>
<bibl type="firstEdition"><date>1888</date></bibl></sourceDesc></fileDesc></teiHeader>
<text><front><titlePage><p>LE MOULIN</p></titlePage></front><body>
<div type="chapter"><head>I</head><p>Le <hi rend="i">vieux</hi> moulin<note>Une note.</note>
<pb n="3"/>tourne<lb/>encore.</p><lg><l>Un vers,</l><l>un autre.</l></lg>
<sp><speaker>ANNE.</speaker><p>Viens <choice><sic>issi</sic><corr>ici</corr></choice>.</p></sp>
</div>
</body><back><div type="notes"><note>Une note finale.</note></div></back></text></TEI>"""


def test_tei_gives_text_and_facts():
    book = read_tei(TEI)
    assert booktext.text(book) == (
        "I\n\nLe vieux moulin tourne encore.\n\nUn vers,\nun autre.\n\nANNE.\nViens ici.\n\n"
        "Une note finale."
    )
    assert (book.title, book.author) == ("Le Moulin", "Auteur, Anne")
    assert (book.date, book.language) == ("1888", "fr")


@pytest.mark.parametrize(
    ("markup", "reason"), [("<TEI><p>", "xml"), ("<html/>", "xml_not_tei"), ("", "xml")]
)
def test_what_is_no_tei_is_a_reject(markup, reason):
    with pytest.raises(UnreadableError, match=reason):
        read_tei(markup)


def epub(files: dict[str, str] | None = None, *, spine: str = "", metadata: str = "") -> bytes:
    """Return an EPUB of three chapters, with some files replaced; an empty one is left out."""
    chapters = {
        f"OEBPS/text/{n}.xhtml": f"<html><body><h2>{n}</h2><p>Chapter {n}. {PROSE}</p>"
        "</body></html>"
        for n in (1, 2, 3)
    }
    items = "".join(
        f'<item id="c{n}" href="text/{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in (1, 2, 3)
    )
    spine = spine or "".join(f'<itemref idref="c{n}"/>' for n in (2, 1, 3))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>The Old Mill</dc:title>'
        "<dc:creator>Ann Author</dc:creator><dc:language>en-GB</dc:language>"
        f"<dc:date>1899-05-01</dc:date>{metadata}</metadata><manifest>{items}</manifest>"
        f"<spine>{spine}</spine></package>"
    )
    content = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OEBPS/a.opf"/>'
        "</rootfiles></container>",
        "OEBPS/a.opf": package,
        **chapters,
        **(files or {}),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            if value:
                archive.writestr(zipfile.ZipInfo(name), value)
    return buffer.getvalue()


def test_an_epub_is_read_in_the_order_of_its_spine():
    book = read_epub(epub(), max_bytes=1 << 20)
    order = [line[:10] for line in booktext.text(book).split("\n") if line.startswith("Chapter")]
    assert order == ["Chapter 2.", "Chapter 1.", "Chapter 3."]
    assert (book.title, book.author) == ("The Old Mill", "Ann Author")
    assert (book.language, book.date) == ("en-GB", "1899")


def test_an_epub_without_a_container_is_read_by_its_package():
    assert booktext.text(read_epub(epub({"META-INF/container.xml": ""}), max_bytes=1 << 20))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK\x03\x04 no zip", "epub_zip"),
        (epub()[:-200], "epub_zip"),
        (epub({"OEBPS/text/1.xhtml": ""}), "epub_missing_file"),
        (epub({"META-INF/container.xml": "", "OEBPS/a.opf": ""}), "epub_container"),
        (epub(spine="<itemref/>"), "epub_empty"),
        (epub({"OEBPS/text/1.xhtml": "<p>" + "a" * (2 << 20)}), "too_large"),
        (epub({"OEBPS/a.opf": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}), "xml_entities"),
        (
            epub(
                {
                    "META-INF/encryption.xml": '<e><EncryptionMethod Algorithm="http://www.w3.org/'
                    '2001/04/xmlenc#aes128-cbc"/></e>'
                }
            ),
            "encrypted",
        ),
    ],
)
def test_a_bad_epub_is_a_reject(data, reason):
    with pytest.raises(UnreadableError, match=reason):
        read_epub(data, max_bytes=1 << 20)


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=8))
def test_a_mutated_epub_is_read_or_rejected(at, noise):
    data = bytearray(epub())
    data[at % len(data) : at % len(data) + len(noise)] = noise
    with suppress(UnreadableError):
        read_epub(bytes(data), max_bytes=1 << 20)


@given(st.text(alphabet="<>/ abdiprv=\"'&;!-\n\0", max_size=200))
def test_any_markup_is_read_or_rejected(markup):
    for reader in (read_html, read_tei):
        with suppress(UnreadableError):
            booktext.text(reader(markup))
