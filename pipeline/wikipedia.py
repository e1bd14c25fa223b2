"""Reader of kind `wikipedia`: MediaWiki XML dumps, plain, bz2, multistream bz2 or gz."""

from collections.abc import Iterator
from typing import Any

from pipeline import dump, raw_form, wikitext
from pipeline.inflate import bunzip, gunzip, raw_chunks
from pipeline.records import Record, is_drawn
from pipeline.split import Split

VERSION = wikitext.WIKITEXT_VERSION
"""Raise it with every change of output (of the wikitext modules: WIKITEXT_VERSION)."""

SPLIT_BYTES = {"bz2": 8 << 20, "xml": 64 << 20}
"""About how much of a raw file one worker reads."""
_HEAD_BYTES = 1 << 16


def form(url: str) -> str:
    """Return the form of a dump from its first bytes: bz2, gz or xml.

    Raises:
        ValueError: it is no MediaWiki XML dump, or one in UTF-16.
    """
    return raw_form.dump_form(url)


def cuts(url: str, form: str, chunks: Iterator[bytes], num_bytes: int) -> list[int]:
    """Read a raw file through, check that it is whole, and return where splits begin.

    Raises:
        ValueError: it is truncated.
    """
    if form == "bz2":
        starts = dump.stream_starts(chunks)
        raw_form.check_bz2_end(url, starts, num_bytes)
        return _group(starts, size=SPLIT_BYTES["bz2"])
    if form == "gz":
        raw_form.check_gz(url, chunks)
        return [0]
    for _ in chunks:
        pass
    raw_form.check_xml_end(url, num_bytes)
    return list(range(0, max(num_bytes, 1), SPLIT_BYTES["xml"]))


def _group(starts: list[int], *, size: int) -> list[int]:
    """Keep every start that lies at least `size` bytes behind the last one kept."""
    kept = [0]
    for start in starts:
        if start - kept[-1] >= size:
            kept.append(start)
    return kept


def read(split: Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read the pages of one split of a MediaWiki dump."""
    hidden = _hidden_prefixes(split)
    own, beyond = decompressed(split)
    for page in dump.pages_in(own, beyond=beyond):
        if isinstance(page, dump.BadPage):
            yield Record(
                key="", num_raw_bytes=page.num_bytes, rejected=page.reason, offset=page.offset
            )
        else:
            yield page_record(page, section=section, hidden_prefixes=hidden)


def _hidden_prefixes(split: Split) -> frozenset[str]:
    """Return the link prefixes of media, file and category links in the dump's own language."""
    read = {"xml": raw_chunks, "bz2": bunzip, "gz": gunzip}[split.form]
    head = b""
    for chunk in read(split.url):
        head += chunk
        if len(head) >= _HEAD_BYTES or b"</siteinfo>" in head:
            break
    names = dump.namespace_names(head)
    own = {names[number].lower() for number in (-2, 6, 14) if number in names}
    return wikitext.HIDDEN_PREFIXES | own


def page_record(
    page: dump.Page, *, section: dict[str, Any], hidden_prefixes: frozenset[str]
) -> Record:
    """Return the record of a page: its article text, or why it has none."""
    reason = ""
    removed: tuple[tuple[str, int], ...] = ()
    text = ""
    key = str(page.id)
    if page.namespace != 0:
        reason = "namespace"
    elif page.redirect:
        reason = "redirect"
    elif not is_drawn(key, section):
        reason = "not_drawn"
    else:
        extraction = wikitext.plain_text(
            page.text, title=page.title, hidden_prefixes=hidden_prefixes
        )
        text = extraction.text
        removed = tuple(sorted(extraction.removed.items()))
    return Record(
        key=key,
        title=page.title,
        text=text,
        num_raw_bytes=page.num_bytes,
        skipped=reason,
        offset=page.offset,
        removed=removed,
    )


def decompressed(split: Split) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """Return the decompressed bytes of a split, and those that follow it in the dump."""
    if split.form == "gz":
        return gunzip(split.url), iter(())
    read = raw_chunks if split.form == "xml" else bunzip
    if split.is_last:
        return read(split.url, split.start), iter(())
    return read(split.url, split.start, end=split.end), read(split.url, split.end)
