"""Templates that write dates, years and ages. What needs today's date is left to the caller."""

import re
from datetime import date

from pipeline.wiki.template_arguments import Arguments, Render

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
    "diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
    "dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro "
    "dezembro",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "da": "januar februar marts april maj juni juli august september oktober november december",
    "no": "januar februar mars april mai juni juli august september oktober november desember",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października "
    "listopada grudnia",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "uk": "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
    "cs": "ledna února března dubna května června července srpna září října listopadu prosince",
    "ca": "gener febrer març abril maig juny juliol agost setembre octubre novembre desembre",
    "id": "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember",
    "ro": "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie "
    "decembrie",
    "tr": "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
}
_ORDER = {
    "es": "{d} de {m} de {y}", "pt": "{d} de {m} de {y}", "ca": "{d} de {m} de {y}",
    "de": "{d}. {m} {y}", "da": "{d}. {m} {y}", "no": "{d}. {m} {y}", "cs": "{d}. {m} {y}",
}  # fmt: skip
_ISO = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)\Z")


def written(year: str, month: str, day: str, a: Arguments) -> str:
    """Write a date as the wiki's language does; numbers only where we do not know how.

    Args:
        year: any; empty for none.
        month: a number from 1 to 12, or empty.
        day: a number, or empty.
        a: the template's arguments, for its language and `df`, `mf`.
    """
    if not (month.isascii() and month.isdecimal() and 1 <= int(month[:4]) <= 12):
        return year
    code = a.language.partition("-")[0]
    code = {"simple": "en", "sco": "en", "nb": "no"}.get(code, code)
    day = day.lstrip("0") if day.isascii() and day.isdecimal() else ""
    if code not in _MONTHS:
        return "-".join(part for part in (year, month.zfill(2), day and day.zfill(2)) if part)
    name = _MONTHS[code].split()[int(month) - 1]
    if not day:
        return f"{name} {year}".strip()
    if code == "en":
        if a.name("df") in ("y", "yes", "1", "dmy"):
            return f"{day} {name} {year}".strip()
        return f"{name} {day}, {year}" if year else f"{name} {day}"
    return _ORDER.get(code, "{d} {m} {y}").format(d=day, m=name, y=year).strip()


def as_date(a: Arguments, *, skip: int = 0) -> str:
    """{{birth date|1990|5|3}}: "May 3, 1990"; {{date|17|janvier|1709}}, {{date|2009-01-02}}."""
    parts = a.positional[skip : skip + 3]
    given = [part for part in parts if part]
    if not given:
        return ""
    if found := _ISO.match(given[0]):
        return written(found[1], found[2], found[3], a)
    if not all(part.isdecimal() and part.isascii() for part in given):
        # {{birth date|May 3, 1990}}: a date already; {{date|17|janvier|1709}}: its words.
        is_words = len(given) > 1 and not given[0].isalpha() and len(given[0]) <= 2
        return " ".join(given) if is_words else given[0]
    year, month, day = (*given, "", "")[:3]
    if len(year) <= 2 < len(day):  # day first, as most languages have it
        year, day = day, year
    return written(year, month, day, a)


def birth_or_death(a: Arguments) -> str:
    """{{death date and age|2000|1|2|1950|3|4}}: "January 2, 2000 (aged 49)"."""
    shown = as_date(a)
    years = _years_between(a.positional[3:6], a.positional[:3])
    return f"{shown} (aged {years})" if years and a.is_english() else shown


def death_year(a: Arguments) -> str:
    """{{death year and age|2000|1950}}: "2000 (aged 49–50)"."""
    died, born = a.at(0), a.at(1)
    if not (a.is_english() and all(y.isascii() and y.isdecimal() for y in (died, born))):
        return died
    if len(died) > 4 or len(born) > 4:
        return died
    years = int(died) - int(born)
    return f"{died} (aged {years - 1}–{years})" if 0 < years < 130 else died


def age(a: Arguments) -> str:
    """{{age|1950|3|4|2000|1|2}}: "49"; one date alone needs a clock, and gives ""."""
    return _years_between(a.positional[:3], a.positional[3:6])


def days(a: Arguments) -> str:
    """{{age in days|1950|3|4|1950|3|14}}: "10"."""
    begin, end = _dates(a.positional[:3]), _dates(a.positional[3:6])
    return f"{(end - begin).days:,}" if begin and end and end >= begin else ""


def _years_between(begin: list[str], end: list[str]) -> str:
    first, last = _dates(begin), _dates(end)
    if first is None or last is None or last < first:
        return ""
    return str(last.year - first.year - ((last.month, last.day) < (first.month, first.day)))


def _dates(parts: list[str]) -> date | None:
    if len(parts) != 3 or not all(p.isascii() and p.isdecimal() and len(p) <= 4 for p in parts):
        return None
    try:
        return date(*map(int, parts))
    except ValueError:
        return None


def as_of(a: Arguments) -> str:
    """{{as of|2010|5|lc=y}}: "as of May 2010"."""
    if a.name("alt"):
        return a.name("alt")
    words = "since" if a.name("since") else "as of"
    if not a.name("lc"):
        words = words[0].upper() + words[1:]
    parts = a.positional[:2] if not a.at(2) else a.positional[:3]
    order = {"df": "" if a.name("df") == "us" else "y"}
    when = as_date(Arguments(positional=parts, named=order, language=a.language))
    if not when or not a.is_english():
        return when
    return f"{words} {when}{a.name('post')}"


def old_style(a: Arguments) -> str:
    """{{OldStyleDate|February 2|1905|January 20}}: "February 2 [O.S. January 20] 1905"."""
    day, year, old = a.at(0), a.at(1), a.at(2)
    if not a.is_english():
        return f"{day} ({old}) {year}" if old else f"{day} {year}".strip()
    return f"{day} [O.S. {old}] {year}".strip() if old else f"{day} {year}".strip()


def years(before: str) -> Render:
    """Return what shows one or two years behind a word: "c. 1900", "r. 1066–1087"."""

    def render(a: Arguments) -> str:
        between = " – c. " if before == "c." else "–"
        return f"{before} {between.join(part for part in a.positional[:2] if part)}".strip()

    return render


def season(a: Arguments) -> str:
    """{{nbay|2001}}: "2001–02"."""
    year = a.at(0)
    if not (year.isascii() and year.isdecimal() and len(year) == 4):
        return year
    return f"{year}–{(int(year) + 1) % 100:02d}"


def duration(a: Arguments) -> str:
    """{{duration|1|2|3}} or {{duration|h=1|m=2|s=3}}: "1:02:03"."""
    parts = [a.at(n) or a.name(name) for n, name in enumerate(("h", "m", "s"))]
    while parts and not parts[0]:
        parts.pop(0)
    return ":".join([*parts[:1], *(part.zfill(2) for part in parts[1:])])


def esperanto(a: Arguments) -> str:
    """{{daton|17|januaro|1709}}: "17-an de januaro 1709"."""
    day, month, year = a.at(0), a.at(1), a.at(2)
    return f"{day}-an de {month} {year}".strip() if day and month else day


def chinese_life(a: Arguments) -> str:
    """{{bd|1950年|1月2日|2000年|3月4日}}: "1950年1月2日-2000年3月4日"."""
    born, died = a.at(0) + a.at(1), a.at(2) + a.at(3)
    return f"{born}-{died}" if died else born


def century(word: str) -> Render:
    """Return what shows a century in Roman numerals: "segle XIII"."""
    return lambda a: f"{word} {a.at(0)}{a.at(1) if a.at(1) in ('e', 'er') else ''}".strip()
