"""Replace e-mail addresses, public IP addresses and phone numbers. An option of a source.

A replacement is a function of what it replaces alone, so the same address gets the same one in
every document and on every worker. It is drawn by hash from a few values that are reserved for
examples: example.com and its sisters (RFC 2606), 192.0.2.0/24 and its sisters (RFC 5737),
2001:db8::/32 (RFC 3849), and 555-0100 to 555-0199 (the North American plan). So few that a hash
of a known address proves nothing, and natural enough for a language model. They are not replaced
again.

What is found is what is written plainly: "name (at) host" is not. A phone number has a plus sign,
a label before it (Tel., phone, fax), or one of the written forms below; a bare run of digits is a
number. Each pattern is tried only where a candidate begins and looks at bounded stretches, so time
is linear in the text.
"""

import hashlib
import ipaddress
import re
from collections.abc import Callable, Collection

VERSION = 1
"""Raise it with every change of output."""
KINDS = ("email", "ip", "phone")


def replace(text: str, kinds: Collection[str]) -> tuple[str, dict[str, int]]:
    """Return the text with what is personal replaced, and how often, by kind.

    Args:
        text: cleaned.
        kinds: of KINDS.
    """
    counts: dict[str, int] = {}
    if "email" in kinds and "@" in text:
        emails = [found for at in _AT.finditer(text) if (found := _email(at)) is not None]
        text = _substitute(text, emails, counts)
    if "ip" in kinds or "phone" in kinds:
        numbers: list[Replacement] = []
        for stretch in _STRETCH.finditer(text):
            numbers += _in_stretch(text, *stretch.span(), kinds)
        text = _substitute(text, numbers, counts)
    return text, counts


def count_in(text: str, begin: int, end: int) -> dict[str, int]:
    """Count IP addresses and phone numbers in one stretch of a text, by kind.

    Args:
        text: the text, or AROUND_CHARS of it to each side of the stretch.
        begin: where the stretch begins: digits and what may stand between them, as many as there
            are (six characters at least), from a digit on.
        end: where it ends.
    """
    counts: dict[str, int] = {}
    _substitute(text, _in_stretch(text, begin, end, KINDS), counts)
    return counts


AROUND_CHARS = 32
"""No rule for numbers looks further than this."""

Replacement = tuple[int, int, str, str]
"""Where it begins and ends, what stands there then, and its kind."""

# Addresses and numbers stand in stretches of these characters, which one fast search finds.
_STRETCH = re.compile(r"[0-9][0-9A-Fa-f .:/()-]{5,}")
_PLAIN = re.compile(r"[0-9]")


def _in_stretch(text: str, begin: int, end: int, kinds: Collection[str]) -> list[Replacement]:
    written = text[begin:end]
    num_digits = len(_PLAIN.findall(written))
    # A sign may stand before the first digit, and three characters behind the last one count.
    begin, end = max(0, begin - 3), end + 3
    found: list[Replacement] = []
    if "ip" in kinds:
        if written.count(".") >= 3:
            found += _all(_IPV4, _ipv4, text, begin, end)
        if written.count(":") >= 2:
            found += _all(_IPV6, _ipv6, text, begin, end)
    if "phone" in kinds and num_digits >= 6:
        taken = [one[:2] for one in found]
        found += [
            one
            for one in _all(_NUMBER, _phone, text, begin, end)
            if all(one[1] <= start or one[0] >= stop for start, stop in taken)
        ]
    return sorted(found)


def _all(
    pattern: re.Pattern[str],
    judge: Callable[[re.Match[str]], Replacement | None],
    text: str,
    begin: int,
    end: int,
) -> list[Replacement]:
    matches = pattern.finditer(text, begin, end)
    return [found for match in matches if (found := judge(match)) is not None]


def _substitute(text: str, found: list[Replacement], counts: dict[str, int]) -> str:
    pieces: list[str] = []
    done = 0
    for begin, end, instead, kind in found:
        if begin < done:
            continue
        pieces += (text[done:begin], instead)
        counts[kind] = counts.get(kind, 0) + 1
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _draw(what: str, num: int) -> int:
    digest = hashlib.sha256(f"pii\0{what}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % num


# --- e-mail -------------------------------------------------------------------------------------

_AT = re.compile("@")
_LOCAL_SIGNS = frozenset("._%+-'")
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_DOMAIN = re.compile(rf"((?:{_LABEL}\.){{1,8}})([^\W\d_]{{2,24}}|xn--[a-z0-9-]{{2,59}})(?![\w@-])")
_LONG_DOMAINS = (
    "com org net edu gov mil int info biz name pro aero coop museum arpa asia cat jobs mobi tel "
    "travel post app dev page blog shop store online site website tech xyz club live news media "
    "agency academy cloud digital email group world today life design studio company solutions "
    "international global network center church college university school health care bank law "
    "berlin hamburg koeln bayern wien london paris nyc tokyo swiss scot wales eus gal bzh"
)
"""Of three letters and more: a closed list keeps out names of files and units ("icon@2x.png",
"getty@tty1.service")."""
_LONG = frozenset(_LONG_DOMAINS.split())
_PASSWORD = re.compile(r"//[^\s/]{1,40}:$")
_EXAMPLE = re.compile(r"(?:^|\.)example\.(?:com|org|net)$", re.IGNORECASE)
_NAMES = ("info", "contact", "office", "mail", "name", "hello", "first.last", "someone")
_HOSTS = ("example.com", "example.org", "example.net")


def _email(at: re.Match[str]) -> Replacement | None:
    text, middle = at.string, at.start()
    begin, least = middle, max(0, middle - 64)
    while begin > least and (text[begin - 1].isalnum() or text[begin - 1] in _LOCAL_SIGNS):
        begin -= 1
    while begin < middle and not text[begin].isalnum():
        begin += 1  # a quote or dash before the name
    domain = _DOMAIN.match(text, at.end())
    if begin == middle or domain is None or text[middle - 1] in ".'":
        return None
    before = text[max(0, begin - 64) : begin]
    if before[-1:] in ("@", "/") or (before[-1:] == ":" and _PASSWORD.search(before)):
        return None  # @user@server, or the user of a URL
    end = domain.end()
    if text[end : end + 1] in ("/", ":") and text[end + 1 : end + 2].strip():
        return None  # user@host:path
    top = domain[2].lower()
    is_known = len(top) == 2 or top in _LONG or not top.isascii() or top.startswith("xn--")
    if not is_known or _EXAMPLE.search(domain[0]):
        return None
    number = _draw(text[begin:end].lower(), len(_NAMES) * len(_HOSTS))
    return begin, end, f"{_NAMES[number % len(_NAMES)]}@{_HOSTS[number // len(_NAMES)]}", "email"


# --- IP addresses -------------------------------------------------------------------------------

_IPV4 = re.compile(
    r"(?<![\w.])[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![\w]|\.[0-9]|[-~+][\w])"
)
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,35}(?![\w.]?[\w:])")
# Words that are followed by a version or a section, and programs as they sign ("Chrome/1.2.3.4").
_NO_ADDRESS = re.compile(
    r"(?:\b(?:versions?|ver|v|releases?|rel|build|firmware|update|patch|sections?|sec|chapter|"
    r"clause|paragraph|table|figure|item|rule|nr|no)[.:]?\s{0,2}\(?|§{1,2}\s{0,2}|[\w)][/-]|[=<>]=\s?)$",
    re.IGNORECASE,
)
_SMALL = 32
"""Three numbers of four that are smaller mean a section, a version or an object identifier. Of
addresses drawn evenly, 0.7 % are so."""
# The special-purpose registries of IANA (2024); not `is_global`, which changes with Python.
_SPECIAL_NETS = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
    "192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 "
    "224.0.0.0/4 240.0.0.0/4 2001::/23 2001:db8::/32 2002::/16 3fff::/20"
)
_SPECIAL = [ipaddress.ip_network(network) for network in _SPECIAL_NETS.split()]
_EXAMPLE_NETS = ("192.0.2", "198.51.100", "203.0.113")


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return not any(
        address.version == network.version and address in network for network in _SPECIAL
    )


def _ipv4(match: re.Match[str]) -> Replacement | None:
    try:
        address = ipaddress.IPv4Address(match[0])
    except ValueError:  # a number above 255, or one with leading zeros
        return None
    if not _is_public(address) or sum(number < _SMALL for number in address.packed) >= 3:
        return None
    if _NO_ADDRESS.search(match.string[max(0, match.start() - 16) : match.start()]):
        return None
    number = _draw(match[0], 254 * len(_EXAMPLE_NETS))
    return (*match.span(), f"{_EXAMPLE_NETS[number // 254]}.{number % 254 + 1}", "ip")


def _ipv6(match: re.Match[str]) -> Replacement | None:
    written = match[0].rstrip(":")
    try:
        address = ipaddress.IPv6Address(written)
    except ValueError:
        return None
    if not _is_public(address):
        return None
    end = match.start() + len(written)
    return match.start(), end, f"2001:db8::{_draw(written.lower(), 0xFFFF) + 1:x}", "ip"


# --- phone numbers ------------------------------------------------------------------------------

# Digits in groups: one separator, or one with blanks around it, or brackets around a group.
_NUMBER = re.compile(
    r"(?<![\w.,+(/=#$€£%-])(?<![\w)][-/])(?<![0-9]:)"
    r"\(?\+?\(?[0-9](?:[0-9]|[ ./-]\(?[0-9]|[)][ /-]?[0-9]| [/-] \(?[0-9]|\([0-9]){5,28}+"
    r"(?![\w%]|[.,:/-][0-9]|[ ]?[€$£°])"
)
_LABELS = (
    "tel telef telefon telephone phone phones ph fax telefax mobile mobil cell cellphone handy "
    "call dial whatsapp hotline tél téléphone teléfono telefone telefono móvil тел телефон факс "
    "電話 电话"
)
LABELS = tuple(_LABELS.split())
LABEL_ENDS = ("no", "number", "nr", "us", "at")
_LABEL_BEFORE = re.compile(
    rf"(?:\b(?:{'|'.join(LABELS)})(?:[ -]?(?:{'|'.join(LABEL_ENDS)}))?|[☎☏📞📱🕻🖷])"
    "[.:]{0,2}[ \u00a0]{0,2}$",
    re.IGNORECASE,
)
_NANP = re.compile(
    r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}([.-]))[2-9][0-9]{2}([ .-])[0-9]{4}"
)
# With a 0 before the area code: 030 123456, (030) 123456, 030/123456, 03-1234-5678, 01 23 45 67 89.
_TRUNK = re.compile(
    r"(?:0[1-9][0-9]{1,4}|\(0[1-9][0-9]{0,4}\)|0[1-9](?= ?[/-]))(?: ?[ /-] ?[0-9]{2,9}){1,4}|"
    r"0[1-9](?:([ .-])[0-9]{2})(?:\1[0-9]{2}){3}"
)
_OURS = re.compile(r"(?:\+1 )?202-555-01[0-9]{2}")
_IS_DATE = re.compile(
    r"(?:(?:1[0-9]|20)[0-9]{2}[./-](?:0?[1-9]|1[0-2])[./-][0-9]{1,2}|"
    r"[0-9]{1,2}[./-][0-9]{1,2}[./-](?:1[0-9]|20)?[0-9]{2})(?![./-]?[0-9])|"
    r"1[0-9]{3}[ ./-]+[12][0-9]{3}|(?:[12][0-9]{3}[ ,/-]*){2,}"
)
_QUAD = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\.?[0-9])")


def _phone(match: re.Match[str]) -> Replacement | None:
    written, begin = match[0], match.start()
    if written.rfind("(") > max(0, written.rfind(")")):
        written = written[: written.rindex("(")].rstrip(" ./-")  # a bracket behind the number
    if written[:1] == "(" and written.count("(") > written.count(")"):
        written, begin = written[1:], begin + 1  # the bracket closes behind it
    num_digits = sum(map(str.isdigit, written))
    if not 6 <= num_digits <= 15 or _IS_DATE.match(written) or _QUAD.match(written):
        return None
    if _OURS.fullmatch(written) or written.count("(") != written.count(")"):
        return None
    before = match.string[max(0, begin - 20) : begin]
    is_phone = (
        (written.startswith(("+", "(+")) and num_digits >= 8 and not written.startswith("+0"))
        or bool(_LABEL_BEFORE.search(before))
        or _is_nanp(written)
        or (
            10 - 2 * written.startswith("(") <= num_digits <= 12
            and _TRUNK.fullmatch(written) is not None
        )
        or (
            written.startswith("00")
            and num_digits >= 11
            and re.match(r"00[1-9][0-9]{0,2}[ /-]", written)
        )
    )
    if not is_phone:
        return None
    number = _draw("".join(filter(str.isdigit, written)), 100)
    prefix = "+1 " if written.startswith(("+", "(+", "00")) else ""
    return begin, begin + len(written), f"{prefix}202-555-01{number:02}", "phone"


def _is_nanp(written: str) -> bool:
    found = _NANP.fullmatch(written)
    # Either brackets around the area code, or the same sign twice.
    return found is not None and found[1] in (None, found[2])
