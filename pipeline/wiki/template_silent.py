"""Templates that show nothing in a sentence, and a cautious guess at those that nobody told us.

A footnote or a cleanup tag leaves no hole when it goes; an unknown template with words in it does.
"""

import functools
import re

_NAMES = """
-; -"; zwsp; shy; indent; tombstone; qed; cn; fact; rp; r; rf; ref; refn; efn; efn-ua; efn-lr;
efn-la; note; notetag; note tag; sfn; sfnp; sfnm; sfnmp; sfnb; harv; harvp; harvcol; harvcolnb;
nb; who; whom; when; where; which; why; how; what; by whom; according to whom; from whom; like
whom; to whom; vague; clarify; clarifyme; huh; dubious; discuss; disputed; specify; explain;
opinion; pov; or; or?; syn; npov; full; page; pages?; year; volume; issue; date?; attribution;
peacock; peacock term; weasel; weasel word; buzz; jargon; tone; cite; citation; verify source;
vs; verify; failed verification; fv; not in source; unreliable source; unreliable source?;
unreliable medical source; better source; selfref; self-published source; sps; third-party
inline; primary source inline; promotion inline; original research; contradict; contradict
inline; update after; obsolete source; dead link; deadlink; link rot; bare url inline;
webarchive; wayback; cbignore; subscription; subscription required; registration required;
closed access; open access; free access; paywall; anchor; anchors; va; visible anchor start;
clear; clr; clear left; clear right; clearleft; clearright; br; break; crlf; noref; reflist;
refbegin; refend; notelist; refs; references; coor d; coor dm; coor dms; toc; toc left; toc
right; tocright; compact toc; italic title; lowercase; lowercase title; displaytitle;
defaultsort; bots; nobots; portal; portal bar; portal-inline; commons; commons-inline;
commonscat; commons category; wikiquote; wiktionary; wikisource; wikinews; sister; sister
project; sister project links; sisterlinks; official website; official; imdb name; imdb title;
main; main article; main list; see also; further; further information; details; about; for;
other uses; other people; otheruses; redirect; distinguish; not to be confused with; hatnote;
rellink; see; broader; use dmy dates; use mdy dates; use british english; legend; legend inline;
flagicon; flagicon image; flagdeco; flag icon; image; multiple image; external media; audio
icon; listen; spoken wikipedia; good article; featured article; short description; authority
control; persondata; coord missing; dynamic list; incomplete list; expand list; expand section;
empty section; stub; very long; refimprove; unreferenced; more footnotes; no footnotes; copy
edit; cleanup; rewrite; advert; fansite; orphan; wikify; inuse; under construction; merge; merge
to; merge from; split; globalize; div col; div col end; colbegin; colend; col-begin; col-2;
col-3; col-4; col-5; col-break; col-end; top; mid; bottom; end; start; s-start; s-end; nowrap
begin; nowrap end; wrap; thinspace; hair space; ns; pad; 0; #tag:ref; #tag:references;
inflation-fn; inflation/fn; inflation-year; dagger-ref; ref label; note label; rating; yes; no;
won; nom; n/a; tba; increase; decrease; steady; gain; loss; up; down; profit; unchanged;
speciesbox; taxobox; navbox; sidebar; succession box; geobox; chembox; drugbox; weather box;
historical populations; track listing; tracklist; bron?; bron; citação necessária; carece de
fontes; cita requerida; sin referencias; cr; cn-span; quelle; belege; belege fehlen; refnec-;
référence nécessaire-; réf. nécessaire; quand; qui; précision nécessaire; lequel; où; pas clair;
sf; senza fonte-; chiarire-; fakt-; kto; kiedy; нет аи; источник?; аи; кто?; когда?; где?;
какой; уточнить; что?; нет источника; достоверность?; недоступная ссылка; мёртвая ссылка; якорь;
ref-lang; sfn0; джерело?; джерело; немає джерела; хто; чия думка; коли?; прапорець; прапор;
флаг; флаги; прапорець+; flagga; flaggbild; flaggikon; bandera; bandeira; drapeau; flaga; vlag;
bandierina; bandeirina; zászló; lippu; flagg; пам; чињеница; семарх; мртва веза; citat potreban;
nedostaje izvor; kaynak belirt; kaynak; kim; källa behövs; källa?; trenger referanse; kilde
mangler; lähde; kuka; milloin; doplňte zdroj; kdo?; kdy?; forrás?; ki?; mikor?; citación; cal
citació; citación bezonata; mankas fonto; font?; cần chú thích; cần nguồn; butuh rujukan; siapa;
kapan; حقيقة; بحاجة لمصدر; من؟; نیازمند منبع; مدرک; حوالہ درکار; مقور; מקור; הערה; دخیل; תנ"ך;
ביאור; 来源请求; 來源請求; 需要解释; 谁; 誰; 何時; 什么; 事實; 要出典; いつ; 要検証; 独自研究;
疑問点; refnest; 출처; 누구; 언제; ref nest; 소리; flag icon image; پرچم تصویر; پرچم; علم;
أيقونة علم; กล่าวอ้าง; 需要引文; en; fr; ita;
"""
_SILENT = frozenset(
    " ".join(name.split()) for name in _NAMES.replace("\n", " ").split(";") if name.strip()
)
_PATTERN = re.compile(
    r"(?:cite|citation|sfn|harvcol|infobox|info/|ficha|navbox|ref[- ]|pp-|wp:|wikipedia|portal|"
    r"use |commons|flagicon|unreliable|unsourced|expand|clarify|verif|dead link|toc|col-|top icon|"
    r"#invoke|s-|r from|better source|medical citation|more citations|image|multiple|"
    r"audio[- ]?icon|liste?n|coor d|isbn|[a-z]{2}-vlag).*\Z|[a-z]{2}\Z|"
    r".*(?: needed| inline| icon| ikon|-stub|-icoon| missing|-inline|\?|icon image| link rot)\Z"
)
_FILE = re.compile(r"\.(?:ogg|oga|wav|mp3|mid|jpe?g|png|svg|gif|webm|pdf)\Z", re.IGNORECASE)
_CODE = re.compile(r"[A-Z]{2,4}\Z|[a-z]{1,3}\Z|[\W\d_]+\Z|[a-z]+\d+\Z|Q\d+\Z|P\d+\Z")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,8})?\Z")


@functools.lru_cache(maxsize=4096)
def is_silent(key: str) -> bool:
    """Tell whether a template shows nothing in a sentence: a footnote, a cleanup tag, an icon.

    Args:
        key: its name as wikipages.template_key gives it.
    """
    return key in _SILENT or _PATTERN.match(key) is not None


def guess(parts: list[str]) -> str | None:
    """Guess what an unknown template shows in the middle of a sentence; None for no guess.

    Wikis in some 300 languages have their own names for "this word is German". One argument of
    words, and no other, is such a word nearly always; a language code may stand before it.
    """
    if not 1 <= len(parts) <= 2 or any("=" in part for part in parts):
        return None
    if len(parts) == 2 and not _LANGUAGE.match(parts[0].strip()):
        return None
    shown = parts[-1].strip()
    if not 1 < len(shown) <= 80 or "\n" in shown or "://" in shown:
        return None
    if _FILE.search(shown) or _CODE.match(shown):
        return None
    return shown
