"""One way to write a language: ISO 639-1 where a code exists, ISO 639-3 otherwise.

`normalized` takes what recipes, data sets, HTML pages and models write ("en-US", "eng_Latn", "ger",
"cmn") to one code; `related` says which codes count as the same language when what is declared is
compared with what was detected.
"""

import functools
import re

# ISO 639-1 and ISO 639-3 (the macrolanguage's code where the two-letter code means one), with the
# bibliographic codes of ISO 639-2 after a slash.
_ISO = """
aa aar|ab abk|ae ave|af afr|ak aka|am amh|an arg|ar ara|as asm|av ava|ay aym|az aze|ba bak|be bel
bg bul|bi bis|bm bam|bn ben|bo bod/tib|br bre|bs bos|ca cat|ce che|ch cha|co cos|cr cre|cs ces/cze
cu chu|cv chv|cy cym/wel|da dan|de deu/ger|dv div|dz dzo|ee ewe|el ell/gre|en eng|eo epo|es spa
et est|eu eus/baq|fa fas/per|ff ful|fi fin|fj fij|fo fao|fr fra/fre|fy fry|ga gle|gd gla|gl glg
gn grn|gu guj|gv glv|ha hau|he heb|hi hin|ho hmo|hr hrv|ht hat|hu hun|hy hye/arm|hz her|ia ina
id ind|ie ile|ig ibo|ii iii|ik ipk|io ido|is isl/ice|it ita|iu iku|ja jpn|jv jav|ka kat/geo|kg kon
ki kik|kj kua|kk kaz|kl kal|km khm|kn kan|ko kor|kr kau|ks kas|ku kur|kv kom|kw cor|ky kir|la lat
lb ltz|lg lug|li lim|ln lin|lo lao|lt lit|lu lub|lv lav|mg mlg|mh mah|mi mri/mao|mk mkd/mac|ml mal
mn mon|mr mar|ms msa/may|mt mlt|my mya/bur|na nau|nd nde|ne nep|ng ndo|nl nld/dut|nn nno
no nor|nr nbl|nv nav|ny nya|oc oci|oj oji|om orm|or ori|os oss|pa pan|pi pli|pl pol|ps pus|pt por
qu que|rm roh|rn run|ro ron/rum|ru rus|rw kin|sa san|sc srd|sd snd|se sme|sg sag|sh hbs|si sin
sk slk/slo|sl slv|sm smo|sn sna|so som|sq sqi/alb|sr srp|ss ssw|st sot|su sun|sv swe|sw swa|ta tam
te tel|tg tgk|th tha|ti tir|tk tuk|tl tgl|tn tsn|to ton|tr tur|ts tso|tt tat|tw twi|ty tah|ug uig
uk ukr|ur urd|uz uzb|ve ven|vi vie|vo vol|wa wln|wo wol|xh xho|yi yid|yo yor|za zha|zh zho/chi
zu zul
"""

# Codes of one member that stand for the whole (the standard variety, as CLDR's aliases have it),
# withdrawn codes, and a wiki's name.
_MEMBERS = """
als sq|arb ar|ayr ay|azj az|cmn zh|ekk et|fil tl|gaz om|gug gn|khk mn|kmr ku|kng kg|lvs lv
nb no|nob no|npi ne|ory or|pbu ps|pes fa|plt mg|quz qu|src sc|swh sw|uzn uz|ydd yi|zsm ms
iw he|in id|ji yi|jw jv|mo ro|bh bho|simple en
"""

# Written so alike, or so often under each other's name, that a model's choice among them is no
# reason to drop a text: the members of ISO 639-3's macrolanguages that the models know, Indonesian
# beside Malay, and the standards of Serbo-Croatian.
_RELATED = (
    "no nn",
    "sh hr sr bs cnr",
    "ms id zlm",
    "zh yue wuu hak nan gan cdo hsn lzh",
    "ar arz ary apc arq acm ajp aeb ars",
    "fa prs",
    "az azb",
    "ku ckb sdh",
    "lv ltg",
    "et vro",
    "sq aln aae",
    "ak tw fat",
    "lah pnb",
    "kok gom",
    "zza diq kiu",
    "ne dty",
    "sw swc",
    "kv koi kpv",
    "chm mhr mrj",
    "bik bcl",
    "bua bxr",
    "sc sro",
    "uz uzs",
    "qu quy qub quh qvh qvi qvm qvn qxn",
)

_CODE = re.compile(r"[a-z]{2,3}|simple")
_NOT_ONE = ("und", "mul", "zxx", "mis")  # ISO 639-2 for: unknown, several, none, any other


@functools.cache
def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for entry in _ISO.replace("\n", "|").strip("|").split("|"):
        short, long = entry.split(" ")
        table.update(dict.fromkeys([short, *long.split("/")], short))
    for entry in _MEMBERS.replace("\n", "|").strip("|").split("|"):
        member, whole = entry.split(" ")
        table[member] = whole
    return table


@functools.cache
def _group() -> dict[str, int]:
    return {code: n for n, codes in enumerate(_RELATED) for code in codes.split()}


@functools.lru_cache(maxsize=4096)
def normalized(code: str) -> str:
    """Return the one code of a language, "" for what is no language code.

    Args:
        code: ISO 639-1, -2 or -3, or a BCP 47 tag or the like with "-" or "_"; script, region and
            variant are left off ("zh-Hant-TW", "eng_Latn", "pt_BR.UTF-8").
    """
    found = re.split(r"[-_.@]", code.strip().lower(), maxsplit=1)[0]
    if not _CODE.fullmatch(found) or found in _NOT_ONE:
        return ""
    return _table().get(found, found)


def are_related(one: str, other: str) -> bool:
    """Whether two normalized codes count as one language."""
    group = _group().get(one)
    return one == other or (group is not None and group == _group().get(other))
