import subprocess
import sys
import time
from pathlib import Path

import metric_oracle
import nasty
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measure.metric_table import METRICS, NOT_MEASURED
from pipeline.measure.metrics import measure, measure_one, measure_tokens
from pipeline.text import pii, stop_words, token_rule
from pipeline.text.codepoints import tables
from pipeline.text.token_rule_kernel import cut_tokens, spell


def test_a_small_text_by_hand():
    text = "- The cat's 2 hats...\nOne line.\n\nOne line.\n \nIt costs #5 to be Ü"
    found = measure_one(text)
    expected = {
        "num_chars": len(text),
        "num_bytes": len(text) + 1,
        "num_tokens": 20,
        "num_words": 15,
        "num_alpha_words": 13,
        "num_stop_words": 2,
        "num_hashes": 1,
        "num_ellipses": 1,
        "num_digits": 2,
        "num_upper": 5,
        "num_newlines": 5,
        "num_sentences": 4,
        "num_lines": 6,
        "num_bullet_lines": 1,
        "num_ellipsis_lines": 1,
        "num_text_lines": 4,
        "num_duplicate_lines": 1,
        "num_duplicate_line_chars": 9,
        "num_paragraphs": 2,
        "num_top_2gram_chars": 16,
        "num_duplicate_5gram_chars": 0,
        "num_emails": 0,
    }
    assert {name: found[name] for name in expected} == expected


@given(nasty.TEXTS)
def test_metrics_equal_their_plain_definitions(text: str):
    found = measure_one(text)
    assert list(found) == list(METRICS)
    assert found == metric_oracle.oracle(text)


def test_metrics_of_real_texts_equal_their_plain_definitions(real_data):
    for text in nasty.real_texts(real_data, num_each=10):
        assert measure_one(text) == metric_oracle.oracle(text)


# Tokens with a blank inside would make other sequences the same joined text; no tool cuts such.
@given(st.lists(st.sampled_from(["ab", "a", "b", "ba", "abba", "b-b", "c" * 17]), max_size=40))
def test_given_tokens_count_as_given(pieces: list[str]):
    text, spans = "", []
    for piece in pieces:
        spans.append((len(text), len(text) + len(piece)))
        text += piece + " "
    assert measure_tokens(text, spans) == metric_oracle.oracle(text, tokens=spans)


def test_repetition_of_a_long_text_equals_its_plain_definition():
    # More tokens, keys and marks than the kernels' first room holds; few different words.
    rng = np.random.default_rng(0)
    text = " ".join(rng.choice(["to", "be", "or", "not", "1", "12", "2", "\n"], 30_000).tolist())
    found = measure_one(text)
    assert found == metric_oracle.oracle(text)


@given(
    st.one_of(nasty.TEXTS, st.text(alphabet="aBé1.,'’-–/:=+$% \n…(_#@漢ก็ि\u200d😀", max_size=40))
)
def test_tokens_are_those_of_the_token_rule(text: str):
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    starts, ends = np.empty((2, len(codes)), np.int32)
    spelled, looks = np.empty(len(codes), np.uint64), np.empty(len(codes), np.uint8)
    kinds = tables().kinds[codes]
    num = cut_tokens(codes, kinds, len(codes), starts, ends, spelled, looks)
    spans = list(zip(starts[:num].tolist(), ends[:num].tolist(), strict=True))
    assert spans == token_rule.tokens(text)
    # However it was cut off, a token is spelled as it is spelled alone.
    apart = [spell(codes, kinds, *span) for span in spans]
    assert list(zip(spelled[:num], looks[:num], strict=True)) == apart


@given(st.lists(nasty.TEXTS, max_size=5), st.data())
def test_a_batch_is_its_texts_whatever_stands_before_it(texts: list[str], data: st.DataObject):
    languages = [data.draw(st.sampled_from(["en", "de", "xx", ""])) for _ in texts]
    whole = pa.array(["before", *texts], pa.string()).slice(1)
    batch = measure(whole, languages)
    assert list(batch) == list(METRICS)
    for row, (text, language) in enumerate(zip(texts, languages, strict=True)):
        alone = measure_one(text, language=language)
        assert {name: int(column[row]) for name, column in batch.items()} == alone
    assert all(column.dtype == np.int64 for column in batch.values())


@pytest.mark.parametrize(("language", "num"), [("en", 2), ("de", 1), ("xx", NOT_MEASURED)])
def test_stop_words_are_those_of_the_language(language: str, num: int):
    text = "the the and und The"
    assert measure_one(text, language=language)["num_stop_words"] == num
    words = stop_words.of(language) or None
    assert metric_oracle.oracle(text, stop_words=words)["num_stop_words"] == num


LABELS = ("tel", "Tel. ", "phone: ", "ph", "fax", "call us ", "☎ ", "電話", "no", "é", "\n")
DIGITS = ("(0", "030", "123456", "1234567", "+49", "555", "2019", "12", "8", "1", "8.8.8.8")
SIGNS = ("\u00a0", *" +(-/.:@", "::", "2001:db8::1", "2a00:1450:4001:800::200e", "a@b.com", "a.b")
NUMBERS = st.lists(st.sampled_from(LABELS + DIGITS + SIGNS), max_size=14).map("".join)


@given(st.lists(NUMBERS, max_size=4))
def test_personal_data_is_counted_as_it_would_be_replaced(texts: list[str]):
    found = measure(pa.array(texts, pa.string()), ["en"] * len(texts))
    for row, text in enumerate(texts):
        counts = pii.replace(text, pii.KINDS)[1]
        names = {"email": "num_emails", "ip": "num_ips", "phone": "num_phones"}
        for kind, name in names.items():
            assert found[name][row] == counts.get(kind, 0)


@pytest.mark.parametrize(
    "text",
    [
        "a " * 300_000,
        "\n" * 10**6,
        "x" * 10**6,
        "... " * 200_000,
        "a-" * 300_000,
        "-" * 10**6,
        "'s" * 300_000,
        "a.b" * 200_000,
        "a@" * 300_000,
        "1 " * 300_000,
        "[1" * 300_000,
        "sign-in\n" * 100_000,
        "।" * 10**6,
    ],
)
def test_hostile_texts_take_linear_time(text: str):
    measure_one(text[:9])  # compiles
    began = time.process_time()
    measure_one(text)
    assert time.process_time() - began < 20  # a second; what is quadratic takes hours


_PEAK = """
import sys
import numpy as np
import pyarrow as pa
from pipeline.measure import metrics, minhash
from pipeline.text import words

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

def run(text):
    metrics.measure(text, ["en"])
    shingles = minhash.shingle_views(words.normalized_views(text), size=5)
    minhash.signatures(shingles, num_permutations=8, seed=1)

draw = np.random.default_rng(0)
pool = ["".join(map(chr, draw.integers(97, 123, size))) for size in draw.integers(1, 9, 5000)]
drawn = [pool[place] for place in draw.integers(0, 5000, int(sys.argv[1]) // 5).tolist()]
text = pa.array(["".join(word + (".\\n" if n % 12 == 0 else " ") for n, word in enumerate(drawn))])
del drawn
run(pa.array(["A text."]))
before = peak()
run(text)
print(text.nbytes, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
def test_a_huge_text_takes_sixteen_bytes_a_byte_at_most():
    size, grown = map(
        int,
        subprocess.run(
            [sys.executable, "-c", _PEAK, str(8 << 20)], capture_output=True, text=True, check=True
        ).stdout.split(),
    )
    assert size > 6 << 20
    assert grown < 16 * size
