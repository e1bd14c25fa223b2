"""Every metric of metric_table.METRICS, counted slowly and plainly: what the kernels must equal.

Nothing here is fast, and nothing is shared with the code under test but the sets of characters and
phrases, the sentence rule, and the search for personal data.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence

import zstandard

from pipeline.measure.metric_table import (
    C4_DATATROVE_ENDS,
    C4_ENDS,
    C4_POLICY,
    COMPRESSED_BYTES,
    DUPLICATE_SIZES,
    LONG_LINE_CHARS,
    LONG_WORD_CHARS,
    NOT_MEASURED,
    PUNCTUATION,
    SHORT_LINE_CHARS,
    STOP_WORDS,
    TERMINALS,
    TOP_SIZES,
)
from pipeline.text import pii
from pipeline.text.sentences import sentence_ends
from pipeline.text.token_rule import tokens as cut_tokens

Spans = Sequence[tuple[int, int]]


def num_sentences(text: str) -> int:
    return len(sentence_ends(text))


def oracle(
    text: str,
    *,
    tokens: Spans | None = None,
    sentences: Callable[[str], int] = num_sentences,
    stop_words: Collection[str] | None = STOP_WORDS,
) -> dict[str, int]:
    """Count every metric of a text.

    Args:
        text: any text, empty and blank ones too.
        tokens: where each token begins and ends, in characters; by default our own rule's.
        sentences: number of sentences of a line or text.
        stop_words: of the document's language; None if there is no list.
    """
    spans = cut_tokens(text) if tokens is None else tokens
    found = [text[begin:end] for begin, end in spans]
    raw = text.encode("utf-8", "surrogatepass")
    head = raw[:COMPRESSED_BYTES]
    personal = pii.replace(text, pii.KINDS)[1]
    return {
        "num_chars": len(text),
        "num_bytes": len(raw),
        **of_tokens(found, stop_words),
        "num_hashes": text.count("#"),
        "num_ellipses": text.count("...") + text.count("…"),
        "num_digits": sum(char.isdecimal() for char in text),
        "num_upper": sum(char.isupper() for char in text),
        "num_newlines": text.count("\n"),
        "num_chars_no_newlines": len(text.replace("\n", "")),
        "num_sentences": sentences(text),
        **gopher_lines(text),
        **repetition(text),
        **ngrams(found),
        **fineweb_lines(text),
        **c4(text, sentences),
        **refinedweb(text),
        "num_emails": personal.get("email", 0),
        "num_ips": personal.get("ip", 0),
        "num_phones": personal.get("phone", 0),
        "num_compressible_bytes": len(head),
        "num_compressed_bytes": len(zstandard.ZstdCompressor(level=1).compress(head)),
    }


def of_tokens(found: list[str], stop_words: Collection[str] | None) -> dict[str, int]:
    words = [token for token in found if any(char not in PUNCTUATION for char in token)]
    stops = NOT_MEASURED if stop_words is None else len(set(found) & set(stop_words))
    return {
        "num_tokens": len(found),
        "num_words": len(words),
        "num_word_chars": sum(len(word) for word in words),
        "num_alpha_words": sum(any(char.isalpha() for char in token) for token in found),
        "num_stop_words": stops,
    }


def gopher_lines(text: str) -> dict[str, int]:
    lines = text.splitlines()
    return {
        "num_lines": len(lines),
        "num_bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in lines),
        "num_ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines),
    }


def copies(pieces: list[str]) -> tuple[int, int]:
    """Return how many pieces equal an earlier one, and their characters."""
    seen: set[str] = set()
    again = []
    for piece in pieces:
        if piece in seen:
            again.append(piece)
        seen.add(piece)
    return len(again), sum(len(piece) for piece in again)


def repetition(text: str) -> dict[str, int]:
    lines = re.split("\n+", text)
    paragraphs = re.split("\n{2,}", text.strip())
    num_lines, num_line_chars = copies(lines)
    num_paragraphs, num_paragraph_chars = copies(paragraphs)
    return {
        "num_repetition_lines": len(lines),
        "num_duplicate_lines": num_lines,
        "num_duplicate_line_chars": num_line_chars,
        "num_paragraphs": len(paragraphs),
        "num_duplicate_paragraphs": num_paragraphs,
        "num_duplicate_paragraph_chars": num_paragraph_chars,
    }


def ngrams(found: list[str]) -> dict[str, int]:
    result = {}
    for n in TOP_SIZES:
        counts = Counter(" ".join(found[i : i + n]) for i in range(len(found) - n + 1))
        # A dict keeps the order of first occurrence, and max takes the first of the greatest.
        gram = max(counts, key=counts.__getitem__, default="")
        result[f"num_top_{n}gram_chars"] = len(gram) * counts[gram]
    for n in DUPLICATE_SIZES:
        seen: set[str] = set()
        num_chars = at = 0
        while at + n <= len(found):
            gram = "".join(found[at : at + n])
            if gram in seen:
                num_chars += len(gram)
                at += n
            else:
                seen.add(gram)
                at += 1
        result[f"num_duplicate_{n}gram_chars"] = num_chars
    return result


def fineweb_lines(text: str) -> dict[str, int]:
    lines = text.split("\n")
    filled = [line for line in lines if line.strip()]
    return {
        "num_text_lines": len(filled),
        "num_terminal_lines": sum(line[-1] in TERMINALS for line in filled),
        "num_short_lines": sum(len(line) <= SHORT_LINE_CHARS for line in filled),
        "num_text_line_duplicate_chars": copies(filled)[1],
        "num_long_lines": sum(len(line) >= LONG_LINE_CHARS for line in lines),
    }


def ascii_lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def c4(text: str, sentences: Callable[[str], int]) -> dict[str, int]:
    result: Counter[str] = Counter()
    for raw in text.splitlines():
        stripped = raw.strip()
        has_long_word = any(len(word) > LONG_WORD_CHARS for word in stripped.split())
        line = re.sub(r"\[\d*\]|\[edit\]|\[citation needed\]", "", stripped)
        lowered = ascii_lower(line)
        has_javascript = "javascript" in lowered
        has_policy = any(phrase in lowered for phrase in C4_POLICY)
        # These three look at the line as it stands.
        result["num_long_word_lines"] += has_long_word
        result["num_javascript_lines"] += "javascript" in ascii_lower(raw)
        result["num_policy_lines"] += any(phrase in ascii_lower(raw) for phrase in C4_POLICY)
        is_cut_off = line.endswith("...")
        families = {
            "c4": line.endswith(C4_ENDS) and not is_cut_off and len(line.split()) >= 5,
            "c4_datatrove": (
                line.endswith(C4_DATATROVE_ENDS) and not is_cut_off and len(stripped.split()) >= 3
            ),
            "c4_fineweb": len(stripped.split()) >= 3,
        }
        for family, is_line in families.items():
            if not is_line or has_long_word:
                continue
            result[f"num_{family}_lorem_lines"] += "lorem ipsum" in lowered
            if has_javascript:
                continue
            result[f"num_{family}_curly_lines"] += "{" in line
            if has_policy:
                continue
            result[f"num_{family}_lines"] += 1
            result[f"num_{family}_sentences"] += sentences(line)
    names = ["num_long_word_lines", "num_javascript_lines", "num_policy_lines"]
    names += [
        f"num_{family}_{what}"
        for family in ("c4", "c4_datatrove", "c4_fineweb")
        for what in ("lines", "sentences", "lorem_lines", "curly_lines")
    ]
    return {name: result[name] for name in names}


COUNTER = re.compile(
    r"^\W*\d(?:,|\.|\d)*(?:k|m|b)?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks"
    r"|upvotes|downvotes|downloads|views|followers)\W*$"
)


def num_alnum_words(text: str) -> int:
    return sum(word[0].isalnum() for word in text.split())


def refinedweb(text: str) -> dict[str, int]:
    num_lines = num_words = 0
    for line in text.split("\n"):
        if not line.strip():
            continue
        left = line
        if (
            2 * sum(char.isupper() for char in line) > len(line)
            or line.isdecimal()
            or COUNTER.search(ascii_lower(line))
            or len(line.split()) == 1
        ):
            left = ""
        for pattern in (r"\s?items in cart", r"\s?read more\.\.\.$", r"^sign-in\s?"):
            if len(left.split()) <= 10:
                left = re.sub(pattern, "", left, flags=re.IGNORECASE | re.ASCII)
        num_lines += not left.strip()
        num_words += num_alnum_words(line) - num_alnum_words(left)
    return {
        "num_space_words": num_alnum_words(text),
        "num_refinedweb_lines": num_lines,
        "num_refinedweb_words": num_words,
    }
