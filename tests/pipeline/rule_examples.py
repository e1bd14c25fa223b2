"""Texts on both sides of each rule's threshold; tests/bench/test_agreement.py asks the peer too."""

from dataclasses import dataclass

# Words of two letters that no tokenizer takes for anything else, all different.
WORDS = [first + second for first in "bcdfghjk" for second in "lmnpqrstvwxz"]


@dataclass(frozen=True)
class Example:
    rule: str
    threshold: str
    text: str
    is_broken: bool


def words(num: int) -> str:
    return " ".join(WORDS[i % len(WORDS)] for i in range(num))


def lines(num: int, *, marked: int, mark: str, plain: str) -> str:
    """Return lines of which the first `marked` look like `mark`."""
    return "\n".join([mark.format(i) for i in range(marked)] + [plain] * (num - marked))


def repeated(size: int, num: int) -> str:
    """Return `num` words, of which the last `size` repeat the first and all else is different."""
    return " ".join([*WORDS[: num - size], *WORDS[:size]])


def copies(num: int, again: int, gap: str) -> str:
    """Return `num` pieces of one length, of which `again` equal the first."""
    return gap.join([WORDS[0]] * again + WORDS[: num - again])


def both(rule: str, threshold: str, kept: str, broken: str) -> tuple[Example, Example]:
    return Example(rule, threshold, kept, False), Example(rule, threshold, broken, True)


FIVE = "It is all said here.\n"
THREE = "Say it here.\n"
PROSE = "The town is old and the river is wide."
CODE = "for it in all of them { print it now }"

EXAMPLES: list[Example] = [
    *both("min_chars", "1", "a", ""),
    *both("max_chars", "190000", "a" * 190_000, "a" * 190_001),
    *both("min_words", "50", words(50), words(49)),
    # Signs alone are no words.
    *both("min_words", "3", "bl bm - bn !", "bl bm - !"),
    *both("max_words", "100000", words(100_000), words(100_001)),
    *both("min_mean_word_chars", "3", "bcd " * 10, "bcd " * 9 + "bc"),
    *both("max_mean_word_chars", "10", "bcdfghjklm " * 10, "bcdfghjklm " * 9 + "bcdfghjklmn"),
    *both("max_hash_ratio", "0.1", "# " + words(9), "# " + words(8)),
    *both("max_ellipsis_ratio", "0.1", "… " + words(9), "… " + words(8)),
    *both("max_ellipsis_ratio", "0.1", "... " + words(9), "... " + words(8)),
    *both(
        "max_bullet_lines",
        "0.9",
        lines(10, marked=9, mark=" • one of all", plain="none"),
        lines(10, marked=10, mark="- one of all", plain="none"),
    ),
    # Blank lines count as lines, too.
    *both("max_bullet_lines", "0.9", "- a\n" * 9 + "\n", "- a\n" * 9),
    *both(
        "max_ellipsis_lines",
        "0.3",
        lines(10, marked=3, mark="so it was... ", plain="none"),
        lines(10, marked=4, mark="so it was…", plain="none"),
    ),
    *both("min_alpha_words", "0.8", words(8) + " 1 2", words(7) + " 1 2"),
    *both("min_alpha_words", "0.8", words(8) + " ! ?", words(8) + " ! ? ;"),
    *both("min_stop_words", "2", "the cat of all", "The cat, the cat"),
    *both("max_duplicate_lines", "0.3", copies(10, 3, "\n"), copies(10, 4, "\n")),
    # Runs of line feeds are one gap, and an empty end is a line.
    *both("max_duplicate_lines", "0.3", "\n\nbl\nbm\nbn\nbp", "\nbl\n\n"),
    *both("max_duplicate_paragraphs", "0.3", copies(10, 3, "\n\n"), copies(10, 4, "\n\n\n")),
    *both("max_duplicate_paragraphs", "0.3", "bl\nbl\n\nbm", "bl\n\nbl\n\nbm"),
    *both(
        "max_duplicate_line_chars",
        "0.2",
        "\n".join(["x" * 28, "y" * 10, "y" * 10]),
        "\n".join(["x" * 27, "y" * 10, "y" * 10]),
    ),
    *both(
        "max_duplicate_paragraph_chars",
        "0.2",
        "\n\n".join(["x" * 26, "y" * 10, "y" * 10]),
        "\n\n".join(["x" * 25, "y" * 10, "y" * 10]),
    ),
    # The most frequent counts even if it occurs once: short texts break this rule.
    *both("max_top_2gram_chars", "0.2", words(8) + " b", words(8)),
    *both("max_top_3gram_chars", "0.18", words(16), words(15)),
    *both("max_top_4gram_chars", "0.16", words(24), words(23)),
    # Of equally frequent ones the first.
    *both(
        "max_top_2gram_chars",
        "0.2",
        "bl bm dx bl bm fw longerword verylongword jx longerword verylongword kw",
        "longerword verylongword jx longerword verylongword bl bm dx bl bm fw kw",
    ),
    *both("max_duplicate_5gram_chars", "0.15", repeated(5, 23), repeated(5, 22)),
    *both("max_duplicate_6gram_chars", "0.14", repeated(6, 29), repeated(6, 28)),
    *both("max_duplicate_7gram_chars", "0.13", repeated(7, 37), repeated(7, 36)),
    *both("max_duplicate_8gram_chars", "0.12", repeated(8, 45), repeated(8, 44)),
    *both("max_duplicate_9gram_chars", "0.11", repeated(9, 55), repeated(9, 54)),
    *both("max_duplicate_10gram_chars", "0.1", repeated(10, 67), repeated(10, 66)),
    *both("max_c4_lorem_lines", "0", "Lorem ipsum is all.\n", "LOREM ipsum is all here.\n"),
    *both("max_c4_curly_lines", "0", CODE, CODE + "."),
    *both("max_c4_curly_lines", "0", "javascript " + CODE + ".", "use cookies " + CODE + "."),
    *both("min_c4_sentences", "3", FIVE * 3, FIVE * 2 + THREE),
    *both("min_c4_sentences", "3", FIVE * 3, FIVE * 2 + "Is it all said here...\n"),
    *both("min_c4_sentences", "3", FIVE * 3, FIVE * 2 + "JavaScript is all it needs.\n"),
    *both("min_c4_sentences", "3", FIVE * 3, FIVE * 2 + "They use cookies for it all.\n"),
    *both("min_c4_sentences", "3", FIVE * 3, FIVE * 2 + "It is all said here. [2]\n"),
    *both("max_c4_datatrove_lorem_lines", "0", "Lorem ipsum.\n", "Lorem ipsum is.\n"),
    *both("max_c4_datatrove_curly_lines", "0", CODE, CODE + "'"),
    *both("min_c4_datatrove_sentences", "5", THREE * 5, THREE * 4 + "Say it.\n"),
    *both("max_c4_fineweb_lorem_lines", "0", "Lorem ipsum", "So lorem ipsum"),
    *both("max_c4_fineweb_curly_lines", "0", "a {", CODE),
    *both("min_c4_fineweb_sentences", "5", "one two three\n" * 5, "one two three\n" * 4 + "one\n"),
    # The citation counts as a word there, although it is cut.
    *both("min_c4_fineweb_sentences", "5", "one two [3]\n" * 5, "one two [3]\n" * 4 + "one [3]\n"),
    *both(
        "min_long_lines", "3", "\n".join(["a" * 200] * 3), "\n".join(["a" * 200] * 2 + ["b" * 199])
    ),
    *both("min_text_lines", "1", "\n a", " \n\t\n"),
    *both(
        "min_terminal_lines",
        "0.12",
        lines(25, marked=3, mark="It is.", plain="none"),
        lines(25, marked=2, mark="It is!", plain='He said "none."'),
    ),
    *both(
        "max_short_lines",
        "0.67",
        lines(100, marked=67, mark="x" * 30, plain="y" * 31),
        lines(100, marked=68, mark="x" * 30, plain="y" * 31),
    ),
    *both(
        "max_text_line_duplicate_chars",
        "0.01",
        "\n".join(["x" * 98, "y", "y"]),
        "\n".join(["x" * 97, "y", "y"]),
    ),
    *both("max_newlines", "0.3", words(10) + "\n\n\n", words(9) + "\n\n\n"),
    *both("max_refinedweb_words", "0.05", words(19) + "\nMenu", words(18) + "\nMenu"),
    *both("min_sentences", "2", f"{PROSE} {PROSE}", PROSE),
    *both("max_digits", "0.5", "a1", "a12"),
    *both("max_upper", "0.5", "Ab", "ABc"),
    *both("max_emails", "1", "to a.b@nowhere.org", "a.b@nowhere.org and c.d@nowhere.org"),
    *both("max_ips", "0", "at 10.0.0.1", "at 131.107.33.81"),
    *both("max_phones", "0", "in 1999 and 2000", "tel. 030 123 45 67"),
    *both("min_compressed", "0.2", PROSE, "na " * 100),
    *both("max_compressed", "0.9", PROSE * 9, "qxwzjk vbpfgh"),
]
