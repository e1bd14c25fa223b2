"""UTF-16 as a stream of UTF-8; offsets are then those of the UTF-8."""

import codecs
from collections.abc import Iterable, Iterator

from pipeline.raw.multistream import Damage


def codec_of(head: bytes) -> str:
    """Name the UTF-16 codec of XML from its first bytes, "" if it is no UTF-16."""
    if head[:2] in (b"\xff\xfe", b"<\0"):
        return "utf-16-le"
    if head[:2] in (b"\xfe\xff", b"\0<"):
        return "utf-16-be"
    return ""


def transcoded(chunks: Iterable[bytes | Damage]) -> Iterator[bytes | Damage]:
    """Turn UTF-16, cut anywhere, into UTF-8; what is no character becomes U+FFFD.

    Behind damage nothing is read: the rest may begin in the middle of a character.
    """
    decoder: codecs.IncrementalDecoder | None = None
    first = b""
    for chunk in chunks:
        if isinstance(chunk, Damage):
            yield chunk
            return
        if decoder is None:
            first += chunk
            if len(first) < 2:
                continue
            name = codec_of(first) or "utf-16-le"
            decoder = codecs.getincrementaldecoder(name)("replace")
            yield decoder.decode(first).removeprefix("\ufeff").encode()
            continue
        yield decoder.decode(chunk).encode()
    if decoder is not None:
        yield decoder.decode(b"", final=True).encode()
