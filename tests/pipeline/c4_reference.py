"""What clean_page of TensorFlow Datasets' c4_utils.py does with a page, told in our own words.

The library itself needs TensorFlow, and its sentences need NLTK's punkt model, a download: so the
number of sentences of a line is given. Bad words are left out; it has no list by default.
"""

import re
from collections.abc import Callable

MIN_WORDS = 5
MIN_SENTENCES = 3
MAX_WORD_CHARS = 1000
POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def clean_page(text: str, *, num_sentences: Callable[[str], int]) -> tuple[str, str]:
    """Return why the page is dropped ("" if it is kept), and the text that is kept of it."""
    kept: list[str] = []
    found = 0
    for raw in text.splitlines():
        line = raw.strip()
        if max(map(len, line.split()), default=0) > MAX_WORD_CHARS:
            continue
        line = re.sub(r"\[\d*\]|\[edit\]|\[citation needed\]", "", line)
        if line[-1:] not in (".", "?", "!", '"') or not line or line[-3:] == "...":
            continue
        if len(line.split()) < MIN_WORDS:
            continue
        lowered = line.lower()
        if "lorem ipsum" in lowered:
            return "lorem ipsum", ""
        if "javascript" in lowered:
            continue
        if "{" in line:
            return "curly bracket", ""
        if any(policy in lowered for policy in POLICIES):
            continue
        found += num_sentences(line)
        kept.append(line)
    if found < MIN_SENTENCES:
        return "too few sentences", ""
    return "", "\n".join(kept).strip()
