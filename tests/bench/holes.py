"""Hole rate of extracted Wikipedia text, by two measures that know nothing of our repairs.

Gaps: each template that stands in a line of prose is found with mwparserfromhell; the words before
and behind it are looked up in the extracted text. Where the two follow each other directly, nothing
was shown in its place. Templates that show nothing on the page (footnotes, cleanup tags, icons,
hatnotes: the list below, made for this measure) do not count.

Debris: sentences that no author writes, by pattern: empty brackets, a space before a comma, an
article before a stop, a preposition before "and". Some are in the articles as they are, so the rate
has a floor above zero.
"""

import re
from dataclasses import dataclass

# Shown as nothing, a superscript mark or a picture: no hole when dropped. Written for this measure.
SILENT = re.compile(
    r"(?i)\s*(?:sfn|r\b|rp$|ref|efn|note|cite|citation|harv|cn$|fact$|.*\bneeded|.*\binline|.*\bicon"
    r"|flag ?icon|who\b|when$|where$|which$|whom|by whom|according|clarify|clr$|clear|vague|dubious"
    r"|failed|unreliable|better|verify|full$|page|pov|main|see|further|about|for$|other|anchor"
    r"|use |italic|portal|commons|coord|legend|div|toc|reflist|update|weasel|relevance|citequote"
    r"|-$|br$|bots|z1|external media|multiple|image|infobox|navbox|wayback|webarchive|dead|official"
    r"|lead|expand|sister|wikipedia|wikisource|refimprove|unreferenced|orphan|qualify|inflation-fn"
    # Shown, but not as a word, so that no gap can be told.
    r"|nbsp|.?dash|m?dash|spaced|snds?$|spnd|space|thinsp|hsp|shy|'|\"|=$|!$|·|•|dot$|bull"
    r"|#tag|objectivist movement|opec$|africa in|-\"|col|youtube|quote|cquote|blockquote)"
)
_CONTEXT_WORDS = 4
_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]?[A-Z0-9])")
_DEBRIS = re.compile(
    r"\(\s*\)|\[\s*\]|\(\s*[,;:]|[,;:]\s*\)|\w\s+[,;](?:\s|$)|\w\s+\.(?:\s|$)|[,;]\s*[,;.](?:\s|$)"
    r"|\b(?:the|an|of|from|into|between|than|approximately)\s*[,.;:)](?:\s|$)"
    r"|\b(?:the|an|of|between|approximately|than)\s+(?:and|or|of|is|was|are|were)\b"
    r"|\((?:or|and|born|from|c\.|in)\s*[,;)]"
    r"|\w[^\S\n]{2,}[a-z]|[$£€]\s+[a-z(]|\w\(\)|:\s*[,;)]"
)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What one extractor made of some articles."""

    num_sentences: int
    num_gaps: int
    num_templates: int
    num_debris: int

    def show(self, name: str) -> str:
        """Return a line of a table."""
        gaps, debris = (1000 * n / self.num_sentences for n in (self.num_gaps, self.num_debris))
        return (
            f"  {name:36} {self.num_sentences:9,} {self.num_gaps:7,} {gaps:8.2f} "
            f"{self.num_debris:7,} {debris:8.2f}"
        )


HEADER = f"  {'':36} sentences    gaps  per 1000  debris  per 1000"


def sentences(text: str) -> list[str]:
    """Cut a text into sentences, and keep the prose: six words, a stop, small letters."""
    found = []
    for line in text.split("\n"):
        if line.lstrip().startswith(("|", "!", "*", "#", "{", "[[", "thumb|")):
            continue
        for sentence in _SENTENCE_END.split(line):
            words = _WORD.findall(sentence)
            small = sum(word[:1].islower() for word in words)
            if (
                len(words) >= 6
                and small * 2 >= len(words)
                and re.search(r"[.!?][\"'”’)\s]*$", sentence)
            ):
                found.append(sentence)
    return found


def contexts(markup: str) -> list[tuple[str, ...]]:
    """Find the templates in lines of prose; return the words on both sides of each.

    Words that a link hides, and those of other templates, end a context: what is compared is what
    every extractor shows.
    """
    import mwparserfromhell  # pyright: ignore[reportMissingImports]
    from mwparserfromhell.nodes import ExternalLink, Tag, Template, Text, Wikilink

    markup = re.sub(r"(?s)<!--.*?-->", "", markup)
    nodes = mwparserfromhell.parse(markup).nodes
    shown: list[str | None] = []  # None for a node that hides a boundary
    marks: list[int] = []
    for node in nodes:
        if isinstance(node, Text):
            shown.append(str(node.value))
        elif isinstance(node, Wikilink):
            is_plain = ":" not in str(node.title)
            shown.append(node.__strip__() and str(node.__strip__()) if is_plain else None)
        elif isinstance(node, Tag) and str(node.tag) in ("b", "i"):
            shown.append(str(node.contents.strip_code()))
        elif isinstance(node, Tag) and str(node.tag) == "ref":
            shown.append("")
        elif isinstance(node, ExternalLink):
            shown.append(None)
        elif isinstance(node, Template):
            if not SILENT.match(str(node.name)):
                marks.append(len(shown))
            shown.append(None)
        else:
            shown.append(None)
    found: list[tuple[str, ...]] = []
    for at in marks:
        before = _side(shown, range(at - 1, -1, -1))
        after = _side(shown, range(at + 1, len(shown)))
        if len(before) >= 2 and len(after) >= 2:
            found.append((*before[::-1], *after))
    return found


def _side(shown: list[str | None], order: range) -> list[str]:
    """Gather up to _CONTEXT_WORDS words of the same line, nearest first."""
    words: list[str] = []
    is_backward = order.step < 0
    for at in order:
        piece = shown[at]
        if piece is None:
            break
        line = piece.rpartition("\n")[2] if is_backward else piece.partition("\n")[0]
        own = _WORD.findall(line)
        words += own[::-1] if is_backward else own
        if len(words) >= _CONTEXT_WORDS or line != piece:
            break
    return words[:_CONTEXT_WORDS]


def measure(texts: list[str], all_contexts: list[list[tuple[str, ...]]]) -> Rates:
    """Count prose sentences, open gaps and debris in the texts of the same articles."""
    num_sentences = num_gaps = num_debris = 0
    for text, found in zip(texts, all_contexts, strict=True):
        prose = sentences(text)
        num_sentences += len(prose)
        num_debris += sum(_DEBRIS.search(sentence) is not None for sentence in prose)
        words = " " + " ".join(_WORD.findall(text)) + " "
        num_gaps += sum(f" {' '.join(context)} " in words for context in found)
    return Rates(
        num_sentences=num_sentences,
        num_gaps=num_gaps,
        num_templates=sum(map(len, all_contexts)),
        num_debris=num_debris,
    )


def huggingface_text(markup: str) -> str:
    """Strip an article as the `wikipedia` script of Hugging Face `datasets` did.

    Links to files and categories, references and tables are removed, then `strip_code` is taken
    of each section.
    """
    import mwparserfromhell  # pyright: ignore[reportMissingImports]

    code = mwparserfromhell.parse(markup)
    link = re.compile(r"(?i)\s*(?:file|image|media|category):")

    def remove(section, nodes) -> None:
        for node in nodes:
            try:
                section.remove(node)
            except ValueError:
                continue  # it stood inside one that has gone

    kept = []
    for section in code.get_sections(flat=True, include_lead=True, include_headings=True):
        remove(section, [n for n in section.filter_wikilinks() if link.match(str(n.title))])
        remove(section, section.filter_tags(matches=lambda n: str(n.tag) in {"ref", "table"}))
        kept.append(section.strip_code().strip())
    return "\n\n".join(kept)


def plain_strip_code(markup: str) -> str:
    """Strip an article by `strip_code` with its defaults."""
    import mwparserfromhell  # pyright: ignore[reportMissingImports]

    return mwparserfromhell.parse(markup).strip_code()
