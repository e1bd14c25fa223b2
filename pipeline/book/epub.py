"""Books in EPUB: a zip of XHTML documents in the order of its spine."""

import io
import lzma
import posixpath
import re
import zipfile
import zlib
from typing import Any
from urllib.parse import unquote

from pipeline.book.bookblocks import Block, Book, language_code, year
from pipeline.book.bookhtml import read_html
from pipeline.book.bookmarkup import UnreadableError, full_text, name, parse_xml
from pipeline.raw.decode import declared_encoding, decode

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_DOCUMENTS = ("application/xhtml+xml", "text/html", "application/html", "text/x-oeb1-document")
_FRONT_GUIDES = frozenset({"cover", "toc", "title-page", "copyright-page", "loi", "lot", "index"})
DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
    ValueError,
)  # fmt: skip
"""What zipfile raises on a damaged, unknown or encrypted member, and OSError beside."""


class _Package:
    """The files of an EPUB, with a limit to what they may hold together."""

    def __init__(self, data: bytes, max_bytes: int) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (*DAMAGE, OSError) as error:
            raise UnreadableError("epub_zip") from error
        self._left = max_bytes
        self.names = {info.filename: info for info in self._zip.infolist()}

    def read(self, path: str) -> bytes:
        """Return a file of the package.

        Raises:
            UnreadableError: it is missing, damaged, encrypted, or there is too much of it.
        """
        info = self.names.get(path)
        if info is None:
            raise UnreadableError("epub_missing_file")
        if info.flag_bits & 1:
            raise UnreadableError("encrypted")
        try:
            with self._zip.open(info) as file:
                data = file.read(self._left + 1)
        except (*DAMAGE, OSError) as error:
            raise UnreadableError("epub_damaged") from error
        self._left -= len(data)
        if self._left < 0:
            raise UnreadableError("too_large")
        return data

    def xml(self, path: str) -> Any:
        """Return the root element of a file of the package."""
        data = self.read(path)
        return parse_xml(decode(data, declared_encoding(data))[0])


def read_epub(data: bytes, *, max_bytes: int) -> Book:
    """Read an EPUB, version 2 or 3.

    Raises:
        UnreadableError: it is damaged, protected, or larger than max_bytes when decompressed.
    """
    package = _Package(data, max_bytes)
    if _ENCRYPTION in package.names and _is_protected(package.read(_ENCRYPTION)):
        raise UnreadableError("encrypted")
    path = _package_path(package)
    root = package.xml(path)
    book = Book()
    _facts(root, book)
    for href in _spine(root):
        document = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(href)))
        content = package.read(document)
        chapter = read_html(decode(content, declared_encoding(content))[0])
        book.removed += chapter.removed
        book.blocks += [*chapter.blocks, Block("", "heading")]
    if not book.blocks:
        raise UnreadableError("epub_empty")
    return book


def _is_protected(rules: bytes) -> bool:
    """Tell whether more than fonts is encrypted: those are only obfuscated, by two methods."""
    methods = re.findall(rb"<(?:\w+:)?EncryptionMethod[^>]*Algorithm=[\"']([^\"']*)", rules)
    return any(b"idpf.org" not in method and b"enc#RC" not in method for method in methods)


def _package_path(package: _Package) -> str:
    if _CONTAINER in package.names:
        for element in package.xml(_CONTAINER).iter():
            if name(element) == "rootfile" and element.get("full-path"):
                return element.get("full-path")
    packages = sorted(path for path in package.names if path.endswith(".opf"))
    if not packages:
        raise UnreadableError("epub_container")
    return packages[0]


def _spine(root: Any) -> list[str]:
    """Return the documents in reading order, without covers, navigation and contents."""
    items: dict[str, Any] = {}
    order: list[str] = []
    left_out: set[str] = set()
    for element in root.iter():
        tag = name(element)
        if tag == "item" and element.get("id") and element.get("href"):
            items[element.get("id")] = element
        elif tag == "itemref" and element.get("linear") != "no":
            order.append(element.get("idref") or "")
        elif tag == "reference" and (element.get("type") or "").lower() in _FRONT_GUIDES:
            left_out.add((element.get("href") or "").partition("#")[0])
    hrefs = []
    for idref in order:
        item = items.get(idref)
        if item is None or "nav" in (item.get("properties") or "").split():
            continue
        # The guide of a small book names a chapter that holds its contents, too.
        if item.get("href") in left_out and len(order) > 4:
            continue
        if (item.get("media-type") or _DOCUMENTS[0]) in _DOCUMENTS:
            hrefs.append(item.get("href"))
    return list(dict.fromkeys(hrefs))


def _facts(root: Any, book: Book) -> None:
    """Read the Dublin Core of a package."""
    for element in root.iter():
        tag = name(element)
        value = " ".join(full_text(element).split())
        if tag == "title":
            book.fill({"title": value})
        elif tag == "creator":
            book.fill({"author": value})
        elif tag == "language":
            book.fill({"language": language_code(value)})
        elif tag == "date" and (element.get("{http://www.idpf.org/2007/opf}event") or "") in (
            "", "publication", "original-publication",
        ):  # fmt: skip
            book.fill({"date": year(value)})
        elif tag == "manifest":
            break
