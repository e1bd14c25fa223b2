"""Templates that write numbers: val, formatnum, fractions, powers, money, chemistry."""

import re
from decimal import Decimal, InvalidOperation

from pipeline.wiki.template_arguments import Arguments, Render, lowered, raised

# How a wiki's language separates thousands and decimals; English is the rule where none is known.
_SEPARATORS: dict[str, str] = {
    **dict.fromkeys(["de", "nl", "it", "es", "pt", "id", "tr", "da", "el", "ro", "sr", "hr",
    "bs", "sl", "gl", "vi", "ca", "eu", "is", "mk"], ".,"),
    **dict.fromkeys(["fr", "ru", "uk", "be", "pl", "cs", "sk", "sv", "nb", "nn", "no", "fi",
    "hu", "bg", "et", "lv", "lt", "eo", "oc", "kk"], " ,"),
}  # fmt: skip
_PLAIN = re.compile(r"([-−+]?)(\d+)(\.\d+)?\Z")


def grouped(number: str, *, language: str = "") -> str:
    """Put commas between the thousands, or what the language has: "-1234567.25" -> "-1,234,567.25".

    Only numbers that are plainly written are touched; below 10,000 a space is left out, as most
    languages with a space do.
    """
    found = _PLAIN.match(number)
    if not found:
        return number
    sign, whole, rest = found.groups()
    between, point = _SEPARATORS.get(language.partition("-")[0], ",.")
    if len(whole) > (4 if between == " " else 3):
        head = len(whole) % 3 or 3
        whole = between.join(
            [whole[:head], *(whole[i : i + 3] for i in range(head, len(whole), 3))]
        )
    return f"{sign}{whole}{rest.replace('.', point) if rest else ''}"


def plain_number(a: Arguments) -> str:
    """{{formatnum|1234}}, {{nts|1234}}: "1,234"."""
    return grouped(a.at(0).replace(",", ""), language=a.language) or a.name("text")


def val(a: Arguments) -> str:
    """{{val|1234.5|0.5|e=-6|u=kg}}: "1,234.5 ± 0.5×10⁻⁶ kg"."""
    out = grouped(a.at(0).replace(",", ""), language=a.language)
    error, below = a.at(1), a.at(2)
    if error.startswith("+") and below.startswith(("-", "−")):
        out += f" ({error}, {below})"
    elif error:
        out += f" ± {error}"
    if a.name("(err)"):
        out += f"({a.name('(err)')})"
    if a.name("e"):
        out += f"×10{raised(a.name('e'))}"
    unit = a.name("u", "ul")
    if a.name("up", "upl"):
        unit += f"/{a.name('up', 'upl')}"
    gap = "" if not unit or unit[0] in "%°/" else " "
    return f"{a.name('p')}{out}{gap}{unit}{a.name('s')}{a.name('end')}".strip()


def gaps(a: Arguments) -> str:
    """{{gaps|3|141|592}}: digits in groups."""
    return " ".join(part for part in a.positional if part)


def fraction(a: Arguments) -> str:
    """{{frac|3|1|2}}: "3 1/2"."""
    parts = [part for part in a.positional[:3] if part]
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return f"1/{parts[0]}" if len(parts) == 1 else "/".join(parts)


def ordinal(a: Arguments) -> str:
    """{{ordinal|22}}: "22nd"."""
    number = a.at(0)
    if not (number.isascii() and number.isdecimal()):
        return number
    ending = (
        "th" if number[-2:-1] == "1" else {"1": "st", "2": "nd", "3": "rd"}.get(number[-1], "th")
    )
    return number + ending


def quotient(top: str, bottom: str, *, places: str, factor: int = 1) -> str:
    """Divide two numbers as they are written; "" if they are none."""
    try:
        above, below = (Decimal(number.replace(",", "")) for number in (top, bottom))
        number = int(places or "1")
    except (InvalidOperation, ValueError):
        return ""
    if not (0 <= number <= 6 and above.is_finite() and below.is_finite()):
        return ""
    if not Decimal("1e-6") < abs(below) < Decimal("1e15") or abs(above) > Decimal("1e15"):
        return ""
    return f"{above * factor / below:.{number}f}"


def percent(a: Arguments) -> str:
    """{{percentage|1|4|1}}: "25.0%"."""
    value = quotient(a.at(0), a.at(1), places=a.at(2) or "0", factor=100)
    return f"{value}%" if value else ""


def density(a: Arguments) -> str:
    """{{pop density|3645257|640081.87|km2}}: "5.7/km²"."""
    unit = {"km2": "/km²", "sqkm": "/km²", "sqmi": "/sq mi", "mi2": "/sq mi"}.get(
        a.at(2), f"/{a.at(2)}"
    )
    value = quotient(a.at(0), a.at(1), places=a.name("prec") or "1")
    return f"{grouped(value, language=a.language)}{unit}" if value else ""


def chemical(a: Arguments) -> str:
    """{{chem|H|2|O}}: "H₂O"."""
    return "".join(lowered(part) if part[:1].isdigit() else part for part in a.positional)


_AMOUNT = re.compile(r"(?<=[A-Za-z)\]])\d+")


def chemical_line(a: Arguments) -> str:
    """{{chem2|Fe2O3}}: "Fe₂O₃"."""
    return _AMOUNT.sub(lambda found: lowered(found[0]), "".join(a.positional[:1]))


def nuclide(a: Arguments) -> str:
    """{{nuclide|uranium|235}}: "uranium-235"."""
    return "-".join(part for part in a.positional[:2] if part)


def money(sign: str) -> Render:
    """Return what shows an amount in one currency."""
    return lambda a: f"{sign}{grouped(a.at(0), language=a.language)}" if a.at(0) else sign


_RUPEE_POWERS = {"k": " thousand", "l": " lakh", "c": " crore", "m": " million", "b": " billion",
                 "t": " trillion", "lc": " lakh crore"}  # fmt: skip


def rupees(a: Arguments) -> str:
    """{{INRConvert|1.5|c}}: "₹1.5 crore"."""
    return f"₹{grouped(a.at(0))}{_RUPEE_POWERS.get(a.at(1), '')}"


def pounds(a: Arguments) -> str:
    """{{£sd|l=5|s=3|d=2}}: "£5 3s 2d"."""
    return " ".join(
        part
        for part in (
            f"£{a.name('l')}" if a.name("l") else "",
            f"{a.name('s')}s" if a.name("s") else "",
            f"{a.name('d')}d" if a.name("d") else "",
        )
        if part
    )
