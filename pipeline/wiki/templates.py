"""The inline templates of Wikipedia that carry words or numbers, as pure functions.

A dropped `{{convert|1300|mi|km}}` leaves "At , Alabama"; so those that stand inside sentences are
rendered, roughly as the page shows them. What depends on the clock ({{CURRENTYEAR}}, {{age}} of one
date), on data elsewhere ({{inflation}}, {{wikidata}}) and all that is unknown the caller drops.
Names follow the English Wikipedia and its redirects; then those of other languages.
"""

from pipeline.wiki import template_dates as dates
from pipeline.wiki import template_numbers as numbers
from pipeline.wiki import template_units as units
from pipeline.wiki import template_words as words
from pipeline.wiki.template_arguments import Render, lowered, parse_arguments, raised
from pipeline.wiki.template_silent import guess, is_silent
from pipeline.wiki.wikipages import template_key

_BY_FUNCTION: list[tuple[Render, str]] = [
    (units.convert, "convert|conv|converti|convertir|umrechnen|conversion"),
    (units.convert_short, "cvt"),
    (units.height, "height"),
    (units.track_gauge, "railgauge|track gauge|rail gauge|voie|spurweite|spoorwijdte"),
    (words.first, "nowrap|nobr|nowr|nobreak|nowraplinks|small|smaller|big|large|larger|midsize"
     "|huge|nobold|noitalic|normal|center|allcaps|uc|sc|sc2|smallcaps|smallcaps all|versalita"
     "|em|strong|strongbad|samp|code|kbd|mono|var|mvar|math|dfn|abbr|abbrlink|tooltip|h:title"
     "|hover title|vanchor|visible anchor|not a typo|typo|proper name|native name|as written"
     "|plain link|flag|flagu|flagcountry|flag+link|flag link|fb|fbw|fb-rt|nastaliq|nq|unicode"
     "|hebrew|polytonic|greek|cuneiform|runic|coptic|cyrl|hebr|arab|thai|kanji|ruby|ruby-ja"
     "|ruby-zh-b|ルビ|unbulleted|resize2|italics correction|ic|title case|nihongo2|ipa link"
     "|ipalink|overline|underline|u|ins|del|s|strike|strikethrough|i|b|bold|italic|italics"
     "|dirty|pre|tt|by|baseball year|mlby|mlb year|nfly|nfl year|cfb year|year|start-date"
     "|end-date|birth-date|death-date|birth year and age|birth year|byrs|tq|tqi|comment"
     "|citation needed span|cn span|clarify span|senza fonte|chiarire|refnec"
     "|référence nécessaire|passage à sourcer|référence souhaitée|pas clair|quand|fakt"
     "|要出典範囲|要検証範囲|interp needed|marriage|simplemarriage|tlit|lang2|textcite|snamei"
     "|sname|仮リンク|補助漢字フォント|jis2004フォント|jis90フォント|s2|флагификация|число"
     "|lautschrift|мфа|afi|fontsize|temperature|tmp|w"),
    (words.text, "longitem|rquote text|small text|nobold text|content|div|span|noprint"
     "|color box text"),
    (words.last, "lang|langue|sprache|lang-short|transl|transliteration|translit|xlit|rtl-lang"
     "|ltr|rtl|script|resize|color|colour|font color|fontcolor|font colour|font"
     "|background color|highlight|wikt-lang|langi|llang|langr|v jazyku|vjz|jęz|língua|idioma"
     "|lengua|llengua|lingua|linguaggio|nyelv|dil|jazyk|text color|colored text|zwrot|script2"
     "|nativename|native phrase|bigger|fs interval"),
    (words.second, "url|sort|hs|langwithname2|sortierung"),
    (words.second_or_first, "plainlink|pronunciation|prononco|pagelink|нп|нп2|нп3|нп5|нп4"
     "|не переведено|не переведено 2|не переведено 3|не переведено 5|не перекладено"),
    (words.sound_file, "audio|audio2|listen inline|aud|link audio|audio-ipa"),
    (words.link_to_other, "ill|interlanguage link|interlanguage link multi|ill-wd|illm"
     "|link-interwiki|red link|rl|ill2|lien"),
    (words.third_or_first, "internal link helper|tsl|le2|ilh|link-en|link-ja|link-fr|link-de"
     "|link-ru|link-es|link-it|langwithname|lenke|enlace"),
    (words.joined, "linktext|sic|su|lcfirst text|wiktlink|mathrm"),
    (words.spaced, "unité|unite|unidad|unitat|unità|nombre unité|heure|grandezza"),
    (words.listed, "hlist|flatlist|cslist|comma separated entries|inline list|hlist-comma"),
    (words.lines, "plainlist|plain list|unbulleted list|ubl|ublist|bulleted list|bullist"
     "|ordered list"),
    (words.langx, "langx|langue avec nom|lang-x"),
    (words.nihongo, "nihongo|nihongo3|nihongo foot|nihongo krt|nihongo-s|japonais"),
    (words.chinese, "zh|lang-zh|zh-full|zh-cpl|zh-stp|zh-tspw|zh-t|zh-s|zh-c|chinese"),
    (words.korean, "korean|lang-ko2|ko-hhrm"),
    (words.quotation, "quote|blockquote|cquote|quotation|bquote|quote box|quotebox"
     "|centered pull quote|pull quote|rquote|imagequote|poemquote|poem quote|verse translation"
     "|quote without source|zitat|citaat|cytat|cita|citazione|citação|цитата|citat|idézet"
     "|sitat|citaĵo|quote frame|blockcitat|citation bloc|alıntı"),
    (words.any_ship, "ship"),
    (words.ship_class, "sclass|sclass2|sclass-"),
    (words.verse, "bibleverse|bibleref|bibleref2|bibleverse-nb|bible verse|sourcetext|bv"
     "|bibleverse with"),
    (words.quran, "cite quran|quran-usc|qref|cite qur'an|quran"),
    (words.sounds, "ipac-en|ipac-en-us|ipac"),
    (words.plain_ipa, "ipa|ipa-all|ipa all|мфа-всі|ipa-text"),
    (words.respelling, "respell|pronunciation respelling|usdict|pron-en"),
    (words.cited, "harvtxt|harvcoltxt|citet|harvs"),
    (words.cited_in_brackets, "harvnb|harvcolnb"),
    (words.reading, "読み仮名|読み仮名 ruby不使用|ふりがな"),
    (words.note, "music|accidental"),
    (words.superscript, "sup|exp|esp|superscript|'a"),
    (words.coordinates, "coord|coordinates|koordinate text|coords"),
    (dates.as_date, "start date|start date and age|start date and years ago|end date|date|dts"
     "|dtsh|fecha|data|datum|dato|birth date|birth-date and age|birth date and age|dob|bda"
     "|birth date and age2|birth-date2|dtlink|date de naissance|date de naissance-|naissance"
     "|date-|дата|dni|death-date and age2|film date|datetime|date de début|date de fin|tempe"
     "|start-date and age|release date|dni2|nacimiento|nascimento|births"),
    (dates.birth_or_death, "death date|death date and age|dda|death-date and age"
     "|death date and given age|date de décès|date de décès-|décès|fallecimiento|morte"
     "|overlijdensdatum"),
    (dates.death_year, "death year and age"),
    (dates.age, "age|age in years|ayd|age as of date"),
    (dates.days, "age in days"),
    (dates.as_of, "as of|asof"),
    (dates.years("c."), "circa|c.|ca.|ca|circ"),
    (dates.years("fl."), "floruit|fl.|flourished"),
    (dates.years("r."), "reign|r."),
    (dates.years("b."), "b.|born in"),
    (dates.years("d."), "d.|died in"),
    (dates.season, "nbay|nba year|nhly|nhl year|wnbay|season"),
    (dates.duration, "duration|hms|dur"),
    (dates.old_style, "oldstyledate|oldstyledatedy|oldstyledatemdy|oldstyledateny"
     "|old style date"),
    (dates.esperanto, "daton|dato"),
    (dates.century("segle"), "segle"),
    (dates.century("século"), "séc|século"),
    (numbers.fraction, "frac|sfrac|fraction|fract|bruch|fract2|½|frac2"),
    (numbers.val, "val"),
    (numbers.plain_number, "nts|formatnum|num|ntsh|szám|nombre|nb|fmtn|formatnum:|fnum"
     "|formatprice|format price|num tt|unfmt|nf|number|pricenum|formatzahl|fn|digits|commas"
     "|tal"),
    (numbers.gaps, "gaps|gap"),
    (numbers.ordinal, "ordinal|ord|nth"),
    (numbers.percent, "percentage|percent|pct"),
    (numbers.density, "pop density|population density|densities"),
    (numbers.chemical, "chem|chem/atom"),
    (numbers.chemical_line, "chem2"),
    (numbers.nuclide, "nuclide|simplenuclide|simplenuclide2|nuclide2|physnuclide"),
    (numbers.rupees, "inrconvert|inr convert"),
    (numbers.pounds, "£sd|pound sterling|gbp-sd"),
    (words.around("⟨", "⟩"), "angbr|angle bracket|angbr ipa|grapheme|⟨⟩|angle brackets"
     "|vr angle"),
    (words.around("'", "'"), "gloss|gl|literal gloss|gloss2"),
    (words.around("lit. '", "'"), "lit|literal translation|lit.|literally"),
    (words.around("[", "]"), "bracket|brackets|interp|interpolation|ipablink|phonetic"
     "|ipa phone"),
    (words.around("/", "/"), "ipaslink|phoneme|phonemic|vr|ipa phoneme|slashes|ipac-phoneme"),
    (words.around("√", ""), "sqrt|radic|surd|√"),
    (words.around("|", "|"), "abs|mabs"),
    (words.around("“", "”"), "\"|'\"|qq"),
    (words.around("U.S. Patent ", ""), "us patent|ussm|uspatent"),
    (words.between("+"), "keypress|key press|key"),
    (words.between(" § "), "section link|slink"),
    (words.between(" × "), "dunité"),
    (lambda a: f"{a.at(0)}e siècle", "s-|siècle"),
    (words.number_of("ISBN"), "isbn|isbnt"),
    (words.number_of("ISSN"), "issn"),
    (words.number_of("OCLC"), "oclc"),
]  # fmt: skip
_MARKS = {
    "mdash": "—", "em dash": "—", "—": "—", "mdashb": " — ", "spaced mdash": " — ", "emdash": "—",
    "ndash": "–", "en dash": "–", "–": "–", "spnd": " – ", "snd": " – ", "snds": " – ",
    "spndash": " – ", "spaced ndash": " – ", "dash": " – ", "nsndns": " – ", "sndash": " – ",
    "spaced en dash": " – ", "spaced endash": " – ", "endash": "–", "nsmdns": "—", "ndsh": "–",
    "spaced en dash space": " – ", "dashes": "–", "--": "–", "---": "—", "nsnd": "–",
    "'": "'", "'s": "'s", "' \"": "' \"", "\" '": "\" '", "!": "|", "pipe": "|", "=": "=",
    "·": " · ", "•": " • ", "dot": " · ", "bull": " • ", "middot": " · ", "nbsp": " ", "space": " ",
    "spaces": " ", "thinsp": " ", "hsp": " ", "nb5": " ",
    "hyphen": "-", "minus": "−", "times": "×", "±": "±", "deg": "°", "inf": "∞", "pi": "π",
    "lbrace": "{", "rbrace": "}", "(": "{", ")": "}", "ellipsis": "…", "...": "…", "!(": "[",
    "okina": "ʻ", "ayin": "ʿ", "hamza": "ʾ", "sharp": "♯", "flat": "♭", "natural": "♮", "ʻ": "ʻ",
    "asterisk": "*", "hash": "#", "dagger": "†", "double-dagger": "‡", "number sign": "#",
    "ad": "AD", "bce": "BCE", "ce": "CE", "carbon": "C", "hydrogen": "H", "oxygen": "O",
    "nitrogen": "N", "eqm": " ", "dm": "DM", "er": "er", "re": "re", "nd": "nd", "slash": "/",
    "\\": " / ",
    "sqbl": "[", "sqbr": "]", "n°": "n° ", "copy": "©", "trade": "™",
    "caret": "^", "backslash": "\\", "plus": "+", "lcub": "{", "rcub": "}", "langle": "⟨",
    "rangle": "⟩",
}  # fmt: skip
_MONEY = {
    "us$": "US$", "usd": "US$", "us dollar": "$", "gbp": "£", "£": "£", "pound": "£", "€": "€",
    "euro": "€", "eur": "€", "a$": "A$", "aud": "A$", "au$": "A$", "c$": "C$", "cad": "C$",
    "nz$": "NZ$", "nzd": "NZ$", "inr": "₹", "₹": "₹", "indian rupee": "₹", "rupee": "₹", "¥": "¥",
    "jpy": "¥", "cny": "CN¥", "krw": "₩", "hk$": "HK$", "hkd": "HK$", "s$": "S$", "brl": "R$",
    "php": "₱", "₱": "₱", "rub": "₽", "евро": "€", "ntd": "NT$", "chf": "CHF ", "zar": "R",
    "myr": "RM",
}  # fmt: skip
_NAVIES = (
    "USS", "HMS", "RMS", "SS", "HMAS", "HMCS", "HMNZS", "HMIS", "USNS", "USCGC", "USAT", "MV", "MS",
    "MT", "MY", "SMS", "INS", "ARA", "BAP", "HNLMS", "HSwMS", "HDMS", "HNoMS", "ORP", "PS",
    "RV", "TSS",
    "USRC", "USC&GS", "CSS", "PNS", "ROKS", "JDS", "TCG", "SAS", "GTS", "RFA", "RRS", "HMT", "HMY",
    "HMCS", "HMSAS", "SY", "TS", "NRP", "ROCS", "USAHS",
)  # fmt: skip
_SHUTTLES = {"099": "Challenger", "101": "Enterprise", "102": "Columbia", "103": "Discovery",
             "104": "Atlantis", "105": "Endeavour"}  # fmt: skip
# Families of names that say "this word is German" in many wikis: lang-de, Vol-de, dil-de, ...
_LANGUAGE_FAMILIES = ("vol-", "dil-", "langue-", "јез-", "jez-", "jęz-", "שפראך-", "мова-", "тел-",
                      "lang2-", "lng-", "ling-", "til-", "тіл-", "теле-", "llengua-",
                      "script/")  # fmt: skip


def _table() -> dict[str, Render]:
    table = {name: show for show, names in _BY_FUNCTION for name in names.split("|")}
    table.update((name, words.constant(mark)) for name, mark in _MARKS.items())
    table.update((name, numbers.money(sign)) for name, sign in _MONEY.items())
    table.update((prefix.lower(), words.ship(prefix)) for prefix in _NAVIES)
    table |= {
        "e": words.power_of_ten,
        "10^": lambda a: f"10{raised(a.at(0))}",
        "pow": lambda a: f"{a.at(0)}{raised(a.at(1))}",
        "sub": lambda a: lowered(a.at(0)),
        "ind": lambda a: lowered(a.at(0)),
        "sortname": lambda a: f"{a.at(0)} {a.at(1)}".strip(),
        "currency": lambda a: f"{a.at(1)} {numbers.grouped(a.at(0))}".strip(),
        "höhe": lambda a: f"{a.at(0)} m",
        "ov": lambda a: _SHUTTLES.get(a.at(0), a.at(0)),
        "physics particle": words.first,
        "subatomic particle": lambda a: a.at(0).lower(),
        "n.": lambda a: f"n. {a.at(0)}",
        "citation étrangère": words.last,
    }
    return table


TEMPLATES: dict[str, Render] = _table()
"""Name in lower case -> what it shows."""

# Names that mean one thing in one language and another, or nothing, elsewhere.
_ONLY_IN: dict[str, dict[str, Render]] = {
    "fr": {
        "citation": words.around("« ", " »"),
        "s": lambda a: f"{a.at(0)}e siècle" if a.at(1) == "e" else f"{a.at(0)}er siècle",
        "e": words.constant("e"),
        "m.": lambda a: f"M. {a.at(0)}".strip(),
        "mme": lambda a: f"Mme {a.at(0)}".strip(),
        "p.": lambda a: f"p. {a.at(0)}".strip(),
        "n°": lambda a: f"n° {a.at(0)}".strip(),
    },
    "ca": {"s": lambda a: f"segle {a.at(0)}"},
    "de": {'"': words.around("„", "“")},
    "gl": {"dic": words.first},
    "it": {
        "ta": words.first,
        "m": lambda a: f"{a.at(0)} {a.name('u', 'ul') or a.at(1)}".strip(),
        "gemellaggio": lambda a: f"{a.at(1)} ({a.at(0)}, {a.at(2)})" if a.at(2) else a.at(1),
    },
    "sk": {"km": words.spaced, "mnm": lambda a: f"{a.at(0)} m n. m.", "deu": words.first},
    "zh": {"bd": dates.chinese_life, "le": words.third_or_first},
}


def render(
    name: str, parts: list[str], *, language: str = "en", is_running: bool = False
) -> str | None:
    """Render one template.

    Args:
        name: as written, for instance "Birth_date and  age".
        parts: the arguments between the pipes, their own markup already resolved.
        language: of the wiki, as its dump has it; empty if unknown.
        is_running: whether it stands in the middle of a sentence.

    Returns:
        Its text; "" if it shows nothing, None if we do not know what it shows.
    """
    key = template_key(name)
    for _ in range(2):
        key = key.removeprefix("template:").removeprefix("msg:").lstrip()
    function = _function(key, language)
    if function is not None:
        if function is words.coordinates and not is_running:
            return ""  # on a line of its own it is the box in the corner of the page
        shown = function(parse_arguments(parts, language=language))
        return shown or (None if any(parts) else "")
    _, colon, rest = name.partition(":")
    if colon and (shown := _word_function(key.partition(":")[0], rest.strip(), parts, language)):
        return shown
    if key.startswith("lang-"):
        arguments = parse_arguments(parts, language=language)
        return words.in_language(arguments, code=key[5:]) or None
    if key.startswith("ipa-"):
        return words.phonetic(parse_arguments(parts, language=language)) or None
    if key.startswith(_LANGUAGE_FAMILIES):
        return words.first(parse_arguments(parts)) or None
    if key.startswith("link-"):
        return words.third_or_first(parse_arguments(parts)) or None
    if not parts and _says_itself(key):
        return name.strip()
    if is_silent(key):
        return ""
    return guess(parts) if is_running else None


def _function(key: str, language: str) -> Render | None:
    code = language.partition("-")[0]
    return _ONLY_IN.get(code, {}).get(key) or TEMPLATES.get(key)


def _word_function(head: str, rest: str, parts: list[str], language: str) -> str | None:
    """Render what looks like {{lc:WORDS}}: https://www.mediawiki.org/wiki/Help:Magic_words."""
    if head == "formatnum":
        return numbers.grouped(rest.replace(",", ""), language=language)
    if head in ("lc", "uc", "lcfirst", "ucfirst"):
        return {
            "lc": rest.lower(),
            "uc": rest.upper(),
            "lcfirst": rest[:1].lower() + rest[1:],
            "ucfirst": rest[:1].upper() + rest[1:],
        }[head]
    if head == "plural" and parts:
        return (parts[0] if rest == "1" else parts[-1]).strip()
    return None


def _says_itself(key: str) -> bool:
    """Whether a name is what it shows: {{1re}}, {{XXe siècle}}, {{IVe}} in the French Wikipedia."""
    head = key.removesuffix(" siècle")
    for ending in ("ère", "ème", "er", "re", "e", "nd", "nde"):
        stem = head.removesuffix(ending)
        if stem and stem != head and (stem.isdecimal() or not stem.strip("ivxlc")):
            return True
    return False
