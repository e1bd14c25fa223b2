"""What stands behind a template's name: positional and named arguments."""

from collections.abc import Callable
from dataclasses import dataclass, field

SUPERSCRIPTS = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
SUBSCRIPTS = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")


@dataclass(frozen=True, kw_only=True, slots=True)
class Arguments:
    """The arguments of one template, already plain text."""

    positional: list[str]
    named: dict[str, str] = field(default_factory=dict[str, str])
    language: str = ""
    """Of the wiki, as its dump has it; empty if unknown."""

    def at(self, index: int) -> str:
        """The positional argument, from 0; empty if there is none."""
        return self.positional[index] if index < len(self.positional) else ""

    def name(self, *names: str) -> str:
        """The first named argument that is there and not empty."""
        return next((self.named[name] for name in names if self.named.get(name)), "")

    def is_english(self) -> bool:
        """Whether words of ours would be in the article's language."""
        return self.language.partition("-")[0] in ("en", "simple", "sco")


Render = Callable[[Arguments], str]


def parse_arguments(parts: list[str], *, language: str = "") -> Arguments:
    """Split "a", "b=c" into positional and named arguments; "1=a" is positional."""
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals:
            positional.append(part.strip())
        elif name.isdecimal() and name.isascii() and 0 < len(name) < 3:
            while len(positional) < int(name):
                positional.append("")
            if int(name):
                positional[int(name) - 1] = value.strip()
        elif "<" in name or "/" in name or len(name) > 60:
            positional.append(part.strip())  # no name: the "=" stands in an address or a tag
        else:
            named[name.lower()] = value.strip()
    return Arguments(positional=positional, named=named, language=language)


def raised(text: str) -> str:
    """Set digits and signs as superscripts; what has no superscript leaves all as it is."""
    return _shifted(text, SUPERSCRIPTS)


def lowered(text: str) -> str:
    """Set digits and signs as subscripts; what has no subscript leaves all as it is."""
    return _shifted(text, SUBSCRIPTS)


def _shifted(text: str, table: dict[int, int]) -> str:
    shifted = text.translate(table)
    plain = any(a == b and not a.isspace() for a, b in zip(text, shifted, strict=True))
    return text if plain else shifted
