"""Reader of kind `text`: plain text, a document per file or per line."""

import codecs
from collections.abc import Iterator
from typing import Any

from corpus import storage
from pipeline.raw import decode, lines, packed
from pipeline.raw.inflate import raw_chunks
from pipeline.raw.packed import Damage, Piece
from pipeline.records import Record, is_drawn
from pipeline.split import Member, Split, whole_files

VERSION = 1
"""Raise it with every change of output."""
SPLIT_BYTES = 64 << 20
"""About how much of a file with a document per line one worker reads."""

_HEAD_BYTES = 1 << 16
_DETECT_BYTES = 1 << 18
_BOMS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32-le",
    b"\x00\x00\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_OTHERS = {
    "books": (".htm", ".html", ".xhtml", ".xml", ".epub"),
    "dataset": (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow"),
}
"""Kind of source -> endings of files that are text to look at, and would bring their markup."""
_CONTROLS = dict.fromkeys((*range(8), *range(14, 27), *range(28, 32), 127))
_MAX_CONTROLS = 0.01
"""Share of control characters that no text has."""


def is_binary(text: str) -> bool:
    """Tell whether a string is no text: one character in a hundred is a control character."""
    num_controls = len(text) - len(text.translate(_CONTROLS))
    return num_controls > _MAX_CONTROLS * len(text)


def bom(data: bytes) -> tuple[str, int]:
    """Return the encoding that a byte order mark names, and its length; or nothing."""
    # A mark of UTF-32 begins like one of UTF-16.
    for mark in sorted(_BOMS, key=len, reverse=True):
        if data.startswith(mark):
            return _BOMS[mark], len(mark)
    return "", 0


def read_text(data: bytes) -> str:
    """Return the text of a file: by byte order mark, as UTF-8 (also if damaged), or detected."""
    if not bom(data)[0] and not data.isascii() and is_mostly_utf8(data):
        return data.decode("utf-8", "replace")
    return decode.decode(data)[0]


def is_mostly_utf8(data: bytes) -> bool:
    """Tell whether, of the lines that are not ASCII, more are UTF-8 than not."""
    num_good = num_bad = 0
    for line in data.split(b"\n"):
        if line.isascii():
            continue
        try:
            line.decode()
            num_good += 1
        except UnicodeDecodeError:
            num_bad += 1
    return num_good > num_bad


def form(url: str) -> str:
    """Return how a file is packed: plain, gz, bz2 or zst; or utf16 where its lines are not bytes.

    Raises:
        ValueError: by its name the file is of another kind. One that is no text is a row of the
            rejects.
    """
    name = url.lower()
    for packing in packed.PACKINGS:
        name = name.removesuffix(f".{packing}")
    for kind, endings in _OTHERS.items():
        if name.endswith(endings):
            raise ValueError(
                f"{url}: kind `text` would take its markup as text; read it with kind `{kind}`, or "
                "name the text files by a pattern such as raw/*.txt"
            )
    head = storage.read_bytes(url, start=0, end=_HEAD_BYTES)
    form = packed.packing(head)
    if form == "plain" and bom(head)[0].startswith(("utf-16", "utf-32")):
        return "utf16"
    return form


def cuts(url: str, form: str, chunks: Iterator[bytes], num_bytes: int) -> list[int]:
    """Read a file through and return where splits begin, each with a line."""
    if form == "plain":
        return lines.starts(chunks, size=SPLIT_BYTES)
    for _ in chunks:
        pass
    return [0]


def read(split: Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read the documents of a split."""
    if section["document"] == "line":
        for file in whole_files(split):
            yield from _line_records(file, split=split, section=section)
    elif split.start == 0:
        # A file was cut before it was known that it is one document: its first split reads it.
        for file in whole_files(split):
            yield _file_record(file, section=section)


def _file_record(file: Member, *, section: dict[str, Any]) -> Record:
    max_bytes = section["max_record_mb"] << 20
    held: list[bytes] = []
    num_bytes, reason = 0, ""
    for piece in _pieces(file):
        if isinstance(piece, Damage):
            reason = reason or piece.reason
            continue
        num_bytes += len(piece)
        if num_bytes > max_bytes:
            reason, held = reason or "too_large", []
        elif not reason:
            held.append(piece)
    key = file.sha256[:32]
    skipped = "" if reason or is_drawn(key, section) else "not_drawn"
    text = ""
    if not reason and not skipped:
        text, reason = _decoded(b"".join(held))
    return Record(
        key=key,
        text=text,
        num_raw_bytes=num_bytes,
        skipped=skipped,
        rejected=reason,
        file=file.sha256,
    )


def _decoded(data: bytes) -> tuple[str, str]:
    encoding, _ = bom(data)
    if b"\0" in data and not encoding.startswith(("utf-16", "utf-32")):
        return "", "binary"
    text = read_text(data)
    return ("", "binary") if is_binary(text) else (text, "")


def _pieces(file: Member, start: int = 0, *, end: int | None = None) -> Iterator[Piece]:
    chunks = raw_chunks(file.url, start, end=end)
    return packed.unpacked(chunks, "plain" if file.form == "utf16" else file.form)


def _line_records(file: Member, *, split: Split, section: dict[str, Any]) -> Iterator[Record]:
    end = None if split.is_last or split.members else split.end
    encoding, size = _file_encoding(file)
    pieces = _pieces(file, split.start, end=end)
    if encoding.startswith(("utf-16", "utf-32")):
        pieces = _as_utf8(pieces, encoding)
        encoding, size = "utf-8", len(codecs.BOM_UTF8)
    max_bytes = section["max_record_mb"] << 20
    for line in lines.lines(pieces, max_bytes=max_bytes, start=split.start):
        data, reason, skipped, text = line.data, line.reason, "", ""
        if not reason and not data.strip():
            continue
        key = f"{file.sha256[:16]}/{line.offset}"
        if not reason and not is_drawn(key, section):
            skipped = "not_drawn"
        elif not reason:
            text, reason = _decoded_line(data[0 if line.offset else size :], encoding)
        yield Record(
            key=key,
            text=text,
            num_raw_bytes=line.num_bytes,
            skipped=skipped,
            rejected=reason,
            file=file.sha256,
            offset=line.offset,
        )


def _file_encoding(file: Member) -> tuple[str, int]:
    """Return what the beginning of a file says of its encoding, and the length of its mark.

    The encoding is empty where all of the beginning is ASCII.
    """
    raw = storage.read_bytes(file.url, start=0, end=_DETECT_BYTES)
    head = raw if file.form == "utf16" else packed.unpacked_head(raw, max_bytes=_DETECT_BYTES)
    encoding, size = bom(head)
    if encoding or head.isascii():
        return encoding, size
    try:
        # The last character may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return ("utf-8" if is_mostly_utf8(head) else decode.decode(head)[1]), 0
    return "utf-8", 0


def _decoded_line(data: bytes, encoding: str) -> tuple[str, str]:
    if b"\0" in data:
        return "", "binary"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        if encoding == "utf-8":
            return "", "not_utf8"
        text = data.decode(encoding, "replace") if encoding else decode.decode(data)[0]
    return ("", "binary") if is_binary(text) else (text, "")


def _as_utf8(pieces: Iterator[Piece], encoding: str) -> Iterator[Piece]:
    """Return UTF-16 or UTF-32 as UTF-8, in which a line feed is one byte."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for piece in pieces:
        if isinstance(piece, Damage):
            yield piece
        else:
            yield decoder.decode(piece).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")
