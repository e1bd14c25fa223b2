"""The inline templates of Wikipedia that carry words or numbers, as pure functions.

A dropped `{{convert|1300|mi|km}}` leaves "At , Alabama"; so those that stand inside sentences are
rendered, roughly as the page shows them. What depends on the clock ({{age}}, {{CURRENTYEAR}},
{{inflation}}), reading aids ({{IPAc-en}}, {{respell}}) and all that is unknown the caller drops.
Names follow the English Wikipedia and its redirects.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

SUPERSCRIPTS = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
SUBSCRIPTS = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
LANGUAGES = {
    "af": "Afrikaans", "ang": "Old English", "ar": "Arabic", "arc": "Aramaic", "az": "Azerbaijani",
    "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "bo": "Tibetan", "ca": "Catalan",
    "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "eo": "Esperanto",
    "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish",
    "fr": "French", "ga": "Irish", "gd": "Scottish Gaelic", "gl": "Galician",
    "grc": "Ancient Greek", "grc-gre": "Greek", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian",
    "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "is": "Icelandic", "it": "Italian",
    "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "ko": "Korean", "ku": "Kurdish",
    "la": "Latin", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "mn": "Mongolian",
    "ms": "Malay", "mt": "Maltese", "nl": "Dutch", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sa": "Sanskrit", "sk": "Slovak",
    "sl": "Slovene", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili",
    "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "uz": "Uzbek", "vi": "Vietnamese", "yi": "Yiddish", "zh": "Chinese",
}  # fmt: skip
# Code of {{convert}}: singular, plural, symbol.
UNITS = {
    "mi": ("mile", "miles", "mi"), "km": ("kilometre", "kilometres", "km"),
    "m": ("metre", "metres", "m"), "cm": ("centimetre", "centimetres", "cm"),
    "mm": ("millimetre", "millimetres", "mm"), "ft": ("foot", "feet", "ft"),
    "foot": ("foot", "feet", "ft"), "in": ("inch", "inches", "in"), "yd": ("yard", "yards", "yd"),
    "nmi": ("nautical mile", "nautical miles", "nmi"), "kg": ("kilogram", "kilograms", "kg"),
    "g": ("gram", "grams", "g"), "lb": ("pound", "pounds", "lb"), "oz": ("ounce", "ounces", "oz"),
    "t": ("tonne", "tonnes", "t"), "acre": ("acre", "acres", "acre"),
    "ha": ("hectare", "hectares", "ha"), "km2": ("square kilometre", "square kilometres", "km²"),
    "m2": ("square metre", "square metres", "m²"), "sqmi": ("square mile", "square miles", "sq mi"),
    "sqkm": ("square kilometre", "square kilometres", "km²"),
    "sqft": ("square foot", "square feet", "sq ft"), "sqm": ("square metre", "square metres", "m²"),
    "m3": ("cubic metre", "cubic metres", "m³"),
    "km3": ("cubic kilometre", "cubic kilometres", "km³"),
    "l": ("litre", "litres", "L"), "gal": ("gallon", "gallons", "gal"),
    "mph": ("mile per hour", "miles per hour", "mph"), "kn": ("knot", "knots", "kn"),
    "km/h": ("kilometre per hour", "kilometres per hour", "km/h"),
    "c": ("°C", "°C", "°C"), "f": ("°F", "°F", "°F"), "k": ("K", "K", "K"),
    "hp": ("horsepower", "horsepower", "hp"), "psi": ("psi", "psi", "psi"),
}  # fmt: skip
_RANGES = {
    "-": "–", "–": "–", "to": " to ", "to(-)": " to ", "and": " and ", "or": " or ", "by": " by ",
    "x": " by ", "×": " by ", "*": " by ", "+/-": " ± ", "±": " ± ", "and(-)": " and ",
}  # fmt: skip
_NUMBER = re.compile(r"[-−+]?[\d,]*\.?\d+(?:/\d+)?\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Arguments:
    """What stands behind the template's name, already plain text."""

    positional: list[str]
    named: dict[str, str] = field(default_factory=dict[str, str])

    def at(self, index: int) -> str:
        """The positional argument, from 0; empty if there is none."""
        return self.positional[index] if index < len(self.positional) else ""

    def name(self, *names: str) -> str:
        """The first named argument that is there and not empty."""
        return next((self.named[name] for name in names if self.named.get(name)), "")


Render = Callable[[Arguments], str]


def parse_arguments(parts: list[str]) -> Arguments:
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
            positional[int(name) - 1] = value.strip()
        else:
            named[name.lower()] = value.strip()
    return Arguments(positional=positional, named=named)


def grouped(number: str) -> str:
    """Put commas between the thousands: "-1234567.25" -> "-1,234,567.25"."""
    found = re.fullmatch(r"([-−+]?)(\d{4,})(\.\d+)?", number)
    if not found:
        return number
    sign, whole, rest = found.groups()
    head = len(whole) % 3 or 3
    groups = [whole[:head], *(whole[i : i + 3] for i in range(head, len(whole), 3))]
    return f"{sign}{','.join(groups)}{rest or ''}"


def _first(a: Arguments) -> str:
    return a.at(0)


def _last(a: Arguments) -> str:
    return a.positional[-1] if a.positional else ""


def _second(a: Arguments) -> str:
    return a.at(1)


def _second_or_first(a: Arguments) -> str:
    return a.at(1) or a.at(0)


def _text(a: Arguments) -> str:
    return a.at(0) or a.name("text", "content")


def _convert(a: Arguments) -> str:
    values = a.positional
    spelled = a.name("abbr") not in ("on", "in", "y", "yes", "values", "unit")
    adjective = a.name("adj") in ("on", "mid", "pre", "1")
    out: list[str] = []
    at = 0
    while at < len(values) and _NUMBER.match(values[at]):
        number = grouped(values[at].replace(",", ""))
        unit = values[at + 1] if at + 1 < len(values) else ""
        if unit.lower() in _RANGES:
            out.append(number + _RANGES[unit.lower()])
            at += 2
            continue
        names = UNITS.get(unit.lower(), (unit, unit, unit))
        if adjective and spelled:
            out.append(f"{number}-{names[0]} ")
        else:
            name = names[2] if not spelled else names[0 if number == "1" else 1]
            out.append(f"{number} {name} ")
        at += 2
        # "5|ft|10|in" goes on, "5|ft|1" is a rounding hint.
        if at + 1 >= len(values) or not values[at + 1].isalpha():
            break
    return "".join(out).strip()


def _convert_short(a: Arguments) -> str:
    return _convert(Arguments(positional=a.positional, named={"abbr": "on", **a.named}))


def _date(a: Arguments, *, skip: int = 0) -> str:
    parts = [part for part in a.positional[skip : skip + 3] if part]
    if not parts or not all(part.isdecimal() for part in parts):
        # {{birth date|May 3, 1990}} or an unusual form: what is there is a date already.
        return a.at(skip)
    year = parts[0]
    if len(parts) == 1 or not 1 <= int(parts[1][:4]) <= 12:
        return year
    month = MONTHS[int(parts[1]) - 1]
    if len(parts) == 2:
        return f"{month} {year}"
    day = str(int(parts[2][:4]))
    if a.name("df") in ("y", "yes", "1"):
        return f"{day} {month} {year}"
    return f"{month} {day}, {year}"


def _as_of(a: Arguments) -> str:
    if a.name("alt"):
        return a.name("alt")
    words = "since" if a.name("since") else "as of"
    if not a.name("lc"):
        words = words[0].upper() + words[1:]
    parts = a.positional[:2] if not a.at(2) else a.positional[:3]
    when = _date(Arguments(positional=parts, named={"df": "" if a.name("df") == "us" else "y"}))
    return f"{words} {when}{a.name('post')}" if when else ""


def _circa(a: Arguments) -> str:
    years = " – c. ".join(part for part in a.positional[:2] if part)
    return f"c. {years}" if years else "c."


def _fraction(a: Arguments) -> str:
    parts = [part for part in a.positional[:3] if part]
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return f"1/{parts[0]}" if len(parts) == 1 else "/".join(parts)


def _power(exponent: str) -> str:
    return exponent.translate(SUPERSCRIPTS)


def _val(a: Arguments) -> str:
    out = grouped(a.at(0).replace(",", ""))
    if a.at(1):
        out += f" ± {a.at(1)}"
    if a.name("e"):
        out += f"×10{_power(a.name('e'))}"
    unit = a.name("u", "ul", "upl", "up")
    return f"{a.name('p')}{out}{' ' if unit else ''}{unit}{a.name('s')}".strip()


def _nihongo(a: Arguments) -> str:
    inside = ", ".join(part for part in (*a.positional[1:4], a.name("extra")) if part)
    return f"{a.at(0)} ({inside})" if a.at(0) and inside else a.at(0) or inside


def _chinese(a: Arguments) -> str:
    names = (("c", "Chinese"), ("s", "simplified Chinese"), ("t", "traditional Chinese"),
             ("p", "pinyin"), ("w", "Wade–Giles"), ("j", "Jyutping"), ("l", "lit."))  # fmt: skip
    return "; ".join(f"{label}: {a.name(key)}" for key, label in names if a.name(key))


def _quotation(a: Arguments) -> str:
    text = a.name("text", "quote") or a.at(0)
    who = ", ".join(
        p for p in (a.name("author", "sign") or a.at(1), a.name("source") or a.at(2)) if p
    )
    return f"\n\n{text}\n— {who}\n\n" if text and who else f"\n\n{text}\n\n" if text else ""


def _chemical(a: Arguments) -> str:
    return "".join(
        part.translate(SUBSCRIPTS) if part[:1].isdigit() else part for part in a.positional
    )


def _height(a: Arguments) -> str:
    return " ".join(f"{size} {unit}" for unit, size in a.named.items() if unit in ("m", "ft", "in"))


def _ship(prefix: str) -> Render:
    def render(a: Arguments) -> str:
        name = f"{prefix} {a.at(0)}"
        return f"{name} ({a.at(1)})" if a.at(1) and a.at(2) not in ("2", "6") else name

    return render


def _money(sign: str) -> Render:
    return lambda a: f"{sign}{grouped(a.at(0))}" if a.at(0) else sign


def _mark(mark: str) -> Render:
    return lambda _: mark


def _around(before: str, after: str) -> Render:
    return lambda a: f"{before}{a.at(0)}{after}" if a.at(0) else ""


def _table() -> dict[str, Render]:
    by_function: list[tuple[Render, str]] = [
        (_convert, "convert|conv"),
        (_convert_short, "cvt"),
        (_first, "nowrap|nobr|nowr|small|smaller|big|large|larger|nobold|noitalic|center|allcaps"
                 "|sup|sub|sc|smallcaps|em|strong|samp|code|kbd|mono|var|mvar|math|dfn|abbr|tooltip"
                 "|vanchor|visible anchor|linktext|not a typo|native name|as written|plain link"
                 "|ill|interlanguage link|interlanguage link multi|flag|flagu|flagcountry|ordinal"
                 "|nastaliq|ship|sic|ipa"),
        (_text, "longitem"),
        (_last, "lang|transl|transliteration|translit|rtl-lang|script|resize|color|font color"
                "|colour|wikt-lang"),
        (_second, "sort|nihongo2"),
        (_second_or_first, "plainlink"),
        (_date, "birth date|birth date and age|birth-date|birth-date and age|birth year and age|bda"
                "|dob|death date|death date and age|death-date|death-date and age|dda|start date"
                "|start date and age|start-date|end date|end-date|date|dts"),
        (_as_of, "as of|asof"),
        (_circa, "circa|c.|ca.|ca"),
        (_fraction, "frac|sfrac|fraction|fract"),
        (_val, "val|nts|formatnum|num|ntsh|gaps"),
        (_nihongo, "nihongo|nihongo3|nihongo foot"),
        (_chinese, "zh|lang-zh"),
        (_quotation, "quote|blockquote|cquote|quotation|bquote|quote box|centered pull quote"
                     "|rquote|imagequote|poemquote"),
        (_chemical, "chem|chem2"),
        (_around("⟨", "⟩"), "angbr|angle bracket"),
        (_around("'", "'"), "gloss"),
    ]  # fmt: skip
    table = {name: render for render, names in by_function for name in names.split("|")}
    marks = {
        "mdash": "—", "em dash": "—", "—": "—", "mdashb": " — ", "spaced mdash": " — ",
        "ndash": "–", "en dash": "–", "–": "–", "spnd": " – ", "snd": " – ", "snds": " – ",
        "spndash": " – ", "spaced ndash": " – ", "dash": " – ", "nsndns": " – ", "sndash": " – ",
        "'": "'", "'s": "'s", "' \"": "' \"", "\" '": "\" '", "!": "|", "pipe": "|", "=": "=",
        "·": " · ", "•": " • ", "dot": " · ", "bull": " • ", "nbsp": " ", "space": " ",
        "spaces": " ", "thinsp": " ", "hsp": " ", "nb5": " ", "zwsp": "", "shy": "",
        "hyphen": "-", "minus": "−", "times": "×", "±": "±", "deg": "°", "inf": "∞",
        "lbrace": "{", "rbrace": "}", "(": "{", ")": "}", "ellipsis": "…", "...": "…",
        "okina": "ʻ", "ayin": "ʿ", "hamza": "ʾ", "sharp": "♯", "flat": "♭", "natural": "♮",
        "asterisk": "*", "hash": "#", "dagger": "†", "double-dagger": "‡", "number sign": "#",
        "ad": "AD", "bce": "BCE",
    }  # fmt: skip
    table.update((name, _mark(mark)) for name, mark in marks.items())
    for prefix in ("USS", "HMS", "RMS", "SS", "HMAS", "HMCS", "USNS", "USCGC", "MV", "SMS", "INS"):
        table[prefix.lower()] = _ship(prefix)
    money = {"us$": "US$", "usd": "US$", "gbp": "£", "£": "£", "€": "€", "euro": "€", "a$": "A$",
             "aud": "A$", "inr": "₹", "₹": "₹", "¥": "¥"}  # fmt: skip
    table.update((name, _money(sign)) for name, sign in money.items())
    table |= {
        "e": lambda a: f"×10{_power(a.at(0))}",
        "esp": lambda a: f"×10{_power(a.at(0))}",
        "10^": lambda a: f"10{_power(a.at(0))}",
        "pow": lambda a: f"{a.at(0)}{_power(a.at(1))}",
        "sortname": lambda a: f"{a.at(0)} {a.at(1)}".strip(),
        "hlist": lambda a: " · ".join(p for p in a.positional if p),
        "keypress": lambda a: "+".join(p for p in a.positional if p),
        "key press": lambda a: "+".join(p for p in a.positional if p),
        "simplenuclide2": lambda a: "-".join(p for p in a.positional[:2] if p),
        "simplenuclide": lambda a: "-".join(p for p in a.positional[:2] if p),
        "nuclide": lambda a: "-".join(p for p in a.positional[:2] if p),
        "height": _height,
        "music": lambda a: {"sharp": "♯", "flat": "♭", "natural": "♮"}.get(a.at(0), a.at(0)),
        "death year and age": lambda a: a.at(0),
        "railgauge": lambda a: a.at(0),
        "track gauge": lambda a: a.at(0),
        "marriage": lambda a: a.at(0),
        "eqm": _mark(" "),
    }  # fmt: skip
    return table


TEMPLATES: dict[str, Render] = _table()
"""Name in lower case -> what it shows. What is not here is dropped."""


def render(name: str, parts: list[str]) -> str | None:
    """Render one template.

    Args:
        name: as written, for instance "Birth_date and  age".
        parts: the arguments between the pipes, their own markup already resolved.

    Returns:
        Its text, or None if the template is to be dropped.
    """
    key = " ".join(name.replace("_", " ").split()).lower()
    function = TEMPLATES.get(key)
    if function is not None:
        return function(parse_arguments(parts))
    head, colon, rest = key.partition(":")
    if colon:
        if head == "formatnum":
            return grouped(rest.strip())
        if head in ("lc", ""):
            return name.partition(":")[2].strip().lower()
        if head in ("uc", "ucfirst"):
            return name.partition(":")[2].strip()
        if head in ("template", "subst", "safesubst"):
            return render(name.partition(":")[2], parts) if head == "template" else None
        return None
    if key.startswith("lang-"):
        text = _first(parse_arguments(parts))
        language = LANGUAGES.get(key[5:])
        return f"{language}: {text}" if language and text else text
    return None
