# ruff: noqa: E501 - tables of cases, one to a line
import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.wiki import formulas
from pipeline.wiki.dump import Page, pages
from pipeline.wiki.template_numbers import grouped
from pipeline.wiki.templates import TEMPLATES, render
from pipeline.wiki.wikilines import num_bytes
from pipeline.wiki.wikitext import plain_text

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
        ("* ''{{unknown}}'' (UK)\n* '''{{unknown}}''' or ''b''", "or b"),
        ("Algae ({{IPAc-en|ˈ|æ|l|i|,_|ˈ|æ|ɡ|i}}) are.", "Algae (/ˈæli, ˈæɡi/) are."),
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
        ("{{convert|2+1/2|mi|km|sp=us}}, {{convert|1.5|km/h}}", "2 1/2 miles, 1.5 kilometres per hour"),
        ("{{convert|100|x|50|m|ft}} {{convert|5|-|7|in}} {{convert|5|e6acre}}", "100 by 50 metres 5–7 inches 5 million acres"),
        ("{{convert|10|ft|m|adj=mid|-tall}} {{convert|3|sqmi|sp=us|abbr=on}}", "10-foot-tall 3 sq mi"),
        ("{{convert|300|hp|kW|0|abbr=on}} {{convert|40|/sqmi}} {{convert|1|short ton}}", "300 hp 40 per square mile 1 short ton"),
        ("{{val|1.2|+0.3|-0.4|u=%}} {{gaps|3|141|592}} {{ordinal|22}} {{ordinal|11}}", "1.2 (+0.3, -0.4)% 3 141 592 22nd 11th"),
        ("{{percentage|1|4|1}} {{pop density|1000|8|km2|sqmi}} {{INRConvert|1.5|c}}", "25.0% 125.0/km² ₹1.5 crore"),
        ("{{chem2|Fe2O3}} 10{{sup|6}} 5{{e|-3}} x{{sub|2}} {{£sd|l=5|s=3|d=2}}", "Fe₂O₃ 10⁶ 5×10⁻³ x₂ £5 3s 2d"),
        ("{{langx|de|Katze}}, {{lang-fr|chat|lit=cat}}, {{lang-el|x|label=none}}", "German: Katze, French: chat, lit. 'cat', x"),
        ("{{age|1950|3|4|2000|1|2}} {{age in days|1950|3|4|1950|3|14}}", "49 10"),
        ("{{death year and age|2000|1950}} {{reign|1066|1087}} {{floruit|1200}}", "2000 (aged 49–50) r. 1066–1087 fl. 1200"),
        ("{{OldStyleDate|February 2|1905|January 20}} {{date|2009-01-02|dmy}} {{nbay|1999}}", "February 2 [O.S. January 20] 1905 January 2, 2009 1999–00"),
        ("{{ship|HMS|Victory|1765}} {{sclass|Nimitz|aircraft carrier}} {{OV|103}}", "HMS Victory (1765) Nimitz-class aircraft carrier Discovery"),
        ("{{bibleverse||Mark|3:25}} {{bibleref|Mark|3|25}} {{cite quran|29|46}}", "Mark 3:25 Mark 3:25 Quran 29:46"),
        ("{{harvtxt|Boole|Jones|1974}}, {{harvnb|Boole|1974|p=3}}", "Boole & Jones (1974), Boole 1974"),
        ("at {{coord|31|50|N|37|17|W}}, {{audio|x.ogg|word}}, {{IPAslink|ʃ}}", "at 31°50′N 37°17′W, word, /ʃ/"),
        ("{{coord|31|50|N|37|17|W|display=title}}\nText.", "Text."),
        ("{{ucfirst:word}} {{lc:WORD}} {{plural:2|cat|cats}} {{nihongo2|猫}}", "Word word cats 猫"),
        ("It is {{sic|te|h}} {{linktext|a|b}} {{hlist|x|y}} {{ill|Name|de|Nom|lt=shown}}", "It is teh ab x · y shown"),
        ("Word {{Vol-lv|Andu kaķis}}, {{ألمانية|Großer}}, {{unknown|en|two words}}.", "Word Andu kaķis, Großer, two words."),
        ("Word{{unknown|two words}}, {{unknown|DEU}} x, {{unknown|a.png}} y, {{sfn|Toy|2010}} z.", "Word, x, y, z."),
        ("ore.<ref>x</ref>Albania it{{cn}}is, 语<ref>x</ref>言", "ore. Albania it is, 语言"),
        ("a -{zh-hans:软; zh-hant:軟}- b -{THF}- c", "a 软 b THF c"),
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
    ("markup", "language", "expected"),
    [
        ("né le {{date|17|janvier|1709}}, {{unité|100|km}}, {{s|XIX|e}}, {{1re}} éd., {{IVe siècle}}", "fr", "né le 17 janvier 1709, 100 km, XIXe siècle, 1re éd., IVe siècle"),
        ("la {{daton|17|januaro|1709}}", "eo", "la 17-an de januaro 1709"),
        ("es {{formatnum:1234567.5}} {{lang|fr|chat}}", "es", "es 1.234.567,5 chat"),
        ("x {{formatnum:1234567}}", "fr", "x 1 234 567"),
        ("текст {{langi|lt|Vytautas}} и {{нп3|Имя|Имя|en|Name}}", "ru", "текст Vytautas и Имя"),
        ("{{読み仮名|漢字|かんじ}}は{{仮リンク|甲|en|A}}。{{要出典|date=2010年}}", "ja", "漢字（かんじ）は甲。"),
        ("人（{{bd|1950年|1月2日|2000年|3月4日}}）", "zh", "人（1950年1月2日-2000年3月4日）"),
        ("asi {{km|70|m}} od", "sk", "asi 70 m od"),
        ("segons {{segle|XIII|s}}", "ca", "segons segle XIII"),
        ("temperatura {{TA|40 °C}} e {{M|5|u=km}}", "it", "temperatura 40 °C e 5 km"),
    ],
)  # fmt: skip
def test_templates_of_other_languages(markup: str, language: str, expected: str):
    assert text(markup, language=language) == expected


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("x_1 \\le \\frac{a}{b}", "x₁ ≤ a/b"),
        ("\\alpha", "α"),
        ("E = mc^2", "E = mc²"),
        ("\\frac{n+1}{2}", "(n+1)/2"),
        ("\\sum_{i=1}^n x_i", "∑_(i=1)ⁿ x_i"),
        ("\\begin{matrix}a\\end{matrix}", None),
        ("{x", None),
        ("x}", None),
        ("\\frac", None),
        ("x^", None),
        ("x" * 201, None),
        ("{" * 100 + "}" * 100, None),
    ],
)
def test_formulas_as_text(latex: str, expected: str | None):
    assert formulas.plain(latex) == expected


@given(st.text("\\{}^_ax1 =", max_size=40))
def test_no_formula_raises(latex: str):
    assert formulas.plain(latex) is None or "\\" not in str(formulas.plain(latex)).replace("∖", "")


def test_holes_are_counted_and_what_shows_nothing_is_none():
    extraction = plain_text(
        "A toy {{convert|5|km}} {{inflation|US|5|1929}} {{cn}} x{{sfn|A|1}} is.\n{{Infobox|a=b}}\n"
        "* {{flagicon|Peru}} [[a]] {{x y z}} b",
        title="T",
    )
    assert (extraction.num_inline, extraction.num_holes) == (3, 2)
    assert plain_text("One. Two! Three?", title="T").num_sentences == 3


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
    num_less = num_bytes(markup) - num_bytes(extraction.text)
    assert sum(extraction.removed.values()) == num_less
    assert all(size > 0 for kind, size in extraction.removed.items() if kind != "markup")
    assert 0 <= extraction.num_holes <= extraction.num_inline
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
    began = time.process_time()
    text(markup)
    assert time.process_time() - began < 20  # seconds; what is quadratic takes hours


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
