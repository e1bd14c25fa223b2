"""The records of a WARC or ARC file, one by one, past any damage.

FastWARC reads a sound WARC faster, but it knows no ARC, ends at the first damage and does not say
where it was; here every record that cannot be read is reported with its place. Both are compared in
the tests.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.web.warc_pieces import ARC_HEAD, WARC_HEAD, Piece, starts_record

_MAX_HEAD_BYTES = 1 << 18
_NEXT_WARC = re.compile(rb"\n(?=WARC/\d\.\d{1,2}[ \t]*\r?\n)")
_NEXT_ARC = re.compile(rb"\n(?=" + ARC_HEAD.pattern + rb")")
_OVERLAP_BYTES = 1 << 14
"""How much of a scanned buffer is kept, since a head may straddle its end."""
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(r"\d{1,18}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Archived:
    """One record of an archive file, or a stretch of bytes that is none."""

    type: str
    """As WARC-Type says (response, request, revisit, ...); of ARC `response` or `filedesc`."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the record, names in lower case; an ARC head is put in WARC's words."""
    block: bytes = b""
    """Its content; empty for types that the caller does not want."""
    offset: int = 0
    """In the raw file: of the record, or of the compressed member that holds it (as in CDX)."""
    num_bytes: int = 0
    """Decompressed, head and content."""
    problem: str = ""
    """Why it cannot be read."""


def scan(
    pieces: Iterator[Piece],
    *,
    limit: int,
    max_bytes: int,
    wanted: frozenset[str] = frozenset({"response", "resource"}),
) -> Iterator[Archived]:
    """Read the records of an archive.

    Args:
        pieces: its decompressed bytes, from a record on.
        limit: records that begin at or behind this byte of the raw file are another split's.
        max_bytes: a longer record is not held, and reported as too large.
        wanted: types whose content is returned.
    """
    buffer = _Buffer(pieces)
    while True:
        at_end = not buffer.skip_blank()
        if at_end and not buffer.problem:
            return
        offset = buffer.origin()
        if offset >= limit:
            return
        if at_end:
            yield buffer.give_up(offset)
            continue
        yield _record(buffer, offset=offset, max_bytes=max_bytes, wanted=wanted)


def _record(buffer: "_Buffer", *, offset: int, max_bytes: int, wanted: frozenset[str]) -> Archived:
    head = _head(buffer)
    if head is None:
        if buffer.problem:
            return buffer.give_up(offset)
        is_warc = bool(WARC_HEAD.match(buffer.data))
        skipped = buffer.skip_to_head(1)
        # A head that begins and does not end: the file was cut off there.
        problem = "truncated" if is_warc and not buffer.data else "no_record_head"
        return Archived(type="", offset=offset, num_bytes=skipped, problem=problem)
    headers, num_head = head
    kind = headers.get("warc-type", "").lower()
    length_text = headers.get("content-length", "")
    if not kind or not _LENGTH.fullmatch(length_text):
        problem = "no_record_type" if not kind else "no_content_length"
        skipped = buffer.skip_to_head(num_head)
        if buffer.problem and not buffer.data:
            return buffer.give_up(offset, more=skipped)
        return Archived(
            type=kind, headers=headers, offset=offset, num_bytes=skipped, problem=problem
        )
    length = int(length_text)
    total = num_head + length
    if total > max_bytes:
        return _too_large(buffer, kind, offset=offset, total=total)
    if not buffer.fill(total):
        if buffer.problem:
            return buffer.give_up(offset)
        # The length may be wrong: another record may begin inside what it claims.
        if (skipped := buffer.skip_to_head(num_head, is_bounded=True)) < 0:
            num_bytes = len(buffer.data)
            buffer.drop(num_bytes)
            return Archived(
                type=kind, headers=headers, offset=offset, num_bytes=num_bytes, problem="truncated"
            )
        return Archived(
            type=kind, headers=headers, offset=offset, num_bytes=skipped, problem="wrong_length"
        )
    if not buffer.is_end(total):
        if buffer.is_damaged(offset):
            return buffer.give_up(offset)
        skipped = buffer.skip_to_head(num_head)
        return Archived(
            type=kind, headers=headers, offset=offset, num_bytes=skipped, problem="wrong_length"
        )
    if buffer.is_damaged(offset):
        return buffer.give_up(offset)
    block = bytes(buffer.data[num_head:total]) if kind in wanted else b""
    buffer.drop(total)
    return Archived(type=kind, headers=headers, block=block, offset=offset, num_bytes=total)


def _too_large(buffer: "_Buffer", kind: str, *, offset: int, total: int) -> Archived:
    left = total
    while left > len(buffer.data):
        if skipped := buffer.next_member_head():
            buffer.drop(skipped)
            return Archived(
                type=kind,
                offset=offset,
                num_bytes=total - left + skipped,
                problem="wrong_length",
            )
        left -= len(buffer.data)
        buffer.drop(len(buffer.data))
        if not buffer.fill(1):
            if buffer.problem:
                return buffer.give_up(offset, more=total - left)
            return Archived(type=kind, offset=offset, num_bytes=total - left, problem="truncated")
    buffer.drop(left)
    return Archived(type=kind, offset=offset, num_bytes=total, problem="too_large")


def _head(buffer: "_Buffer") -> tuple[dict[str, str], int] | None:
    """Return the headers of the record at the beginning of the buffer, and their length."""
    buffer.fill(16)
    if not buffer.data.startswith(b"WARC/"):
        return _arc_head(buffer)
    wanted = 4096
    while True:
        is_more = buffer.fill(wanted)
        # Only the first line: a WARC head without any header ends at the blank line after it.
        if found := _HEAD_END.search(buffer.data, 0, _MAX_HEAD_BYTES):
            break
        if not is_more or wanted >= _MAX_HEAD_BYTES:
            return None
        wanted *= 4
    if not WARC_HEAD.match(buffer.data):
        return None
    return header_lines(bytes(buffer.data[: found.start()])), found.end()


def header_lines(head: bytes) -> dict[str, str]:
    """Return header lines by name, in lower case; of a repeated one the first.

    The first line is not a header; a line that begins with white space goes on the one before.
    """
    headers: dict[str, str] = {}
    name = ""
    for line in head.decode("utf-8", "replace").splitlines()[1:]:
        if line[:1] in (" ", "\t") and name:
            headers[name] = f"{headers[name]} {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or name in headers:
            name = ""
            continue
        headers[name] = value.strip()
    return headers


def _arc_head(buffer: "_Buffer") -> tuple[dict[str, str], int] | None:
    wanted = 512
    while b"\n" not in buffer.data[:wanted]:
        if not buffer.fill(wanted) or wanted > _OVERLAP_BYTES:
            break
        wanted *= 2
    buffer.fill(wanted)
    found = ARC_HEAD.match(buffer.data)
    if not found:
        return None
    url = found["url"].decode("utf-8", "replace")
    return {
        "warc-type": "filedesc" if url.startswith("filedesc:") else "response",
        "warc-target-uri": url,
        "warc-date": found["date"].decode(),
        "content-length": found["length"].decode(),
        "content-type": found["mime"].decode("utf-8", "replace").split(" ")[0],
    }, found.end()


class _Buffer:
    """Decompressed bytes from the current record on, and where each came from."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self.pieces = pieces
        self.data = bytearray()
        self.problem = ""
        """Of the member whose bytes are the last ones here; no more come until `give_up`."""
        self.problem_origin = 0
        self.at = 0
        """Decompressed bytes before the current ones."""
        self.marks: list[tuple[int, int]] = []
        """(decompressed position, place in the raw file) of pieces not yet passed."""
        self.is_plain = False

    def fill(self, num_bytes: int) -> bool:
        """Read until so many bytes are here; False if there are fewer before the end or damage."""
        while len(self.data) < num_bytes:
            if self.problem:
                return False
            piece = next(self.pieces, None)
            if piece is None:
                return False
            if piece.problem:
                self.problem, self.problem_origin = piece.problem, piece.origin
                return False
            self.is_plain = piece.is_plain
            if not self.marks or self.marks[-1][1] != piece.origin:
                self.marks.append((self.at + len(self.data), piece.origin))
            self.data += piece.data
        return True

    def drop(self, num_bytes: int) -> None:
        del self.data[:num_bytes]
        self.at += num_bytes
        while len(self.marks) > 1 and self.marks[1][0] <= self.at:
            del self.marks[0]

    def origin(self) -> int:
        """Return the place in the raw file of the first byte."""
        if not self.data and self.problem:
            return self.problem_origin
        position, origin = self.marks[0]
        return origin + self.at - position if self.is_plain else origin

    def next_member_head(self) -> int:
        """Return where in what is here another member begins with a record, or 0."""
        if self.is_plain:
            return 0
        for position, _ in self.marks:
            at = position - self.at
            if at > 0 and starts_record(bytes(self.data[at : at + _OVERLAP_BYTES])):
                return at
        return 0

    def skip_blank(self) -> bool:
        """Pass the line ends between records; False if nothing follows them."""
        while self.fill(1):
            rest = self.data.lstrip(b"\r\n")
            self.drop(len(self.data) - len(rest))
            if rest:
                return True
        return False

    def is_damaged(self, offset: int) -> bool:
        """Tell whether damage was met in the member that the record of this place is in."""
        return bool(self.problem) and self.problem_origin == offset

    def give_up(self, offset: int, *, more: int = 0) -> Archived:
        """Drop what is here of a damaged member, and go on behind it."""
        lost = Archived(
            type="", offset=offset, num_bytes=len(self.data) + more, problem=self.problem
        )
        self.drop(len(self.data))
        self.problem = ""
        self.marks.clear()
        return lost

    def is_end(self, end: int) -> bool:
        """Tell whether a record may end after this many bytes.

        A blank line or another record follows there, or nothing that can be read.
        """
        self.fill(end + 4)
        if self.data[end : end + 4] == b"\r\n\r\n":
            self.fill(end + 5)  # damage to the member shows at its end
            return True
        at = end
        while True:
            if not self.fill(at + 16) and len(self.data) == at:
                return True
            byte = self.data[at : at + 1]
            if byte not in (b"\r", b"\n"):
                break
            at += 1
        if self.data.startswith(b"WARC/", at):
            return True
        self.fill(at + _OVERLAP_BYTES)
        return bool(ARC_HEAD.match(self.data, at))

    def skip_to_head(self, begin: int, *, is_bounded: bool = False) -> int:
        """Drop everything to the next record's head, to damage or to the end.

        Args:
            begin: search from so many bytes on.
            is_bounded: drop nothing if there is no head in what is here.

        Returns:
            How many bytes were dropped, or -1 if none were since there is no head.
        """
        dropped = 0
        at = max(0, begin - 1)
        while True:
            ends = [
                found.end()
                for pattern in (_NEXT_WARC, _NEXT_ARC)
                if (found := pattern.search(self.data, at))
            ]
            if ends:
                self.drop(min(ends))
                return dropped + min(ends)
            if is_bounded:
                return -1
            surplus = max(0, len(self.data) - _OVERLAP_BYTES)
            self.drop(surplus)
            dropped += surplus
            at = max(0, at - surplus)
            if not self.fill(len(self.data) + 1):
                dropped += len(self.data)
                self.drop(len(self.data))
                return dropped
