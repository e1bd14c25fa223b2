# ruff: noqa: E501 - tables of cases, one to a line
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.dump import Page, pages
from pipeline.template_numbers import grouped
from pipeline.templates import TEMPLATES, render
from pipeline.wikitext import plain_text

REAL = Path(__file__).parents[2] / "../shared/data/wikipedia"


def text(markup: str, **options: object) -> str:
    return plain_text(markup, title="Toy page", **options).text  # pyright: ignore


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("", ""),
        ("Plain prose, with (brackets) and 1,000.5 numbers.",) * 2,
        ("'''Bold''' and ''italic'' and '''''both''''' and l''''amour'''.", "Bold and italic and both and l'amour."),
        ("A [[cat]], [[dog|dogs]], [[tree]]s, [[Paris (Texas)|]].", "A cat, dogs, trees, Paris."),
        ("[[File:A.jpg|thumb|200px|A [[cat]] with {{convert|5|kg}}]]Text.", "Text."),
        ("[[Datei:A.jpg|mini|200px|Katze]] Text [[:File:A.jpg]].", "Text File:A.jpg."),
        ("[[Файл:A|мини|Кот]]Text [[Bild:b.JPG|Katze]] [[Star Trek: X|X]].", "Text X."),
        ("Text.\n\n[[Category:Cats|Tom]]\n[[fr:Chat]]\n[[simple:Cat]]", "Text."),
        ("See [http://a.example the site], [http://b.example] and [//c.example c].", "See the site, and c."),
        ("It is[1] [sic] so.", "It is[1] [sic] so."),
        ("One.<ref>A [[b]] {{c}}</ref> Two.<ref name=x /> Three.<REF name=y>z</REF>", "One. Two. Three."),
        ("a<!-- [[ {{ -->b<!-- open to the end", "ab"),
        ("Use <nowiki>[[x]] ''y'' &amp;</nowiki> <code>print</code>.", "Use [[x]] ''y'' & print."),
        ("H<sub>2</sub>O, 10<sup>6</sup>, 1<sup>st</sup>, x<sub>ij</sub>", "H₂O, 10⁶, 1st, xij"),
        ("Let <math>x + y</math> be.", "Let x + y be."),
        ("Let <math>\\frac{a}{b}</math> be <math>\\begin{matrix}</math>.", "Let a/b be."),
        ("{| class=x\n! a !! b\n|-\n| {{c|d}} || [[e|f]]\n|}\nText.", "Text."),
        ("{|\n| a\n{|\n| b\n|}\n|}\nText.", "Text."),
        ("{{Infobox\n| a = {|\n| b\n|}\n| c = [[d|e]]\n|}}\nText.", "Text."),
        ("A {{{param|default}}} and {{{none}}}.", "A default and."),
        ("== History ==\nText.\n=== Old times===\nMore.", "History\n\nText.\n\nOld times\n\nMore."),
        ("Text.\n== Empty ==\n== Full ==\nMore.", "Text.\n\nFull\n\nMore."),
        ("Text.\n== See also ==\n* [[A]]\n=== Sub ===\n* b\n== Later ==\nMore.", "Text.\n\nLater\n\nMore."),
        ("Text.\n==''REFERENCES''==\n{{reflist}}\nNote.", "Text."),
        ("Items:\n* one\n** two\n# three\n; term : gloss\nEnd.", "Items:\n\none\ntwo\nthree\nterm : gloss\n\nEnd."),
        ("One\nline.\n\nTwo<br/>lines.", "One line.\n\nTwo\nlines."),
        ("__NOTOC__\n----\nText.~~~~", "Text."),
        ("Caf&eacute;&nbsp;au&#32;lait &lt;3 &amp;c", "Café au lait <3 &c"),
        ("He was born ({{unknown}}; {{lang|fr|Jean}}) at {{unknown}}, Alabama .", "He was born (Jean) at Alabama."),
        ("A length of {{unknown}}. It ({{unknown}} years ago) is so (${{inflation|US|5}} today).", "A length. It is so."),
        ("It ({{unknown}}) is ( , ) {{unknown}} here.", "It is here."),
        ("Stray }} and ]] and |} here.", "Stray and and |} here."),
        ("<gallery>\nA.jpg|x\n</gallery><poem>Roses\nred</poem>", "Roses red"),
        ("{{PAGENAME}} is.", "Toy page is."),
    ],
)  # fmt: skip
def test_markup(markup: str, expected: str):
    assert text(markup) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("{{convert|1300|mi|km}}", "1,300 miles"),
        ("{{convert|1|mi|km|abbr=on}}", "1 mi"),
        ("{{convert|5|to|10|km|mi}}", "5 to 10 kilometres"),
        ("{{convert|5|ft|10|in|cm}}", "5 feet 10 inches"),
        ("{{convert|3|mi|km|adj=on}}", "3-mile"),
        ("{{cvt|20|C}}", "20 °C"),
        ("{{val|1234.5|0.5|e=-6|u=kg}}", "1,234.5 ± 0.5×10⁻⁶ kg"),
        ("{{formatnum:1234567}}", "1,234,567"),
        ("{{nowrap|a [[b|c]]}}", "a c"),
        ("{{lang|fr|chat}} {{lang-de|Katze}} {{lang-xyz|q}}", "chat German: Katze q"),
        ("{{transl|ru|koshka}}", "koshka"),
        ("{{nihongo|'''Cat'''|猫|neko}}", "Cat (猫, neko)"),
        ("{{birth date|1990|5|3}}", "May 3, 1990"),
        ("{{Birth_date  and age|1990|5|3|df=yes}}", "3 May 1990"),
        ("{{death date and age|2000|1|2|1950|3|4}}", "January 2, 2000 (aged 49)"),
        ("{{start date|1990|5}}", "May 1990"),
        ("{{circa|1900}}", "c. 1900"),
        ("{{as of|2010|5}} and {{as of|2010|lc=y}}", "As of May 2010 and as of 2010"),
        ("{{frac|3|1|2}} {{sfrac|1|2}} {{frac|4}}", "3 1/2 1/2 1/4"),
        ("{{ill|Name|de|Name}}", "Name"),
        ("{{abbr|Dr.|Doctor}} {{small|x}} {{sic|teh}}", "Dr. x teh"),
        ("a{{ndash}}b{{snd}}c{{mdash}}d", "a–b – c—d"),
        ("{{IPAc-en|k|ae|t}} {{respell|KAT|er}} {{IPA-de|katsə|lang}}{{age|1990|1|1}}{{CURRENTYEAR}}", "/kaet/ KAT-er [katsə]"),
        ("Said:\n{{quote|Words, words.|Hamlet|Act 2}}\nEnd.", "Said:\n\nWords, words. — Hamlet, Act 2\n\nEnd."),
        ("{{zh|c=貓|p=māo}}", "Chinese: 貓; pinyin: māo"),
        ("{{chem|H|2|O}} {{USS|Enterprise|CVN-65}} {{flag|Peru}}{{flagicon|Peru}}", "H₂O USS Enterprise (CVN-65) Peru"),
        ("{{nowrap|1=a=b}}", "a=b"),
    ],
)  # fmt: skip
def test_templates(markup: str, expected: str):
    assert text(markup) == expected


def test_what_is_removed_is_counted_once():
    markup = "a{{t|<ref>b</ref>[[File:c]]}}b<ref>{{y}}</ref><!-- c -->\n== Notes ==\n* n"
    removed = plain_text(markup, title="").removed
    assert removed == {"template": 28, "reference": 16, "comment": 10, "section": 16}
    assert sum(removed.values()) + len("ab") == len(markup)


def test_every_template_bears_missing_arguments():
    for name in TEMPLATES:
        for arguments in (
            [],
            [""],
            ["x"],
            ["1", "2", "3", "4"],
            ["9" * 50],
            ["1=a", "df=y", "=", "b=c"],
        ):
            assert isinstance(render(name, arguments), str | None)


@pytest.mark.parametrize(
    ("number", "expected"),
    [("1", "1"), ("999", "999"), ("1000", "1,000"), ("-1234567.25", "-1,234,567.25"), ("x", "x")],
)
def test_grouped(number: str, expected: str):
    assert grouped(number) == expected


PIECES = st.lists(
    st.sampled_from(
        [
            "{{", "}}", "{{{", "}}}", "[[", "]]", "[http://x ", "]", "|", "{|", "|}", "\n", "\n{|",
            "\n|}", "<ref>", "</ref>", "<nowiki>", "<!--", "-->", "<sup>", "</sup>", "==", "''", "a",
            " ", "=", "File:", "\n* ", "\n== See also ==\n", "&amp;", "<math>", "convert", "(", ")",
            ",", "3", "km", "\U0010ff5b",
        ]
    ),
    max_size=40,
)  # fmt: skip


@given(PIECES.map("".join) | st.text(max_size=60))
@example("[[a|{{b]] c }} d")
def test_nothing_raises_and_no_structure_is_left(markup: str):
    extraction = plain_text(markup, title="T")
    if "nowiki" not in markup and "&" not in markup:
        assert "[[" not in extraction.text
        assert "{{" not in extraction.text
    assert "\n\n\n" not in extraction.text


@st.composite
def balanced(draw: st.DrawFn) -> str:
    leaf = st.sampled_from(["a", "b ", "c. ", "1990", "\n\n"])
    tree = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map("".join),
            inner.map("[[x|{}]]".format),
            inner.map("{{{{nowrap|{}}}}}".format),
            inner.map("{{{{drop|{}}}}}".format),
            inner.map("[http://x {}]".format),
            inner.map("<ref>{}</ref>".format),
            inner.map("''{}''".format),
        ),
        max_leaves=6,
    )
    return draw(tree)


@given(balanced())
def test_balanced_markup_leaves_nothing_behind(markup: str):
    assert not re.search(r"\[\[|\]\]|\{|\}|\||<|>|http|nowrap|drop", text(markup))


@given(st.lists(st.text("abcdé 12,.()?!", max_size=30), max_size=5))
def test_prose_stays_as_it_is(lines: list[str]):
    once = text("\n\n".join(lines))
    assert text(once) == once


DEEP = 10_000


@pytest.mark.parametrize(
    "markup",
    [
        "{{" * DEEP + "x" + "}}" * DEEP,
        "{{nowrap|x" * DEEP + "}}" * DEEP,
        "[[a|" * DEEP + "]]" * DEEP,
        "[[a|{{" * DEEP,
        "{{{x|" * DEEP + "}}}" * DEEP,
        "<ref>" * 10 * DEEP,
        "<sup>" * DEEP + "]]" * DEEP,
        "{{" + "[http://x " * DEEP + "]]" * DEEP,
        "\n{|" * DEEP + "\n|}" * DEEP,
        "[[a" * 10 * DEEP,
        "<!--" * 10 * DEEP,
        "'" * 100 * DEEP,
        "=" * 100 * DEEP,
        "(" * 10 * DEEP + "," * 10 * DEEP,
        "( , " * 10 * DEEP,
        " ." * 10 * DEEP,
        "&amp" * 10 * DEEP,
        "<a " * 10 * DEEP,
        "\n*" * 10 * DEEP,
        "|" * 100 * DEEP,
    ],
    ids=lambda markup: repr(markup[:12]),
)
def test_hostile_markup_takes_linear_time(markup: str):
    text(markup)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"real dumps are not at {REAL}")
def test_real_articles_leave_no_markup():
    import bz2

    num_articles = num_chars = 0
    left: dict[str, int] = {}
    with bz2.open(REAL / "enwiki-p10-shortened.xml.bz2") as file:
        for page in pages(iter(lambda: file.read(2**16), b"")):
            if not isinstance(page, Page) or page.namespace or page.redirect:
                continue
            prose = plain_text(page.text, title=page.title).text
            num_articles += 1
            num_chars += len(prose)
            for sign in (
                "[[",
                "]]",
                "{{",
                "}}",
                "''",
                "<ref",
                "&nbsp;",
                "File:",
                "() ",
                " , ",
                "  ",
                "==",
            ):
                left[sign] = left.get(sign, 0) + prose.count(sign)
    assert num_articles == 106
    assert num_chars > 2_500_000
    assert {sign: count for sign, count in left.items() if count} == {}
