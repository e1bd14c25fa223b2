"""Language identifiers side by side, on the human-rights texts and on the bench corpus.

`make bench OPTIONS="-k test_language"` prints one line per model: how often it is right on strings
of 300, 100 and 40 characters over the languages that it knows itself, then over those 29 that the
first four models know; speed on the pieces that language.py looks at; memory. A code is
right if it is the true one or a relative (language_codes.are_related). Models that are not
dependencies are skipped where they are not installed: `pip install eldc cld3-py py3langid
lingua-language-detector whatlang-pyo3 heliport`.

    model      package                  licence        weights
    CLD2       pycld2 (dependency)      Apache-2.0     in the wheel
    lid.176    fasttext-predict (dep.)  MIT            CC BY-SA 3.0, a file of 0.9 MB (.ftz)
    eldc       eldc                     Apache-2.0     in the wheel
    CLD3       cld3-py                  BSD, Apache    in the wheel
    HeLI       heliport                 GPL-3.0        in the wheel
    langid.py  py3langid                BSD-3-Clause   in the wheel
    lingua     lingua-language-detector Apache-2.0     in the wheel
    whatlang   whatlang-pyo3            MIT            in the wheel
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pipeline.text import language
from pipeline.text.language_codes import are_related, normalized

pytestmark = pytest.mark.bench
ROOT = Path(__file__).resolve().parents[2]
LID176 = ROOT.parent / "shared" / "data" / "models" / "lid176" / "lid.176.ftz"
MODELS = ("CLD2", "lid.176", "eldc", "CLD3", "HeLI", "langid.py", "lingua", "whatlang")
# In the human-rights texts, and known to the first four of these models.
COMMON = "am be bn da de el en eu fi gu hr is ka ko lv ml mr pt ro ru sk sq sr ta te th tr ur zh"


def load(name: str) -> Callable[[str], str]:
    """Return a function from text to code, or skip where the package is not installed."""
    if name in ("CLD2", "lid.176"):
        model = language.load("" if name == "CLD2" else str(LID176))
        return lambda text: model.answer(text)[0]
    if name == "eldc":
        eldc = pytest.importorskip("eldc")
        eldc.init()
        return eldc.detect
    if name == "CLD3":
        identifier = pytest.importorskip("gcld3").NNetLanguageIdentifier(0, 10_000)
        return lambda text: identifier.FindLanguage(text).language
    if name == "HeLI":
        return pytest.importorskip("heliport").Identifier().identify
    if name == "langid.py":
        langid = pytest.importorskip("py3langid")
        return lambda text: langid.classify(text)[0]
    if name == "lingua":
        lingua = pytest.importorskip("lingua")
        builder = lingua.LanguageDetectorBuilder.from_all_languages()
        detector = builder.with_low_accuracy_mode().build()

        def detect(text: str) -> str:
            found = detector.detect_language_of(text)
            return found.iso_code_639_1.name.lower() if found else ""

        return detect
    whatlang = pytest.importorskip("whatlang")

    def detect_or_not(text: str) -> str:
        try:
            return str(whatlang.detect(text).lang)
        except ValueError:
            return ""

    return detect_or_not


def known(name: str, answers: list[str], truths: list[str]) -> set[str]:
    """The languages of a model: as it lists them, else those true ones that it ever answered."""
    if name in ("CLD2", "lid.176"):
        return set(language.load("" if name == "CLD2" else str(LID176)).codes)
    if name == "eldc":
        return {normalized(code) for code in pytest.importorskip("eldc").LANGUAGES}
    return set(answers) & set(truths)


@pytest.fixture(scope="module")
def documents() -> list[str]:
    paths = sorted((ROOT.parent / "shared" / "data" / "bench").glob("*.jsonl.zst"))
    if not paths:
        pytest.skip("no bench corpus")
    return [
        json.loads(line)["text"]
        for line in zstandard.decompress(paths[0].read_bytes(), 1 << 28).splitlines()
    ]


def memory_mb(name: str) -> float:
    """What loading a model adds to a process, in MB."""
    code = (
        "import sys; sys.path[:0] = ['tests/bench', '.']; import test_language as t\n"
        "def rss(): return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        f"a = rss(); f = t.load({name!r}); f('a text of some words, to be sure'); print(rss() - a)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    return int(done.stdout) / 1e6


@pytest.mark.parametrize("name", MODELS)
def test_accuracy_and_speed(name, language_strings, documents):
    if name == "lid.176" and not LID176.exists():
        pytest.skip("no lid.176.ftz")
    answer = load(name)
    every = 20 if name in ("lingua", "langid.py") else 1  # slow: fewer strings, the same languages
    line = f"\n{name:10}"
    for num_chars in (300, 100, 40):
        strings = language_strings(num_chars=num_chars)[::every]
        codes = [normalized(answer(text)) for _, text in strings]
        truths = [true for true, _ in strings]
        if num_chars == 300:
            own = known(name, codes, truths)
        rights = {}
        for what, languages in (("own", own), ("common", set(COMMON.split()))):
            found = [
                are_related(true, code)
                for true, code in zip(truths, codes, strict=True)
                if true in languages
            ]
            rights[what] = sum(found) / len(found)
        line += f"  {num_chars}: {rights['own']:.3f} ({rights['common']:.3f})"
    pieces = [language.pieces(text) for text in documents][::every]
    begin = time.process_time()
    for text in pieces:
        answer(text)
    seconds = time.process_time() - begin
    num_bytes = sum(len(text.encode()) for text in pieces)
    num_tested = len(own & {true for true, _ in language_strings(num_chars=300)})
    print(
        f"{line}  {num_tested} of its languages tested  {len(pieces) / seconds:,.0f} documents/s  "
        f"{num_bytes / 1e6 / seconds:.1f} MB/s  {memory_mb(name):.0f} MB of memory"
    )


@pytest.mark.parametrize("name", ["CLD2", "lid.176"])
def test_the_pieces_speak_for_the_whole(name, documents):
    model = language.load("" if name == "CLD2" else str(LID176))
    seconds = {"all of it": 0.0, "pieces": 0.0}
    verdicts: dict[str, list[tuple[str, bool]]] = {"all of it": [], "pieces": []}
    for text in documents:
        for what in verdicts:
            begin = time.process_time()
            if what == "pieces":
                (code,), (score,) = language.identify([text], model)
            else:
                code, score = model.answer(text)
            seconds[what] += time.process_time() - begin
            verdicts[what].append((code, score >= model.min_score * language.SCORE_ONE))
    pairs = list(zip(*verdicts.values(), strict=True))
    print(
        f"\n{name}: same language {sum(a[0] == b[0] for a, b in pairs) / len(pairs):.4f}, same "
        f"language and verdict {sum(a == b for a, b in pairs) / len(pairs):.4f}; "
        + ", ".join(f"{what} {1e3 * s / len(pairs):.3f} ms" for what, s in seconds.items())
    )


@pytest.mark.parametrize("name", ["CLD2", "lid.176", "eldc"])
def test_what_is_accepted_and_what_is_taken_for_english(name, language_strings):
    """With the default least score; eldc by its own flag, as its scores have no published one."""
    if name == "eldc":
        eldc = pytest.importorskip("eldc")
        eldc.init()

        def accepted(text: str) -> str:
            found = eldc.detect_details(text)
            return normalized(found.language) if found.reliable else ""
    else:
        model = language.load("" if name == "CLD2" else str(LID176))

        def accepted(text: str) -> str:
            code, score = model.answer(text)
            return code if score >= model.min_score * language.SCORE_ONE else ""

    for num_chars in (100, 300, 600):
        pairs = [(true, accepted(text)) for true, text in language_strings(num_chars=num_chars)]
        common = [are_related(true, code) for true, code in pairs if true in COMMON.split()]
        foreign = [code == "en" for true, code in pairs if true != "en"]
        print(
            f"\n{name:10}{num_chars}: {sum(common) / len(common):.4f} of the 29 languages' strings "
            f"right and accepted; {sum(foreign)} of {len(foreign)} others taken for English"
        )
