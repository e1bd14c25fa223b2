"""Which form a book's file has, by its name and first bytes, and the reader of each form."""

import bz2
import re
import zlib

from pipeline.book import bookplain
from pipeline.book.bookblocks import Book
from pipeline.book.bookhtml import read_html
from pipeline.book.bookmarkup import UnreadableError
from pipeline.book.booktei import read_tei
from pipeline.book.epub import read_epub
from pipeline.raw.decode import declared_encoding, decode, is_binary

HEAD_BYTES = 1 << 16
TEXT_FORMS = ("txt", "md", "html", "tei", "epub")
"""One file, one book."""
_PLAIN_NAMES = frozenset({"", "txt", "text", "asc", "utf8", "utf-8"})
_MARKDOWN_NAMES = frozenset({"md", "markdown", "mdown", "mkd"})
_HTML_NAMES = frozenset({"htm", "html", "xhtml", "xht"})
_TABLES = {
    "parquet": "parquet", "jsonl": "jsonl", "ndjson": "jsonl", "arrow": "arrow", "feather": "arrow",
}  # fmt: skip
_TEI = re.compile(rb"<(?:\w+:)?TEI(?:\.2|Corpus)?[\s>]|tei-c\.org/ns")
_HTML = re.compile(rb"<!doctype\s+html|<html[\s>]", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\b")
_BLOCK_BYTES = 1 << 20
"""A bz2 block is not larger, so that many bytes hold a whole one."""


def ending(name: str) -> str:
    """Return the ending of a file's name in lower case, without its dot; empty if it has none."""
    last = name.rsplit("/", 1)[-1]
    found = re.search(r"\.([A-Za-z0-9-]{1,8})$", last)
    return found[1].lower() if found else ""


def form_of(name: str, head: bytes) -> str:
    """Return the form of a file: one of TEXT_FORMS, zip, tar, gz, bz2, a table's, or "other".

    Args:
        name: of the file or the archive's member.
        head: its first HEAD_BYTES (a bz2 file: its first megabyte).
    """
    kind = ending(name)
    if head[:4] == b"PK\x03\x04" or head[:4] == b"PK\x05\x06":
        is_epub = kind == "epub" or b"mimetypeapplication/epub+zip" in head[:128]
        return "epub" if is_epub else "zip"
    if head[257:262] == b"ustar":
        return "tar"
    if head[:2] == b"\x1f\x8b" or head[:3] == b"BZh":
        return _compressed_form(name, head)
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1" or (kind in _TABLES and head):
        return _TABLES.get(kind, "arrow")
    if _TEI.search(head[:8192]):
        return "tei"
    start = head[:4096].lstrip(b"\xef\xbb\xbf")
    if _HTML.search(start) or kind in _HTML_NAMES:
        return "html"
    if _XML.match(start) or (is_binary(head) and kind not in _PLAIN_NAMES):
        return "other"
    if kind in _MARKDOWN_NAMES:
        return "md"
    return "txt" if kind in _PLAIN_NAMES else "other"


def _compressed_form(name: str, head: bytes) -> str:
    is_gz = head[:2] == b"\x1f\x8b"
    form = "gz" if is_gz else "bz2"
    try:
        inner = (
            zlib.decompressobj(wbits=31).decompress(head, 1024)
            if is_gz
            else bz2.BZ2Decompressor().decompress(head, 1024)
        )
    except (OSError, zlib.error):
        return form
    is_tar = inner[257:262] == b"ustar" or ending(name) in ("tgz", "tbz2", "tbz")
    if is_tar or name.lower().endswith((".tar.gz", ".tar.bz2")):
        return "tar"
    # Tables are read by the libraries that know their compression.
    return "jsonl" if re.search(r"\.(?:jsonl|ndjson)\.(?:gz|bz2)$", name.lower()) else form


def read_book(data: bytes, form: str, *, max_bytes: int) -> Book:
    """Read one book from the bytes of its file.

    Args:
        data: the whole file.
        form: one of TEXT_FORMS.
        max_bytes: that a compressed book may have when it is decompressed.

    Raises:
        UnreadableError: its message is the reason of the reject.
    """
    if form == "epub":
        return read_epub(data, max_bytes=max_bytes)
    if is_binary(data):
        raise UnreadableError("binary")
    text, _ = decode(data, declared_encoding(data))
    if form == "html":
        return read_html(text)
    if form == "tei":
        return read_tei(text)
    return bookplain.read_markdown(text) if form == "md" else bookplain.read_plain(text)
