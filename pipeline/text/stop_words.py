"""The most frequent function words of languages, for Gopher's rule that a text has two of them.

English is Gopher's own list (Rae et al. 2021, appendix A.1.1), kept as it is. For the others the
same is done by hand: about eight of the commonest articles, prepositions, conjunctions, pronouns
and auxiliaries, in lower case as they stand inside a sentence. They were written from knowledge of
the languages; tests/pipeline/test_stop_words.py checks them on the Universal Declaration of Human
Rights, a check that made some lists longer and dropped others.

A language that is not here has no such rule: its function words are suffixes (Tamil, Telugu,
Malayalam), or it is cut into letters that mean nothing alone (Thai; see pipeline/text/words.py).
Chinese and Japanese are cut into characters too, but their commonest ones are function words.
"""

from pipeline.text.language_codes import normalized

_LISTS = {
    "en": "the be to of and that have with",
    "af": "die en van in het is nie wat om",
    "ar": "في من على إلى أن عن التي هذا الذي لا",
    "bg": "на и в за да от се не с",
    "bn": "এবং ও এই যে থেকে করে না তার জন্য বা আর এক একটি সে যা কিন্তু হবে",
    "ca": "de la el i que a en per les",
    "cs": "a v na se je že s z do nebo o jako",
    "cy": "y yr a o i yn ar ei",
    "da": "og i at det er en til af for",
    "de": "der die und in den von zu das mit",
    "el": "και το να του η της με την καὶ τὸ τοῦ τὴν τῶν τῆς",
    "es": "de la que el en y a los",
    "et": "ja on ei et ta see kui või",
    "eu": "eta da ez ere izan bat du edo dira bere baina dute beste",
    "fa": "و در به از که این را با",
    "fi": "ja on ei että se tai joka myös ovat sekä oli kun",
    "fr": "de la le et les des en que",
    "ga": "an agus na ar a i le do",
    "gl": "de a o e que do da en",
    "gu": "અને છે આ તે માટે પણ કે ન તેના",
    "he": "של את על לא כל זה או עם הוא",
    "hi": "के में है की और का को से",
    "hr": "i u je na da se za od",
    "hu": "a az és hogy nem is egy meg",
    "hy": "և է որ ու են մեջ իր կամ",
    "id": "yang dan di dengan untuk dari dalam ini",
    "is": "og í að á er sem til við",
    "it": "di e che la il in per un",
    "ja": "の に は を た が で と し て",
    "ka": "და რომ არის უნდა ან არ ეს რომელიც როგორც მისი თუ კი მას რა იყო აქვს ყველა ყოველი",
    "ko": "및 이 그 수 있다 또는 모든 대한 의하여 또한",
    "la": "et in est non ad ut cum qui de per quod vel a ab ex se sed si nec",
    "lt": "ir yra į kad su iš ar kaip",
    "lv": "un ir uz ar no ka par vai",
    "mk": "на и во да се од за со",
    "mr": "आणि आहे या व हे ही हा त्या किंवा तो",
    "ms": "yang dan di dengan untuk dari dalam ini",
    "nl": "de het een van en in is dat",
    "no": "og i det er på en til av",
    "nn": "og i det er på ein til av",
    "pl": "i w na się nie z do że",
    "pt": "de a o que e do da em",
    "ro": "de și în a la cu din pe",
    "ru": "и в не на что с по как",
    "sk": "a v na sa je že s z do alebo o ako",
    "sl": "in je v na se da za ki",
    "sq": "e të në dhe me për një që",
    "sr": "i u je na da se za od и у је на да се за од",
    "sv": "och i att det är en som av",
    "sw": "ya na wa kwa ni katika la za",
    "tl": "ang ng sa na at mga ay ito",
    "tr": "ve bir bu da de için ile olarak her veya ne daha ki çok o kadar gibi",
    "uk": "і в на не що з до та",
    "ur": "کے میں کی ہے اور سے کا کو",
    "vi": "và của có là các được trong cho",
    "zh": "的 是 在 不 有 和 了 人 一",
}
_SAME = {"bs": "sr", "sh": "sr", "yue": "zh", "wuu": "zh"}


def of(language: str) -> frozenset[str]:
    """Return the stop words of a language, empty where there is no list.

    Args:
        language: any code that `language_codes.normalized` reads.
    """
    code = normalized(language)
    return STOP_WORDS.get(_SAME.get(code, code), frozenset())


STOP_WORDS: dict[str, frozenset[str]] = {
    code: frozenset(words.split()) for code, words in _LISTS.items()
}
"""Normalized code -> stop words, case-sensitive."""
