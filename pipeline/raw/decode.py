"""Bytes to text: byte order mark, then UTF-8, then what is declared, then detection.

Names of encodings mean what browsers make of them (WHATWG): ISO-8859-1 and ASCII are read as
windows-1252. The same bytes give the same text on every machine.
"""

import codecs
import re

from resiliparse.parse.encoding import (  # pyright: ignore[reportMissingModuleSource]
    detect_encoding,
)

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_AS_BROWSERS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
}
_DETECT_BYTES = 1 << 20
_HEAD_BYTES = 4096
_WESTERN = ("cp1252", "mac_roman", "cp850")
"""Of single-byte encodings that detectors take for one another, by priority."""
_HIGH_WORD = re.compile(rb"(?<=[a-z])[\x80-\xff](?=[a-z])")
_DECLARED = re.compile(
    rb"""(?:encoding\s*=\s*|charset\s*=\s*|^character set encoding:\s*)["']?([A-Za-z][\w.:-]*)""",
    re.IGNORECASE | re.MULTILINE,
)


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """Decode bytes of unknown or doubtful encoding.

    Args:
        data: the whole text; the beginning of a longer one may be guessed otherwise.
        declared: the encoding that a header or the document itself names, believed where it fits.

    Returns:
        The text without its byte order mark, and the name of the encoding as Python writes it.
        Bytes that are not valid in it have become U+FFFD.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace"), name
    wanted = _python_name(declared)
    # Hardly any text in another encoding is valid UTF-8, and many a declaration is wrong.
    for name in ("utf-8", wanted):
        if name and not (name == "utf-8" and wanted.startswith(("utf-16", "utf-32", "iso2022"))):
            try:
                return data.decode(name), name
            except UnicodeDecodeError:
                continue
    name = wanted if wanted and wanted != "utf-8" else _detected(data)
    return data.decode(name, "replace"), name


def declared_encoding(data: bytes) -> str | None:
    """Return what a document's beginning says of its encoding: XML, HTML or Project Gutenberg."""
    found = _DECLARED.search(data[:_HEAD_BYTES])
    return found[1].decode("ascii") if found else None


def is_binary(data: bytes) -> bool:
    """Tell whether bytes are no text: NUL or too many control characters, in no UTF-16 or -32."""
    if data.startswith(tuple(mark for mark, _ in _MARKS)):
        return False
    head = data[: 1 << 16]
    if b"\0" in head:
        return True
    controls = len(head) - len(head.translate(None, bytes({*range(9), *range(14, 27), 28, 29})))
    return controls * 100 > len(head)


def _python_name(label: str | None) -> str:
    """Return the codec that browsers use for a label; empty if there is none for text."""
    name = ""
    try:
        # codecs such as "hex" and "rot13" are known to Python but decode no bytes to text.
        name = codecs.lookup(label or "").name
        b"    ".decode(name)
    except LookupError:
        return ""
    except UnicodeDecodeError:
        pass
    return _AS_BROWSERS.get(name, name)


def _detected(data: bytes) -> str:
    """Guess an encoding from the part of the text that has the first bytes beyond ASCII."""
    first = re.search(rb"[\x80-\xff]", data)
    start = max(0, first.start() - _HEAD_BYTES) if first else 0
    sample = data[start : start + _DETECT_BYTES]
    name = _python_name(detect_encoding(sample, max_len=len(sample)))
    # The ISO encodings have no letters from 0x80 to 0x9F.
    is_iso = name.startswith("iso8859") and re.search(rb"[\x80-\x9f]", sample)
    if name not in ("", "utf-8", *_WESTERN) and not is_iso:
        return name
    # Inside a lower case word stands a lower case letter, in the encoding that was meant.
    inside = b"".join(_HIGH_WORD.findall(sample))
    scores = [sum(char.islower() for char in inside.decode(w, "replace")) for w in _WESTERN]
    return _WESTERN[scores.index(max(scores))]
