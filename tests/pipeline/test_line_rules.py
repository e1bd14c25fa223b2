import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_oracle import num_alnum_words, oracle

from pipeline.match.line_rules import LINE_RULES, c4, refinedweb

LINE = st.sampled_from(
    [
        "It is a line with an end.",
        "Über alles steht hier nichts [3] mehr.[edit]",
        'She said "so be it" and left..."',
        "Menu",
        "HOME ABOUT US",
        "3 likes",
        "• 1,204K Views!",
        "12345",
        "Please enable JavaScript to see it.",
        "See our cookie policy for more on it.",
        "two items in cart",
        "Items in cart",
        "Sign-in or register here",
        "A long story of the town. Read more...",
        "Read more...",
        "It trails off here and now...",
        "",
        "   ",
        "\u2028",
        "x" * 1001 + " is not a word of any kind.",
    ]
)
TEXT = st.one_of(st.lists(LINE, max_size=6).map("\n".join), st.text(max_size=60))


def kept(text: str, rule: str) -> str:
    raw, done, pieces = text.encode("utf-8", "surrogatepass"), 0, []
    for cut in LINE_RULES[rule](text):
        assert done <= cut.start < cut.end <= len(raw)
        pieces.append(raw[done : cut.start])
        done = cut.end
    return b"".join([*pieces, raw[done:]]).decode("utf-8", "surrogatepass")


@given(TEXT)
def test_what_c4_keeps_is_what_its_metrics_count(text: str):
    lines = [line for line in kept(text, "c4").splitlines() if line.strip()]
    counts = oracle(text)
    assert len(lines) == counts["num_c4_lines"]


@given(TEXT)
def test_what_refinedweb_cuts_is_what_its_metrics_count(text: str):
    counts = oracle(text)
    left = num_alnum_words(kept(text, "refinedweb"))
    assert counts["num_space_words"] - left == counts["num_refinedweb_words"]
    whole = [cut for cut in refinedweb(text) if is_whole(text, cut.start, cut.end)]
    assert len(whole) == counts["num_refinedweb_lines"]


def is_whole(text: str, start: int, end: int) -> bool:
    raw = text.encode("utf-8", "surrogatepass")
    before = start == 0 or raw[start - 1 : start] == b"\n"
    return before and (end == len(raw) or raw[end - 1 : end] == b"\n")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a" * 1001 + " b c d e.", "long_word"),
        ("a" * 1000 + " b c d e.", ""),
        ("There is no end to it", "no_end"),
        ("There is an end to it...", "no_end"),
        ("There is an end to it…", "no_end"),
        ("There is an end to it.", ""),
        ('There is an end to "it"', ""),
        ("Is it an end, 'really'", "no_end"),
        ("There is an end to it. [1]", "no_end"),
        ("Four words are here.", "few_words"),
        ("Five words are in here.", ""),
        ("Four words are [citation needed].", "few_words"),
        ("We use JAVASCRIPT on this page.", "javascript"),
        ("This site uses cookies, you know.", "policy"),
        ("Read the Terms of Use, you know.", "policy"),
    ],
)
def test_why_c4_cuts_a_line(line: str, reason: str):
    assert [cut.reason for cut in c4(f"  {line}\n") if cut.reason != "citation"] == [reason][
        : bool(reason)
    ]


@pytest.mark.parametrize(
    ("line", "reasons", "left"),
    [
        ("ABCd e f", [], "ABCd e f"),
        ("ABCDe f", ["upper_case"], ""),
        ("12345", ["digits"], ""),
        ("Menu", ["one_word"], ""),
        ("3 Likes", ["counter"], ""),
        ("** 1.2K views **", ["counter"], ""),
        ("3 likes of mine", [], "3 likes of mine"),
        ("you have 3 items in cart now", ["phrase"], "you have 3 now"),
        ("The news of it. Read more...", ["phrase"], "The news of it."),
        ("Read more... of it", [], "Read more... of it"),
        ("sign-in or not", ["phrase"], "or not"),
        ("sign-in items in cart", ["phrase"], ""),
        ("a b c d e f g h items in cart", [], "a b c d e f g h items in cart"),
        ("ü items in cart ö items in cart x", ["phrase", "phrase"], "ü ö x"),
    ],
)
def test_why_refinedweb_cuts(line: str, reasons: list[str], left: str):
    text = f"{line}\nThe next line\n"
    assert [cut.reason for cut in refinedweb(text)] == reasons
    assert kept(text, "refinedweb") == (f"{left}\n" if left else "") + "The next line\n"


def test_cuts_take_the_end_of_the_line_and_leave_blank_lines():
    text = "Menu\r\n\r\nIt is a line with an end.[7]\r\n\r\nMenu"
    assert kept(text, "c4") == "\r\nIt is a line with an end.\r\n\r\n"
    assert c4("") == []
