"""Templates that write words: languages, names, ships, sounds, quotations, lists."""

from pipeline.wiki.template_arguments import Arguments, Render, raised

_LANGUAGES = """
af Afrikaans; ang Old_English; ar Arabic; arc Aramaic; az Azerbaijani; be Belarusian; bg
Bulgarian; bn Bengali; bo Tibetan; br Breton; bs Bosnian; ca Catalan; cs Czech; cy Welsh; da
Danish; de German; el Greek; en English; eo Esperanto; es Spanish; et Estonian; eu Basque; fa
Persian; fi Finnish; fr French; ga Irish; gd Scottish_Gaelic; gl Galician; grc Ancient_Greek;
grc-gre Greek; gu Gujarati; haw Hawaiian; he Hebrew; hi Hindi; hr Croatian; hu Hungarian; hy
Armenian; id Indonesian; is Icelandic; it Italian; ja Japanese; jv Javanese; ka Georgian; kk
Kazakh; km Khmer; kn Kannada; ko Korean; ku Kurdish; ky Kyrgyz; la Latin; lb Luxembourgish; lo
Lao; lt Lithuanian; lv Latvian; mi Māori; mk Macedonian; ml Malayalam; mn Mongolian; mr Marathi;
ms Malay; mt Maltese; my Burmese; nds Low_German; ne Nepali; nl Dutch; nb Norwegian; nn
Norwegian_Nynorsk; no Norwegian; oc Occitan; pa Punjabi; pl Polish; ps Pashto; pt Portuguese; ro
Romanian; ru Russian; sa Sanskrit; sco Scots; sh Serbo-Croatian; si Sinhala; sk Slovak; sl
Slovene; so Somali; sq Albanian; sr Serbian; sv Swedish; sw Swahili; syc Syriac; ta Tamil; te
Telugu; tg Tajik; th Thai; tk Turkmen; tl Tagalog; tr Turkish; tt Tatar; ug Uyghur; uk
Ukrainian; ur Urdu; uz Uzbek; vi Vietnamese; xcl Classical_Armenian; yi Yiddish; yue Cantonese;
zh Chinese; zu Zulu; fil Filipino; ckb Central_Kurdish; non Old_Norse; akk Akkadian; egy
Egyptian; cop Coptic; got Gothic; pi Pali; qu Quechua; nah Nahuatl; fo Faroese
"""
LANGUAGES = {
    code: name.replace("_", " ")
    for code, name in (entry.split() for entry in _LANGUAGES.split(";"))
}
"""Language code -> its English name."""


def first(a: Arguments) -> str:
    """The first argument."""
    return a.at(0)


def second(a: Arguments) -> str:
    """The second argument."""
    return a.at(1)


def last(a: Arguments) -> str:
    """The last argument."""
    return a.positional[-1] if a.positional else a.name("text")


def second_or_first(a: Arguments) -> str:
    """The second argument if there is one."""
    return a.at(1) or a.at(0)


def third_or_first(a: Arguments) -> str:
    """What an interlanguage link shows: its own words, else the name of the page."""
    return a.name("lt", "text", "label") or a.at(2) or a.at(0)


def link_to_other(a: Arguments) -> str:
    """{{ill|Name|de|Name auf Deutsch|lt=shown}}: "shown"."""
    return a.name("lt", "text", "label", "texte", "fr") or a.at(0)


def sound_file(a: Arguments) -> str:
    """{{audio|file.ogg|word}}: "word"."""
    return a.at(1)


def text(a: Arguments) -> str:
    """The first argument, or the one that is called text."""
    return a.at(0) or a.name("text", "content", "quote")


def joined(a: Arguments) -> str:
    """All arguments, one behind the other."""
    return "".join(a.positional)


def spaced(a: Arguments) -> str:
    """All arguments with a space between them: {{unité|100|km}}."""
    return " ".join(part for part in a.positional if part)


def listed(a: Arguments) -> str:
    """A list in one line."""
    return " · ".join(part for part in a.positional if part)


def lines(a: Arguments) -> str:
    """A list, one item to a line."""
    return "".join(f"\n* {part}" for part in a.positional if part) + "\n"


def constant(mark: str) -> Render:
    """Return what always shows the same."""
    return lambda _: mark


def between(mark: str) -> Render:
    """Return what shows the arguments that are not empty, with a mark between them."""
    return lambda a: mark.join(argument for argument in a.positional if argument)


def around(before: str, after: str) -> Render:
    """Return what shows its text between two marks."""

    def render(a: Arguments) -> str:
        inside = text(a)
        return f"{before}{inside}{after}" if inside else ""

    return render


def in_language(a: Arguments, *, code: str) -> str:
    """{{lang-de|Katze}}: "German: Katze", in English articles; elsewhere the word alone."""
    shown = a.at(0) or a.name("text")
    meaning = a.name("lit")
    if meaning and a.is_english():
        shown += f", lit. '{meaning}'"
    label = a.name("label")
    if not shown or not a.is_english() or label in ("none", "no"):
        return shown
    language = label or LANGUAGES.get(code) or LANGUAGES.get(code.partition("-")[0], "")
    return f"{language}: {shown}" if language else shown


def langx(a: Arguments) -> str:
    """{{langx|de|Katze}}: the newer form of {{lang-de}}."""
    rest = Arguments(positional=a.positional[1:], named=a.named, language=a.language)
    return in_language(rest, code=a.at(0).lower())


def nihongo(a: Arguments) -> str:
    """{{nihongo|Cat|猫|neko}}: "Cat (猫, neko)"."""
    inside = ", ".join(part for part in (*a.positional[1:4], a.name("extra")) if part)
    return f"{a.at(0)} ({inside})" if a.at(0) and inside else a.at(0) or inside


def _labelled(*names: tuple[str, str]) -> Render:
    def render(a: Arguments) -> str:
        with_label = a.name("labels") != "no"
        shown = [
            f"{label}: {a.name(key)}" if with_label and a.is_english() else a.name(key)
            for key, label in names
            if a.name(key)
        ]
        return "; ".join(shown) or (a.at(1) or a.at(0) if a.positional else "")

    return render


chinese = _labelled(
    ("c", "Chinese"), ("s", "simplified Chinese"), ("t", "traditional Chinese"), ("p", "pinyin"),
    ("w", "Wade–Giles"), ("j", "Jyutping"), ("poj", "Pe̍h-ōe-jī"), ("l", "lit."),
)  # fmt: skip
korean = _labelled(
    ("hangul", "Korean"), ("hanja", "Hanja"), ("rr", "RR"), ("mr", "MR"), ("lit", "lit.")
)


def quotation(a: Arguments) -> str:
    """A paragraph of its own, with who said it."""
    said = a.name("text", "quote", "content") or a.at(0)
    who = ", ".join(
        p for p in (a.name("author", "sign", "by") or a.at(1), a.name("source") or a.at(2)) if p
    )
    return f"\n\n{said}\n— {who}\n\n" if said and who else f"\n\n{said}\n\n" if said else ""


def ship(prefix: str) -> Render:
    """Return what shows a ship of one navy: {{USS|Enterprise|CVN-65}}."""
    return lambda a: _ship(f"{prefix} {a.at(0)}", a.at(1), a.at(2))


def any_ship(a: Arguments) -> str:
    """{{ship|HMS|Victory|1765}}: "HMS Victory (1765)"."""
    return _ship(f"{a.at(0)} {a.at(1)}".strip(), a.at(2), a.at(3))


def _ship(name: str, mark: str, form: str) -> str:
    return f"{name} ({mark})" if mark and form not in ("2", "3", "6") else name


def ship_class(a: Arguments) -> str:
    """{{sclass|Nimitz|aircraft carrier}}: "Nimitz-class aircraft carrier"."""
    return f"{a.at(0)}-class {a.at(1)}".strip() if a.at(2) != "5" else a.at(0)


def verse(a: Arguments) -> str:
    """{{bibleverse||Mark|3:25}}: "Mark 3:25"."""
    book, *rest = [part for part in a.positional[:3] if part] or [""]
    if len(rest) == 2 and rest[0].isdecimal() and rest[1][:1].isdecimal():
        return f"{book} {rest[0]}:{rest[1]}"
    if rest and not any(char.isdecimal() for char in rest[0]):
        book, rest = f"{book} {rest[0]}", rest[1:]
    return " ".join([book, *rest[:1]])


def quran(a: Arguments) -> str:
    """{{cite quran|29|46}}: "Quran 29:46"."""
    return f"Quran {':'.join(part for part in a.positional[:2] if part)}" if a.at(0) else "Quran"


_SOUND_WORDS = {
    "lang": "", "pron": "pronounced ", "local": "locally ", "also": "also ", "us": "US: ",
    "uk": "UK: ", "gen": "", "icon": "", "audio": "", "label": "", "ipa": "",
}  # fmt: skip


def sounds(a: Arguments) -> str:
    """{{IPAc-en|pron|k|æ|t}}: "pronounced /kæt/"."""
    before = ""
    phones: list[str] = []
    for part in a.positional:
        if not phones and part.lower() in _SOUND_WORDS:
            before += _SOUND_WORDS[part.lower()]
        elif not part.lower().endswith((".ogg", ".oga", ".wav", ".mp3")):
            phones.append(part.replace("_", " "))
    return f"{before if a.is_english() else ''}/{''.join(phones).strip()}/" if phones else ""


def phonetic(a: Arguments) -> str:
    """{{IPA-de|katsə|lang}}: "[katsə]"; {{IPA|de|katsə}} alike, {{IPA|/x/}} as it stands."""
    shown = a.at(0)
    if len(shown) in (2, 3) and shown.isascii() and shown.isalpha() and a.at(1):
        shown = a.at(1)
    return f"[{shown}]" if shown and shown[0] not in "[/ˈ(-" else shown


def plain_ipa(a: Arguments) -> str:
    """{{IPA|/x/}} and {{IPA|de|katsə}}."""
    return phonetic(a) if a.at(1) else a.at(0)


def respelling(a: Arguments) -> str:
    """{{respell|KAT|ə}}: "KAT-ə"."""
    return "-".join(part for part in a.positional if part)


def cited(a: Arguments) -> str:
    """{{harvtxt|Boolos|Jeffrey|1974}}, the subject of its sentence: "Boolos & Jeffrey (1974)"."""
    names = [part for part in a.positional if part] or [
        part
        for part in (a.name("last", "last1", "author"), a.name("last2"), a.name("year", "year1"))
        if part
    ]
    if len(names) < 2:
        return "".join(names)
    people, year = names[:-1], names[-1]
    if len(people) > 3:
        return f"{people[0]} et al. ({year})"
    return f"{' & '.join(filter(None, [', '.join(people[:-1]), people[-1]]))} ({year})"


def cited_in_brackets(a: Arguments) -> str:
    """{{harvnb|Boolos|1974}}: "Boolos 1974"."""
    return cited(a).replace(" (", " ", 1).removesuffix(")")


def number_of(before: str) -> Render:
    """Return what shows an identifier behind its name: "ISBN 0-00-000000-0"."""
    return lambda a: f"{before} {a.at(0)}" if a.at(0) else ""


def reading(a: Arguments) -> str:
    """{{読み仮名|漢字|かな}}: "漢字（かな）"."""
    return f"{a.at(0)}（{a.at(1)}）" if a.at(1) else a.at(0)


def note(a: Arguments) -> str:
    """{{music|sharp}}: "♯"."""
    signs = {"sharp": "♯", "#": "♯", "flat": "♭", "b": "♭", "natural": "♮"}
    return signs.get(a.at(0).lower(), a.at(0))


def superscript(a: Arguments) -> str:
    """{{sup|6}}: "⁶"."""
    return raised(a.at(0))


def power_of_ten(a: Arguments) -> str:
    """{{e|6}}: "×10⁶"."""
    return f"×10{raised(a.at(0))}" if a.at(0) else "e"


def coordinates(a: Arguments) -> str:
    """{{coord|31|50|N|37|17|W}}: "31°50′N 37°17′W"."""
    out, marks = "", "°′″"
    count = 0
    for part in a.positional:
        if part.upper() in ("N", "S", "E", "W"):
            out += f"{part.upper()} "
            count = 0
        elif part.replace(".", "").replace("-", "").isdecimal() and count < 3:
            if count == 0 and out and not out.endswith(" "):
                out += " "
            out += part + marks[count]
            count += 1
        else:
            break
    if not any(side in out for side in "NSEW"):
        out = ", ".join(part + "°" for part in out.replace("′", "°").split("°") if part.strip())
    return out.strip()
