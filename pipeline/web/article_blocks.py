"""The blocks of an extracted article: paragraphs, headings, list items; no page furniture."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lxml.etree import _Element, iterwalk

from pipeline.web.html_tree import PARAGRAPH_END


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph of the article."""

    kind: str
    """p, head, item, quote or code."""
    text: str


TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,20})\b[^<>]{0,4000}>")
_PARAGRAPHS = frozenset({"p", "item", "head", "quote", "list"})
_SHORT_CHARS = 60
_FURNITURE_CHARS = 260
_DATE_CHARS = 80
_SPACE = re.compile(r"\s+")
_BREAKS = re.compile(r"\n\s*\n")
_WORD = re.compile(r"\w+")
_INVISIBLE = re.compile(f"[\u00ad\u200b\u2060\ufeff{PARAGRAPH_END}]")
"""Break opportunities and marks; joiners stay, since scripts need them."""

_FURNITURE = re.compile(
    r"(?:advertisement|advertising|anzeige|werbung|publicité|publicidad|реклама"
    r"|(?:share|tweet|e-?mail|print|pin|save|like|link|follow|post|reddit|digg|mail|send)"
    r"(?: (?:this|it|on|us|me|to|via|with|by|article|story|page|post|facebook|twitter|linkedin"
    r"|pinterest|google\+?|whatsapp|e-?mail|friends?|a|the|your|more|now))*"
    r"|(?:image|photo|picture|video|figure)s?(?: (?:copyright|caption|credit|source|by|of))?"
    r"|facebook|twitter|pinterest|linkedin|google\+?|whatsapp|reddit|tumblr|instagram|youtube"
    r"|(?:read|see|view|watch|show|load|learn|find out|click here|more)(?: (?:more|also|next|full"
    r"|all|the|article|story|comments?|it|this|now|here|below|related|for|on|about|to|video))*"
    r"|comments?(?: \(\d+\))?|\d+ (?:comments?|shares?|likes?|views?|retweets?)"
    r"|leave a (?:reply|comment)|(?:view|post|show|hide|add) (?:a |all )?comments?"
    r"|related(?: (?:articles?|stories|story|posts?|content|topics?|links?|news|coverage|video"
    r"|reading))?"
    r"|recommended(?: (?:for you|stories|articles|reading))?"
    r"|you (?:may|might)(?: also)? (?:like|enjoy|be interested in)"
    r"|more (?:from|on|in|about|stories|news|coverage|articles)\b[^.!?]{0,60}"
    r"|(?:most|also) (?:popular|read|viewed|shared|commented|on [^.!?]{0,40})|trending(?: now)?"
    r"|editors?'?s? picks?|sign up(?: (?:now|today|here|for [^.!?]{0,80}))?"
    r"|subscribe(?: [^.!?]{0,60})?|newsletters?|log in|sign in|register"
    r"|play(?: video| audio)?|close|skip|loading|continue reading(?: [^.!?]{0,60})?"
    r"|story continues(?: below.{0,30})?|back to top|top|home|menu|search|next|previous"
    r"|tags|topics|categories|filed under|sources?|via"
    r"|weiterlesen|mehr zum thema|lesen sie auch|auch interessant|teilen|drucken|kommentare"
    r"|zum thema|lire aussi|à lire aussi|partager|commentaires|sur le même sujet|lea también"
    r"|compartir|comentarios|czytaj też|czytaj także|zobacz też|udostępnij|leggi anche|condividi"
    r"|lees ook|leia também|compartilhar"
    r")[\s.:…!»→>-]*",
    re.I,
)
"""Parts of a page that belong to no sentence of its article, as whole lines."""
_LABELLED = re.compile(
    r"(?:tags?|topics?|categories|category|filed under|posted in|labels|keywords|tagged"
    r"|also read|read also|see also|read more|related|related stories"
    r"|lesen sie auch|mehr zum thema|lire aussi|à lire aussi|lea también|czytaj też|czytaj także"
    r"|leggi anche|lees ook|leia também)\s*[:|»›→-]\s*\S.{0,140}",
    re.I,
)
_LEGAL = re.compile(
    r"(?:©|\(c\) ?\d{4}|copyright (?:©|\(c\)|\d{4})).{0,200}"
    r"|.{0,120}(?:all rights reserved|alle rechte vorbehalten|tous droits réservés)\.?.{0,120}",
    re.I,
)
_DATE_WORDS = re.compile(
    r"(?:published|updated|posted|created|modified|last|first|on|at|by|date|time|from|to|am|pm|uhr"
    r"|veröffentlicht|aktualisiert|erstellt|stand|vom|um|publié|créé|mis à jour|le|à|publicado"
    r"|actualizado|el|de|del|opublikowano|dodano|pubblicato|il|a\.m|p\.m|utc|gmt|cet|cest|est|edt"
    r"|pst|pdt|bst|ist|jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec|january|february|march"
    r"|april|june|july|august|september|october|november|december|januar|februar|märz|mai|juni"
    r"|juli|oktober|dezember|janvier|février|mars|avril|juin|juillet|août|septembre|octobre"
    r"|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre"
    r"|noviembre|diciembre|mon|tue|wed|thu|fri|sat|sun|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|lundi|mardi|mercredi|jeudi"
    r"|vendredi|samedi|dimanche|th|st|nd|rd|h|hours?|minutes?|days?|weeks?|months?|years?|ago)",
    re.I,
)
_LETTERS = re.compile(r"[^\W\d_]+")

_SHINGLE_WORDS = 4
_MIN_WITNESS_CHARS = 400
_IS_WITHIN = 0.8
_COVERS = 0.7
_IS_ELSEWHERE = 0.5


def plain(text: str) -> str:
    """Return a text on one line, white space single, without invisible characters."""
    return _SPACE.sub(" ", _INVISIBLE.sub("", text)).strip()


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, for comparisons."""
    return _WORD.findall(text.lower())


def blocks_of(body: _Element) -> list[Block]:
    """Return the blocks of the tree that trafilatura extracts."""
    blocks: list[Block] = []
    for element in body:
        if element.tag == "code":
            text = _INVISIBLE.sub("", "".join(element.itertext())).strip("\n")
            if text.strip():
                blocks.append(Block("code", text))
        elif element.tag == "list":
            items = (plain(_own_text(item)) for item in element.iter("item"))
            blocks.extend(Block("item", item) for item in items if item)
        else:
            kind = str(element.tag) if element.tag in ("head", "quote") else "p"
            for part in _BREAKS.split(_text_with_breaks(element)):
                lines = (plain(line) for line in part.split("\n"))
                if text := "\n".join(line for line in lines if line):
                    blocks.append(Block(kind, text))
        if element.tail and (tail := plain(element.tail)):
            blocks.append(Block("p", tail))
    return blocks


def _own_text(item: _Element) -> str:
    """Return the text of a list item without that of the items inside it."""
    parts = [item.text or ""]
    for child in item:
        if child.tag != "list":
            if child.tag in ("lb", "p"):
                parts.append(" ")
            parts.append("".join(child.itertext()))
        parts.append(child.tail or "")
    return "".join(parts)


def _text_with_breaks(element: _Element) -> str:
    """Return the text of an element: a line feed for each line break, two between paragraphs."""
    parts: list[str] = []
    for event, node in iterwalk(element, events=("start", "end")):
        if node is element:
            text = node.text if event == "start" else ""
        elif event == "start":
            if node.tag in _PARAGRAPHS:
                parts.append("\n\n")
            elif node.tag == "lb":
                parts.append("\n")
            text = node.text
        else:
            if node.tag in _PARAGRAPHS:
                parts.append("\n\n")
            text = node.tail
        if text:
            parts.append(_SPACE.sub(" ", text))
    return "".join(parts).replace(PARAGRAPH_END, "\n\n")


def is_furniture(text: str) -> bool:
    """Tell a line of the page's own apparatus: share, related, subscribe, copyright."""
    if len(text) > _FURNITURE_CHARS:
        return False
    return any(pattern.fullmatch(text) for pattern in (_FURNITURE, _LABELLED, _LEGAL))


def is_date(text: str) -> bool:
    """Tell a line that says when, and nothing else."""
    if len(text) > _DATE_CHARS or not any(char.isdigit() for char in text):
        return False
    return all(_DATE_WORDS.fullmatch(word) for word in _LETTERS.findall(text))


def without_furniture(blocks: Iterable[Block], *, title: str) -> list[Block]:
    """Drop apparatus, the title at the beginning, dates at both ends, headings at the end."""
    kept = [block for block in blocks if block.kind == "code" or not is_furniture(block.text)]
    wanted = words_of(title)
    for number, block in enumerate(kept[:4]):
        if wanted and words_of(block.text) == wanted:
            # What stands before the title, such as a section's name, goes with it.
            is_short = all(len(before.text) < _SHORT_CHARS for before in kept[:number])
            del kept[0 if is_short else number : number + 1]
            break
    while kept and is_date(kept[0].text):
        del kept[0]
    while kept and (kept[-1].kind == "head" or is_date(kept[-1].text)):
        kept.pop()
    return kept


def agreed(blocks: list[Block], witness: str) -> list[Block]:
    """Compare with the publisher's own text of the article (JSON-LD articleBody).

    If that is most of what was found, what stands before and after it is none of the article. If
    they have little in common and the witness is longer, the page shows its article by script only,
    and the witness is taken.
    """
    if TAG.search(witness):
        witness = TAG.sub("\n", witness)
    if len(witness) < _MIN_WITNESS_CHARS:
        return blocks
    theirs = _shingles(witness)
    shingled = [_shingles(block.text) for block in blocks]
    ours = set().union(*shingled)
    num_common = len(theirs & ours)
    if num_common < _IS_ELSEWHERE * len(theirs):
        if len(theirs) <= 1.3 * len(ours):
            return blocks
        return [Block("p", line) for line in map(plain, witness.splitlines()) if line]
    if num_common < _IS_WITHIN * len(theirs) or len(theirs) < _COVERS * len(ours):
        return blocks
    inside = [2 * len(own & theirs) >= len(own) for own in shingled]
    if True not in inside:
        return blocks
    return blocks[inside.index(True) : len(inside) - inside[::-1].index(True)]


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = words_of(text)
    last = max(1, len(words) - _SHINGLE_WORDS + 1)
    return {tuple(words[at : at + _SHINGLE_WORDS]) for at in range(last)}


def text_of(blocks: Iterable[Block]) -> str:
    """Join blocks: blank lines between paragraphs, list items on lines of their own."""
    parts: list[str] = []
    last = ""
    for block in blocks:
        if parts:
            parts.append("\n" if block.kind == last == "item" else "\n\n")
        parts.append(block.text)
        last = block.kind
    return "".join(parts)
