"""{{convert}} and its kin: a number with its unit, as the input side of the page shows it.

The converted value in brackets is left out: it says the same again.
"""

import re

from pipeline.wiki.template_arguments import Arguments
from pipeline.wiki.template_numbers import grouped

# Code of {{convert}}: singular, plural, symbol. A plural of None is the singular with "s".
_NAMES = """
m metre; km kilometre; cm centimetre; mm millimetre; dm decimetre; nm nanometre; pm picometre;
μm micrometre; µm micrometre; um micrometre; mi mile; yd yard; ft foot feet; in inch inches; nmi
nautical_mile; fathom fathom; ch chain chains; chain chain; rd rod; furlong furlong; league
league; hand hand hands; ly light-year; pc parsec; kpc kiloparsec; Mpc megaparsec; AU
astronomical_unit; kg kilogram; g gram; mg milligram; μg microgram; µg microgram; ug microgram;
lb pound; oz ounce; st stone stone; t tonne; kt kilotonne; Mt megatonne; LT long_ton; ST
short_ton; tonne tonne; LTon long_ton; MT metric_ton; ozt troy_ounce; carat carat; gr grain; cwt
hundredweight hundredweight; acre acre; ha hectare; km2 square_kilometre; m2 square_metre; cm2
square_centimetre; mm2 square_millimetre; sqmi square_mile; sqft square_foot square_feet; sqyd
square_yard; sqin square_inch square_inches; sqm square_metre; sqkm square_kilometre; dunam
dunam; m3 cubic_metre; km3 cubic_kilometre; cm3 cubic_centimetre; cc cubic_centimetre; cuft
cubic_foot cubic_feet; cuyd cubic_yard; cuin cubic_inch cubic_inches; cumi cubic_mile; l litre;
L litre; mL millilitre; ml millilitre; cl centilitre; hl hectolitre; ML megalitre; gal gallon;
USgal US_gallon; impgal imperial_gallon; qt quart; pt pint; imppt imperial_pint; USqt US_quart;
USpt US_pint; USoz US_fluid_ounce; USfloz US_fluid_ounce; impoz imperial_fluid_ounce; impfloz
imperial_fluid_ounce; floz fluid_ounce; bbl barrel; oilbbl barrel; USbsh US_bushel; acre.ft
acre-foot acre-feet; acre·ft acre-foot acre-feet; kn knot; mph mile_per_hour miles_per_hour;
km/h kilometre_per_hour kilometres_per_hour; m/s metre_per_second metres_per_second; km/s
kilometre_per_second kilometres_per_second; ft/s foot_per_second feet_per_second; mi/s
mile_per_second miles_per_second; ft/min foot_per_minute feet_per_minute; mpg mile_per_gallon
miles_per_gallon; mpgUS mile_per_US_gallon miles_per_US_gallon; W watt; kW kilowatt; MW
megawatt; GW gigawatt; TW terawatt; Wh watt-hour; kWh kilowatt-hour; kW.h kilowatt-hour; MWh
megawatt-hour; MW.h megawatt-hour; GWh gigawatt-hour; GW.h gigawatt-hour; TWh terawatt-hour;
TW.h terawatt-hour; J joule; kJ kilojoule; MJ megajoule; GJ gigajoule; cal calorie; kcal
kilocalorie; Cal calorie; hp horsepower horsepower; bhp brake_horsepower brake_horsepower; shp
shaft_horsepower shaft_horsepower; ihp indicated_horsepower indicated_horsepower; PS
metric_horsepower metric_horsepower; N newton; kN kilonewton; MN meganewton; lbf pound-force
pounds-force; Pa pascal; kPa kilopascal; MPa megapascal; GPa gigapascal; hPa hectopascal; bar
bar; mbar millibar; atm standard_atmosphere; Nm newton-metre; N.m newton-metre; lb.ft pound-foot
pound-feet; lbft pound_force-foot pound_force-feet; ft.lbf foot-pound; ftlb foot-pound; ftlbf
foot-pound; K kelvin; /sqmi per_square_mile per_square_mile; /km2 per_square_kilometre
per_square_kilometre; PD/sqmi inhabitants_per_square_mile inhabitants_per_square_mile; PD/km2
inhabitants_per_square_kilometre inhabitants_per_square_kilometre; kg/m3
kilogram_per_cubic_metre kilograms_per_cubic_metre; g/cm3 gram_per_cubic_centimetre
grams_per_cubic_centimetre; m3/s cubic_metre_per_second cubic_metres_per_second; cuft/s
cubic_foot_per_second cubic_feet_per_second; hour hour; min minute; s second; year year; month
month; week week; day day; Hz hertz hertz; kHz kilohertz kilohertz; MHz megahertz megahertz; GHz
gigahertz gigahertz; Mm megametre; Gm gigametre
"""
_SYMBOLS = {
    "km2": "km²", "m2": "m²", "cm2": "cm²", "mm2": "mm²", "sqmi": "sq mi", "sqft": "sq ft",
    "sqyd": "sq yd", "sqin": "sq in", "sqm": "m²", "sqkm": "km²", "m3": "m³", "km3": "km³",
    "cm3": "cm³", "cuft": "cu ft", "cuyd": "cu yd", "cuin": "cu in", "cumi": "cu mi", "l": "L",
    "ml": "mL", "usgal": "US gal", "impgal": "imp gal", "usqt": "US qt", "uspt": "US pt",
    "usoz": "US fl oz", "usfloz": "US fl oz", "floz": "fl oz", "um": "μm", "ug": "μg",
    "oilbbl": "bbl", "acre.ft": "acre⋅ft", "mpgus": "mpg", "kw.h": "kWh", "mw.h": "MWh",
    "gw.h": "GWh", "tw.h": "TWh", "n.m": "N⋅m", "nm": "nm", "lb.ft": "lb⋅ft", "ft.lbf": "ft⋅lbf",
    "pd/sqmi": "/sq mi", "pd/km2": "/km²", "/sqmi": "/sq mi", "/km2": "/km²", "kg/m3": "kg/m³",
    "g/cm3": "g/cm³", "m3/s": "m³/s", "cuft/s": "cu ft/s", "lt": "long tons", "st": "st",
    "lton": "long tons", "year": "years", "hour": "h",
}  # fmt: skip
# Units with one form for all numbers.
_FIXED = {
    "c": "°C", "f": "°F", "r": "°R", "°c": "°C", "°f": "°F", "degc": "°C", "degf": "°F",
    "c-change": "°C", "f-change": "°F", "psi": "psi", "inhg": "inHg", "mmhg": "mmHg", "%": "%",
    "rpm": "rpm", "btu": "BTU", "gpu": "GPU", "å": "Å", "ppm": "ppm", "$": "$",
}  # fmt: skip
_ALIASES = {
    "feet": "ft", "foot": "ft", "inch": "in", "inches": "in", "mile": "mi", "miles": "mi",
    "yard": "yd", "yards": "yd", "metre": "m", "meter": "m", "metres": "m", "meters": "m",
    "kilometre": "km", "kilometer": "km", "kilometres": "km", "kilometers": "km", "acres": "acre",
    "hectare": "ha", "hectares": "ha", "pound": "lb", "pounds": "lb", "lbs": "lb", "ounce": "oz",
    "kilogram": "kg", "kilograms": "kg", "kgs": "kg", "sq mi": "sqmi", "mi2": "sqmi", "ft2": "sqft",
    "in2": "sqin", "yd2": "sqyd", "ft3": "cuft", "in3": "cuin", "yd3": "cuyd", "mi3": "cumi",
    "knot": "kn", "knots": "kn", "kph": "km/h", "kmh": "km/h", "litre": "l", "liter": "l",
    "litres": "l", "liters": "l", "gallon": "gal", "gallons": "gal", "u.s.gal": "usgal",
    "us gal": "usgal", "long ton": "lt", "short ton": "st(ton)", "tonnes": "tonne",
    "ton": "st(ton)",
    "tons": "st(ton)", "square mile": "sqmi", "square kilometre": "km2", "ft·lbf": "ft.lbf",
    "lb·ft": "lb.ft", "lbft": "lb.ft", "usgals": "usgal", "km²": "km2", "m²": "m2", "fps": "ft/s",
    "stone": "st", "years": "year", "hours": "hour", "days": "day", "n·m": "n.m",
}  # fmt: skip
_RANGES = {
    "-": "–", "–": "–", "to": " to ", "to(-)": " to ", "and": " and ", "or": " or ", "by": " by ",
    "x": " by ", "×": " by ", "xx": " by ", "*": " by ", "+/-": " ± ", "±": " ± ",
    "&plusmn;": " ± ",
    "and(-)": " and ", "&": " and ", "+": " + ", "to about": " to about ", "&ndash;": "–",
    ",": ", ",
    "—": "–", "x(dim)": " by ",
}  # fmt: skip
_NUMBER = re.compile(r"[-−+]?(?:[\d,]*\.?\d+(?:[eE][-−+]?\d+)?(?:\+?\d*/{1,2}\d+)?|\d+\.)\Z")
_FRACTION = re.compile(r"([-−+]?)(?:(\d+)[+-])?(\d+)/{1,2}(\d+)\Z")
_MAX_NUMBER_CHARS = 40
_POWERS = {"e3": "thousand", "e6": "million", "e9": "billion", "e12": "trillion"}


def _read_names() -> dict[str, tuple[str, str, str]]:
    table: dict[str, tuple[str, str, str]] = {}
    for line in _NAMES.split(";"):
        code, singular, *rest = (word.replace("_", " ") for word in line.split())
        plural = rest[0] if rest else singular + "s"
        names = (singular, plural, _SYMBOLS.get(code.lower(), code))
        # Codes that differ in case only ("Mt", "mt") are found as written first.
        table[code] = names
        table.setdefault(code.lower(), names)
    table["st(ton)"] = ("short ton", "short tons", "short tons")
    table["mt"] = ("metric ton", "metric tons", "t")
    table.update({code: (name, name, name) for code, name in _FIXED.items()})
    return table


UNITS = _read_names()
"""Code of a unit -> singular, plural, symbol."""


def convert(a: Arguments, *, is_short: bool = False) -> str:
    """Show the input side of {{convert}}: "5|ft|10|in|cm" is "5 feet 10 inches"."""
    values = a.positional
    abbreviated = a.name("abbr") in ("on", "in", "y", "yes", "values", "unit", "~")
    is_short = abbreviated or (is_short and a.name("abbr") not in ("off", "none", "out"))
    # Symbols are the same in all languages, names are not.
    is_short = is_short or not a.is_english()
    is_us = a.name("sp") == "us"
    adjective = a.name("adj") if not is_short else ""
    out: list[str] = []
    at = 0
    while at < len(values) and _is_number(values[at]):
        number = _number(values[at].replace(" ", ""), a)
        unit = values[at + 1] if at + 1 < len(values) else ""
        if unit.lower() in _RANGES:
            out.append(number + _RANGES[unit.lower()])
            at += 2
            continue
        out.append(_measure(number, unit, adjective, is_short=is_short, is_us=is_us))
        at += 2
        # "5|ft|10|in" goes on, "5|ft|1" is a rounding hint.
        if at + 1 >= len(values) or not values[at + 1][:1].isalpha():
            break
    text = " ".join("".join(out).split())
    extra = next((value for value in values[at:] if value.startswith("-")), "")
    if adjective == "mid" and extra:
        text += extra
    return text or a.at(0)


def _is_number(written: str) -> bool:
    # The pattern may go back over all digits, so a long one takes its square in time.
    return len(written) <= _MAX_NUMBER_CHARS and _NUMBER.match(written.replace(" ", "")) is not None


def _measure(number: str, code: str, adjective: str, *, is_short: bool, is_us: bool) -> str:
    names, word = _unit(code)
    count = f"{number} {word}" if word else number
    if is_short:
        symbol = names[2]
        return f"{count}{'' if symbol.startswith(('/', '%')) else ' '}{symbol} "
    is_one = number in ("1", "-1", "−1") or ("/" in number and " " not in number)
    name = names[0] if adjective in ("on", "mid", "1") or (is_one and not word) else names[1]
    if is_us:
        name = name.replace("metre", "meter").replace("litre", "liter")
    if adjective in ("on", "mid", "1") and name[:1].isalpha():
        return f"{count}-{name.replace(' ', '-')} "
    return f"{count} {name} "


def _unit(code: str) -> tuple[tuple[str, str, str], str]:
    """Return a unit's names, and the power word of codes such as e6acre."""
    word = ""
    for power, name in _POWERS.items():
        if code.startswith(power) and code[len(power) :]:
            code, word = code[len(power) :], name
            break
    lower = code.lower()
    code = code if code in UNITS else _ALIASES.get(lower, lower)
    return UNITS.get(code, (code, code, code)), word


def _number(written: str, a: Arguments) -> str:
    found = _FRACTION.match(written)
    if found:
        sign, whole, top, bottom = found.groups()
        return f"{sign}{whole + ' ' if whole else ''}{top}/{bottom}"
    return grouped(written.replace(",", ""), language=a.language)


def convert_short(a: Arguments) -> str:
    """Show {{cvt}}: the same with symbols."""
    return convert(a, is_short=True)


def height(a: Arguments) -> str:
    """{{height|ft=5|in=10}} is "5 ft 10 in"."""
    return " ".join(
        f"{size} {unit}" for unit, size in a.named.items() if unit in ("m", "cm", "ft", "in")
    )


_GAUGE = re.compile(r"([\d.,]+)\s*(mm|cm|m|ft|in)")


def track_gauge(a: Arguments) -> str:
    """{{track gauge|4ft8.5in}}: "4 ft 8.5 in"; {{track gauge|sg}}: "standard gauge"."""
    known = {"sg": "standard gauge", "ussg": "standard gauge", "ng": "narrow gauge",
             "bg": "broad gauge", "mg": "metre gauge", "metre": "metre gauge",
             "cape": "cape gauge", "iberian": "Iberian gauge"}  # fmt: skip
    code = a.at(0)[:_MAX_NUMBER_CHARS].lower()
    if code in known:
        return known[code]
    sizes = _GAUGE.findall(code)
    return " ".join(f"{grouped(size)} {unit}" for size, unit in sizes) or a.at(0)
