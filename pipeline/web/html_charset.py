"""The text of an HTML page from its bytes: the charset it declares, or else the one it has.

The order is WHATWG's (HTML standard, 13.2.3): byte order mark, HTTP header, meta, detection; its
labels too, where iso-8859-1 means windows-1252. In two cases the bytes overrule the label, since
there pages lie and browsers show garbage: bytes that are valid UTF-8 (and not ASCII) are UTF-8, and
bytes that are far from valid under the label are given to the detector.
"""

import re

from resiliparse.parse.encoding import (  # pyright: ignore[reportMissingModuleSource]
    detect_encoding,
    map_encoding_to_html5,
)

_PRESCAN_BYTES = 4096
"""Browsers look at 1024; many pages declare later."""
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_META = re.compile(rb"<meta[^>]{1,400}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.I)
_XML = re.compile(rb"\s*<\?xml[^>]{1,200}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{2,40})")
_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.I)
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_WIDER = {"gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs"}
"""What WHATWG means by these labels, in Python's names."""
_MAX_BAD_SHARE = 0.05
"""Of the non-ASCII characters of a page in the charset that it declares."""


def decode_html(data: bytes, content_type: str = "") -> tuple[str, str]:
    """Decode an HTML page.

    Args:
        data: its bytes.
        content_type: the HTTP header; empty if there is none.

    Returns:
        The text, without a byte order mark, and the Python name of the charset.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(name, "replace"), name
    if data.isascii() and b"\x1b" not in data:
        return data.decode("ascii"), "ascii"
    declared = _declared(data, content_type)
    try:
        if not declared.startswith(("utf-16", "iso2022")):
            return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    for name in [declared or "utf-8"] + ["utf-8"] * (declared not in ("", "utf-8")):
        text = data.decode(name, "replace")
        num_bad = text.count("\ufffd")
        if num_bad <= 2 or num_bad <= _MAX_BAD_SHARE * sum(char > "\x7f" for char in text):
            return text, name
    name = _python_name(detect_encoding(data) or "utf-8")
    return data.decode(name, "replace"), name


def _declared(data: bytes, content_type: str) -> str:
    """Return the Python name of the charset that a page says it has, or nothing."""
    if (found := _HEADER.search(content_type)) and (name := _python_name(found[1])):
        return name
    head = _COMMENT.sub(b"", data[:_PRESCAN_BYTES])
    for found in (_META.search(head), _XML.match(head)):
        if found and (name := _python_name(found[1].decode("ascii"))):
            # Who could read the meta has no UTF-16 before them.
            return "utf-8" if name.startswith("utf-16") else name
    return ""


def _python_name(label: str) -> str:
    name = map_encoding_to_html5(label, fallback_utf8=False) or ""
    return _WIDER.get(name, name)
