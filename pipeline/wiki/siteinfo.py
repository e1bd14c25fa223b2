"""What a dump says of its wiki, in front of the first page: language, address, namespaces."""

import html
import re
from dataclasses import dataclass, field
from urllib.parse import quote

from pipeline.wiki.wikinames import HIDDEN_PREFIXES

# The names that every wiki understands beside its own; numbers as in
# https://www.mediawiki.org/wiki/Manual:Namespace. Aliases (WP:, Image: on most) stand in no dump.
CANONICAL = {
    "media": -2, "special": -1, "talk": 1, "user": 2, "user talk": 3, "project": 4,
    "project talk": 5, "file": 6, "image": 6, "file talk": 7, "image talk": 7, "mediawiki": 8,
    "mediawiki talk": 9, "template": 10, "template talk": 11, "help": 12, "help talk": 13,
    "category": 14, "category talk": 15,
}  # fmt: skip
_NAMESPACE = re.compile(rb'<namespace key="(-?\d{1,6})"[^<>]*>([^<>]*)</namespace>')
_BASE = re.compile(rb"<base>\s*(https?://[^<>\s]{1,500})\s*</base>")
_LANGUAGE = re.compile(rb"<mediawiki\b[^<>]*\bxml:lang=[\"']([A-Za-z][A-Za-z0-9-]{0,34})[\"']")
# What MediaWiki leaves unescaped in an address, beside letters, digits and "_.-" (wfUrlencode).
_SAFE = ";@$!*(),/~:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Siteinfo:
    """The wiki a dump comes from; empty where the dump does not say."""

    language: str = ""
    """As the dump has it: BCP 47, more or less."""
    base: str = ""
    """Address of the wiki's main page."""
    namespaces: dict[int, str] = field(default_factory=dict[int, str])
    """Number -> the wiki's own name, for instance 14 -> "Catégorie"."""

    def namespace_of(self, title: str) -> int:
        """Return the namespace that a title's prefix names; 0 if it names none."""
        prefix, colon, _ = title.partition(":")
        if not colon:
            return 0
        name = _normal(prefix)
        own = {_normal(name): number for number, name in self.namespaces.items() if number}
        return own.get(name, CANONICAL.get(name, 0))

    def hidden_prefixes(self) -> frozenset[str]:
        """Return the lower-case link prefixes of media, file and category pages."""
        own = {
            self.namespaces[number].lower() for number in (-2, 6, 14) if number in self.namespaces
        }
        return HIDDEN_PREFIXES | own

    def url_of(self, title: str) -> str:
        """Return the address of a page, made as MediaWiki makes it; empty without a base."""
        for mark in ("/wiki/", "/index.php/"):
            head, found, _ = self.base.partition(mark)
            if found:
                return f"{head}{mark}{quote(title.replace(' ', '_'), safe=_SAFE)}"
        return ""


def parse(head: bytes) -> Siteinfo:
    """Read the siteinfo in front of the first page.

    Args:
        head: the first bytes of the decompressed export, UTF-8; 64 KiB hold any siteinfo.
    """
    head = head.partition(b"<page>")[0]
    language, base = _LANGUAGE.search(head), _BASE.search(head)
    return Siteinfo(
        language=language[1].decode() if language else "",
        base=html.unescape(base[1].decode("utf-8", "replace")) if base else "",
        namespaces={
            int(key): html.unescape(name.decode("utf-8", "replace"))
            for key, name in _NAMESPACE.findall(head)
        },
    )


def _normal(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).lower()
