"""Reader of kind `books`: files and archives of books in text, Markdown, HTML, EPUB and TEI.

One file is one book, and so is each member of an archive. Tables of sentences, as mirrors of
BookCorpus have them, are put together to books again (booksentences).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from corpus import storage
from pipeline.book import bookforms, booksentences, booktext
from pipeline.book.bookmarkup import UnreadableError
from pipeline.raw import archive
from pipeline.records import Record, is_drawn
from pipeline.split import Member, Split, whole_files

VERSION = 1
"""Raise it with every change of output, of any module of books."""

_BZ2_HEAD_BYTES = 1 << 20
_KEY_DIGITS = 16
_NEVER_TEXT_NAMES = """
    jpg jpeg png gif svg webp bmp tif tiff ico css js json opf ncx pdf mobi azw azw3 prc
    doc docx rtf tex ps djvu mp3 ogg wav mid midi ly mxl ttf otf woff woff2 csv py sh exe
    lit pdb pls plist db
"""
_NEVER_TEXT = frozenset(_NEVER_TEXT_NAMES.split())


def form(url: str) -> str:
    """Return the form of a file (bookforms.form_of); files that are no books are "other"."""
    head = storage.read_bytes(url, start=0, end=bookforms.HEAD_BYTES)
    if head[:3] == b"BZh":
        head = storage.read_bytes(url, start=0, end=_BZ2_HEAD_BYTES)
    return bookforms.form_of(url, head)


def cuts(url: str, form: str, chunks: Iterator[bytes], num_bytes: int) -> list[int]:
    """Read a raw file through; it is one split."""
    for _ in chunks:
        pass
    return [0]


def read(split: Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read the books of a split's files."""
    for file in whole_files(split):
        for record in _records(file, section):
            yield replace(record, file=file.sha256)


def _records(file: Member, section: dict[str, Any]) -> Iterator[Record]:
    key = file.sha256[:_KEY_DIGITS]
    max_bytes = section["max_record_mb"] << 20
    if file.form == "other":
        yield Record(key=key, num_raw_bytes=file.num_bytes, skipped="not_text")
    elif file.form in ("zip", "tar"):
        yield from _members(file, section, max_bytes)
    elif file.form in booksentences.FORMS:
        yield from booksentences.read(file, section, key=key)
    elif file.num_bytes > max_bytes:
        yield Record(key=key, num_raw_bytes=file.num_bytes, rejected="too_large")
    else:
        data = storage.read_bytes(file.url)
        yield _book(data, file.form, file.url, key, section, max_bytes)


def _members(file: Member, section: dict[str, Any], max_bytes: int) -> Iterator[Record]:
    seen: set[bytes] = set()
    with storage.open_read(file.url) as opened:
        for item in archive.members(
            opened,
            file.form,
            num_bytes=file.num_bytes,
            max_bytes=max_bytes,
            wanted=lambda name: bookforms.ending(name) not in _NEVER_TEXT,
        ):
            at = {"member": item.name, "offset": item.offset, "num_raw_bytes": item.num_bytes}
            key = f"{file.sha256[:_KEY_DIGITS]}/@{item.offset}"
            if item.problem:
                yield Record(key=key, rejected=item.problem, **at)
                continue
            if item.is_skipped:
                yield Record(key=key, skipped="not_text", **at)
                continue
            digest = hashlib.sha256(item.data).digest()
            if digest in seen:
                yield Record(key=key, skipped="same_file", **at)
                continue
            seen.add(digest)
            key = f"{file.sha256[:_KEY_DIGITS]}/{digest.hex()[:_KEY_DIGITS]}"
            form = bookforms.form_of(item.name, item.data)
            record = _book(item.data, form, item.name, key, section, max_bytes)
            yield replace(record, member=item.name, offset=item.offset)


def _book(
    data: bytes, form: str, name: str, key: str, section: dict[str, Any], max_bytes: int
) -> Record:
    """Return the record of one book's file, decompressed if it is gz or bz2."""
    if form in ("gz", "bz2"):
        try:
            data = archive.inflated(data, max_bytes=max_bytes)
        except ValueError as error:
            return Record(key=key, num_raw_bytes=len(data), rejected=str(error))
        form = bookforms.form_of(name.rpartition(".")[0], data)
    num_raw_bytes = len(data)
    if form in ("zip", "tar", "gz", "bz2"):
        return Record(key=key, num_raw_bytes=num_raw_bytes, skipped="nested_archive")
    if form not in bookforms.TEXT_FORMS:
        return Record(key=key, num_raw_bytes=num_raw_bytes, skipped="not_text")
    if not is_drawn(key, section):
        return Record(key=key, num_raw_bytes=num_raw_bytes, skipped="not_drawn")
    try:
        book = bookforms.read_book(data, form, max_bytes=max_bytes)
    except UnreadableError as error:
        return Record(key=key, num_raw_bytes=num_raw_bytes, rejected=str(error))
    return Record(
        key=key,
        text=booktext.text(book),
        title=book.title,
        author=book.author,
        date=book.date,
        language=book.language,
        num_raw_bytes=num_raw_bytes,
        removed=tuple(sorted(book.removed.items())),
    )
