import hashlib
import itertools
import json
import random
import time
from pathlib import Path

import ftfy
import pytest
import zstandard
from ftfy.badness import BADNESS_RE, MOJIBAKE_CATEGORIES
from ftfy.fixes import remove_control_chars
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.text import clean, clean_kernel
from pipeline.text.clean import clean_text, clean_text_plainly

REAL = Path(__file__).parents[2] / "../shared/data/unicode"
BENCH = REAL.with_name("bench")

# Characters that the heuristics of ftfy look at, and the ASCII that they look at beside them.
HOT = sorted(
    {category[0] for category in MOJIBAKE_CATEGORIES.values()}
    | {char for char in BADNESS_RE.pattern if not char.isascii()}
)
ODD = (
    "\t\n\r\v\f\x00\x1b\x85\x1c\x7f\xa0\xad\u200b\u200c\u200d"
    "\u2028\u2029\ufeff\ufffd\ufffc\u0301\ud83d\ude00&;<#ampltgAMPLTx0126838[m "
)
ODD_TEXT = st.one_of(
    st.text(st.sampled_from(sorted({*HOT, *ODD, *"aZ.,?"})), max_size=40),
    st.text(max_size=40),
    st.text(st.characters(max_codepoint=0x2FF), max_size=30),
)


def mojibake(text: str, encoding: str) -> str:
    return text.encode().decode(encoding, errors="replace")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("plain", "plain"),
        (
            "one\r\ntwo\rthree\vfour\ffive\u2028six\u2029seven",
            "one\ntwo\nthree\nfour\nfive\nsix\nseven",
        ),
        ("wait\x85 what", "wait… what"),
        ("naÃ¯ve cafÃ©", "naïve café"),
        ("one line\nlâ€™Ã©tÃ©\nÃ la carte", "one line\nl’été\nà la carte"),
        ("“curly” ‘quotes’ ﬁne ｆｕｌｌ 10³ ½ …", "“curly” ‘quotes’ ﬁne ｆｕｌｌ 10³ ½ …"),
        ("e\u0301 and A\u030a", "é and Å"),
        ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),
        ("a&amp;b &lt;i&gt; &eacute;", "a&b <i> é"),
        ("<b>a &amp; b</b>", "<b>a &amp; b</b>"),
        ("\x1b[31mred\x1b[0m \x00nul\ufeff \ud83d\ude00 \ud800", "red nul 😀 \ufffd"),
        ("a\tb\xa0c\u202fd\u3000e", "a b c d e"),
        ("x  \n\n\n\n  y \t\n\n\n", "x\n\n  y"),
        ("  indented   text", "  indented   text"),
        ("\n \n", ""),
    ],
)
def test_rules(before: str, after: str):
    assert clean_text(before) == after


@given(ODD_TEXT)
@example("a\n\n \n&#10;&#10;&nbsp;&#13;b")
@example("&&#97;mp;lt;")
@example("xÂ\xa0Â \n^Ã\xa0")
@example("œ\nœ")
@example("#\nÂ y, and 1\n\nÃ la")
@example("#\r\nÂ y")
@example("#\u2028Â y")
@example("&am\ufeffp; Ã\ufeff© e\ufeff\u0301 \ufeff\n\x00\n\r\x01\n")
@example("Ã\ufeff©")
@example("mÃ\u2000 am")
@example("e\ufeff\u0301")
@example("&am\ufeffp;")
def test_the_fast_path_equals_ftfy(text: str):
    assert clean_text(text) == clean_text_plainly(text)
    assert clean._repair(text) == ftfy.fix_text(text, clean._CONFIG)


@given(
    st.text("éèüßñçÀÉ’“”–…€ абвГΩж中\nabc ", max_size=30),
    st.sampled_from(["latin-1", "cp1252", "cp1251", "cp1250", "cp1253", "cp1257", "mac_roman"]),
    st.text("aé \n", max_size=5),
)
def test_the_fast_path_equals_ftfy_on_mojibake(text: str, encoding: str, around: str):
    broken = around + mojibake(text, encoding) + around
    assert clean_text(broken) == clean_text_plainly(broken)


@given(ODD_TEXT)
def test_cleaning_is_idempotent(text: str):
    once = clean_text(text)
    assert clean_text(once) == once
    assert "\r" not in once
    assert "\n\n\n" not in once
    assert " \n" not in once


def test_every_match_of_the_heuristic_holds_a_tell_tale():
    """All pairs, and a seeded sample of triples and more, of what the heuristic knows."""
    find = clean._tell_tales().search
    known = clean._members("".join(MOJIBAKE_CATEGORIES.values()))
    assert len(known) > 400
    ascii_part = " a.Z\n°"
    rng = random.Random(1)
    sample = [*known, *ascii_part * 40, *HOT * 4]
    # One string with every pair in it: every match in it must touch a tell-tale.
    pairs = "".join(map("".join, itertools.product([*known, *HOT, *ascii_part], repeat=2)))
    longer = "".join(rng.choices(sample, k=400_000))
    for text in (pairs, longer):
        matches = list(BADNESS_RE.finditer(text))
        assert len(matches) > 1000
        for match in matches:
            assert find(match.group()), match.group()
            assert match.end() - match.start() <= clean_kernel.REACH_CHARS + 1


def test_stray_characters_are_those_that_ftfy_removes():
    chars = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x10000))]
    removed = {char for char in chars if not remove_control_chars(char)}
    assert {char for char in chars if clean._STRAY.match(char)} == removed - {"\x1b"}


def test_the_heuristic_is_the_one_that_was_read():
    """If this fails after an update of ftfy, read its pattern again; see pipeline/text/clean.py."""
    digest = hashlib.sha256(BADNESS_RE.pattern.encode()).hexdigest()
    assert digest == "9dcc0f2ac90d9ae3c85eb7b9b2c0b8a8e8126153847c2b30c91a0bb263f3b8c4"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"real texts are not at {REAL}")
def test_the_fast_path_equals_ftfy_on_real_texts():
    texts = list(json.loads((REAL / "blns.json").read_text("utf-8")))
    texts.append((REAL / "blns.txt").read_text("utf-8"))
    for path in sorted((REAL / "ftfy").glob("*.json")):
        for case in json.loads(path.read_text("utf-8")):
            texts += [case["original"], case.get("fixed", "")]
    assert len(texts) > 500
    for text in texts:
        assert clean_text(text) == clean_text_plainly(text)
        assert clean_text(clean_text(text)) == clean_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "&" + "amp;" * 200_000,
        "&" + "&#97;mp;" * 100_000,
        "\x1b[" * 200_000,
        " " * 500_000 + "x",
        "\r" * 500_000,
        "é" * 1_200_000,
        "é”" * 20_000,
        "&#" + "0" * 500_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_texts_take_linear_time(text: str):
    clean_text("é" + text[:99])  # compiles
    began = time.process_time()
    clean_text(text)
    assert time.process_time() - began < 20  # a second; what is quadratic takes hours


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم کتاب\u200cها را",  # Persian: ZWNJ between stem and ending
        "क्\u200dष and क्\u200cष",  # Devanagari: half form and explicit virama
        "അവന്\u200d, ര്\u200dയ",  # Malayalam chillu as virama + ZWJ
        "ශ්\u200dරී ලංකා",  # Sinhala: ZWJ is part of the word
        "বা\u200cঙালি র\u200d্যাব",  # Bengali ya-phalaa
        "👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 👍🏽 1\ufe0f\u20e3",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # a flag, by tags
        "שלום\u200f! \u200eabc\u200e \u2067עברית\u2069",  # direction marks and isolates
        "ภาษา\u200bไทย",  # zero width space where a line may break
        "Auto\u00adbahn",
        "葛\U000e0100城",  # ideographic variation
        "ﷺ ﬁ ﬀ Ǆ ŉ ½ ² № ™ １２３ ｱｲｳ",
    ],
)
def test_what_a_script_needs_is_kept(text: str):
    assert clean_text(text) == text
    assert clean_text(text + "\x00\x08\x1b[0m\ufeff") == text


@pytest.mark.skipif(not REAL.is_dir(), reason=f"real texts are not at {REAL}")
def test_what_ftfy_mends_is_mended_and_what_it_leaves_is_left():
    """Its own cases, up to what we keep: curly quotes, ligatures, character width, digraphs."""
    num = 0
    for path in sorted((REAL / "ftfy").glob("*.json")):
        for case in json.loads(path.read_text("utf-8")):
            if case["expect"] != "pass":
                continue
            num += 1
            ours = ftfy.fix_text(clean_text(case["original"]), unescape_html=False)
            assert ours.split() == case.get("fixed", case["original"]).split(), case["label"]
    assert num > 80


@pytest.mark.skipif(not BENCH.is_dir(), reason=f"real texts are not at {BENCH}")
def test_the_fast_path_equals_ftfy_on_real_documents():
    """Every fiftieth document of a file; tests/bench compares all of the eight."""
    lines = zstandard.decompress((BENCH / "003.jsonl.zst").read_bytes(), 1 << 28).splitlines()
    texts = [json.loads(line)["text"] for line in lines[::50]]
    assert len(texts) > 20
    for text in texts:
        assert clean_text(text) == clean_text_plainly(text)
