import json
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import measures
from pipeline.recipe import Fates, Measures, Recipe, Source
from pipeline.text import language, language_codes, language_models
from pipeline.text.language_codes import are_related, normalized

SENTENCES = {
    "en": "The old bridge over the river was built by people from three villages.",
    "de": "Die alte Brücke über den Fluss wurde von den Leuten aus drei Dörfern gebaut.",
    "fr": "Le vieux pont sur la rivière a été construit par les gens de trois villages.",
    "es": "El viejo puente sobre el río fue construido por la gente de tres pueblos.",
    "it": "Il vecchio ponte sul fiume è stato costruito dalla gente di tre villaggi.",
    "nl": "De oude brug over de rivier werd gebouwd door mensen uit drie dorpen.",
    "pl": "Stary most nad rzeką został zbudowany przez ludzi z trzech wiosek.",
    "ru": "Летом на старом мосту всегда сидят рыбаки и разговаривают о погоде.",
    "el": "Η παλιά γέφυρα πάνω από το ποτάμι χτίστηκε από ανθρώπους τριών χωριών.",
    "he": "הגשר הישן מעל הנהר נבנה בידי אנשים משלושה כפרים.",
    "ja": "川に架かる古い橋は、三つの村の人々によって建てられたものです。",
    "zh": "河上的那座古桥是由三个村庄的人们共同修建起来的，到现在已经很久了。",
    "ko": "강 위에 있는 오래된 다리는 세 마을의 사람들이 함께 지은 것입니다.",
}


@pytest.fixture(scope="module")
def cld2():
    return language.load("")


@pytest.fixture
def lid176(real_data):
    return language.load(str(real_data / "models" / "lid176" / "lid.176.ftz"))


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *[("en", "en"), ("en-US", "en"), ("EN_us", "en"), ("eng", "en"), ("eng_Latn", "en")],
        *[("deu", "de"), ("ger", "de"), (" de ", "de"), ("de-1996", "de"), ("pt_BR.UTF-8", "pt")],
        *[("zh-Hant-TW", "zh"), ("cmn", "zh"), ("chi", "zh"), ("yue", "yue"), ("simple", "en")],
        *[("iw", "he"), ("jw", "jv"), ("fil", "tl"), ("nb", "no"), ("nob", "no"), ("nn", "nn")],
        *[("swh", "sw"), ("als", "sq"), ("gsw", "gsw"), ("ltg", "ltg"), ("ceb", "ceb")],
        *[
            ("", ""),
            ("und", ""),
            ("mul", ""),
            ("English", ""),
            ("x-none", ""),
            ("e", ""),
            ("12", ""),
        ],
    ],
)
def test_every_way_to_write_a_language_has_one_code(written, code):
    assert normalized(written) == code


def test_normalizing_twice_changes_nothing_and_every_iso_code_has_two_letters():
    table = language_codes._table()
    assert (
        len({code for code in table.values() if len(code) == 2}) == 183
    )  # ISO 639-1 with "sh", and "nb" under "no"
    assert all(normalized(code) == code for code in table.values())


def test_relatives_are_codes_in_their_normal_form_and_in_one_group_only():
    codes = [code for group in language_codes._RELATED for code in group.split()]
    assert len(set(codes)) == len(codes)
    assert [code for code in codes if normalized(code) != code] == []


def test_related_standards_count_as_one_language_and_neighbours_do_not():
    assert are_related("nn", "no")
    assert are_related("hr", "sr")
    assert are_related("zh", "yue")
    assert are_related("xx", "xx")
    assert not are_related("de", "nl")
    assert not are_related("gl", "pt")


@given(text=st.text(max_size=6000))
@example(text="ab " * 4000)
def test_a_long_text_is_looked_at_in_pieces_from_its_first_to_its_last_character(text):
    looked_at = language.pieces(text)
    limit = language.NUM_PIECES * language.PIECE_CHARS
    if len(text) <= limit:
        assert looked_at == text
        return
    assert len(looked_at) == limit + language.NUM_PIECES - 1
    size = language.PIECE_CHARS
    found = [looked_at[at : at + size] for at in range(0, len(looked_at), size + 1)]
    assert len(found) == language.NUM_PIECES
    assert all(piece in text for piece in found)
    assert text.startswith(found[0])
    assert text.endswith(found[-1])


def test_where_a_glance_is_not_sure_all_pieces_are_looked_at(cld2):
    plain = " ".join(SENTENCES.values())
    own = next(iter(SENTENCES.values())) + " "
    same, mixed = own * 200, (own * 20 + plain) * 8
    glances = [
        cld2.answer(
            language.pieces(text, num=language.GLANCE_PIECES, num_chars=language.GLANCE_CHARS)
        )
        for text in (same, mixed)
    ]
    assert [score >= language.GLANCE_SCORE for _, score in glances] == [True, False]
    codes, scores = language.identify([same, mixed], cld2)
    assert (codes[0], scores[0]) == glances[0]
    assert (codes[1], scores[1]) == cld2.answer(language.pieces(mixed))


def test_both_models_know_plain_sentences(cld2, lid176):
    for model in (cld2, lid176):
        codes, scores = language.identify(list(SENTENCES.values()), model)
        assert codes == list(SENTENCES)
        assert (scores >= model.min_score * language.SCORE_ONE).all()
        assert set(codes) <= model.codes


@given(texts=st.lists(st.text(max_size=400), max_size=4))
@example(texts=["\x00\x0b\ufdd0\U0010ffff\x85 " + SENTENCES["fr"]])
@example(texts=["</s> __label__de \u2028" + SENTENCES["en"], "", "\n" * 9])
def test_any_text_has_an_answer_which_does_not_depend_on_its_neighbours(texts):
    model = language.load("")
    codes, scores = language.identify(texts, model)
    assert set(codes) <= model.codes | {"und", "mis"}
    assert ((scores >= 0) & (scores <= language.SCORE_ONE)).all()
    alone = [language.identify([text], model) for text in texts]
    assert codes == [code for one, _ in alone for code in one]
    assert scores.tolist() == [score for _, one in alone for score in one]


def test_characters_that_cld2_refuses_do_not_change_its_answer(cld2):
    text = SENTENCES["fr"].replace(" ", " \x07\ufdd1 ", 2)
    assert language.identify([text], cld2)[0] == ["fr"]


def test_odd_text_is_answered_by_fasttext_too(lid176):
    codes, scores = language.identify(["\x00" * 9 + "ab\n" * 20, "</s> " * 20], lid176)
    assert set(codes) <= lid176.codes
    assert (scores >= 0).all()


def test_what_is_in_no_known_language_is_unknown_and_what_is_too_short_to_tell_undetermined(cld2):
    nonsense = "".join(f"{a}{b}ozx {b}wq{a}g " for a in "bdfgkt" for b in "vrzmnxhpw") * 3
    short = "Старый мост через реку построили люди из трёх деревень."
    assert language.identify([nonsense, short], cld2)[0] == ["mis", "und"]


def test_a_text_of_few_letters_is_asked_of_no_model(cld2):
    letters = "the river and the bridge"
    short, enough = letters.replace(" ", "")[:19], letters.replace(" ", "")[:20]
    assert language.identify(["1 2 3 " * 99, "", short, "9." * 99 + short], cld2)[0] == ["und"] * 4
    assert language.identify([enough], cld2)[0] != ["und"]


def test_the_default_model_is_right_on_300_characters_of_97_in_100_of_its_languages_strings(
    language_strings, cld2
):
    strings = [entry for entry in language_strings(num_chars=300) if entry[0] in cld2.codes]
    codes, _ = language.identify([text for _, text in strings], cld2)
    right = [are_related(true, code) for (true, _), code in zip(strings, codes, strict=True)]
    assert len({true for true, _ in strings}) >= 80
    assert sum(right) / len(right) >= 0.97


codes = st.sampled_from(["en", "de", "hr", "sr", "bs", "ltg", ""])
answers = st.sampled_from(["en", "de", "hr", "sr", "und", "mis"])


@given(
    rows=st.lists(st.tuples(codes, answers, st.integers(0, 10_000)), max_size=20),
    threshold=st.fractions(0, 1, max_denominator=1000),
)
def test_verdicts_compare_each_document_by_itself(rows, threshold):
    found = language.verdicts(
        [row[0] for row in rows],
        pa.chunked_array([[row[1]] for row in rows], pa.string()),
        np.array([row[2] for row in rows], dtype=np.int64),
        threshold,
    )
    expected = []
    for declared, detected, score in rows:
        if declared == "" or detected == "und":
            expected.append(language.PASSES)
        elif detected != "mis" and not are_related(declared, detected):
            expected.append(language.OTHER_LANGUAGE)
        elif Fraction(score, 10_000) < threshold:
            expected.append(language.LOW_SCORE)
        else:
            expected.append(language.PASSES)
    assert found.tolist() == expected


def test_a_score_at_the_threshold_passes_and_the_next_lower_one_does_not():
    scores = np.array([6500, 6499])
    assert language.verdicts(["en"] * 2, ["en"] * 2, scores, Fraction("0.65")).tolist() == [0, 2]


def recipe(*, path: str = "", score: float | None = None, **keys: object) -> Recipe:
    source = Source(name="s", kind="dataset", paths=("x",), **keys)  # type: ignore[arg-type]
    return Recipe(
        name="r",
        source=(source,),
        measures=Measures(language_model=path),
        fates=Fates(min_language_score=score),
    )


def test_a_language_that_the_model_does_not_know_must_be_trusted():
    with pytest.raises(ValueError, match=r"CLD2 does not know.*'ltg'.*language_id = \"trust\""):
        language.check(recipe(language="ltg"))
    with pytest.raises(ValueError, match="'mul'"):
        language.check(recipe(language="mul"))
    language.check(recipe(language="ltg", language_id="trust"))
    language.check(recipe(language="deu"))
    language.check(recipe(language="nb"))


def test_the_least_score_is_the_models_unless_the_recipe_says_otherwise(real_data):
    path = str(real_data / "models" / "lid176" / "lid.176.ftz")
    assert language.min_score(recipe()) == Fraction(51, 100)
    assert language.min_score(recipe(path=path)) == Fraction(65, 100)
    assert language.min_score(recipe(path=path, score=0.7)) == Fraction(7, 10)
    with pytest.raises(ValueError, match="min_language_score must be between 0 and 1, got 65"):
        recipe(score=65)


def test_a_file_that_is_no_language_model_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"no model at all" * 100)
    with pytest.raises(ValueError, match=r"cannot read it.*leave language_model out"):
        language.load(str(tmp_path / "none.bin"))
    with pytest.raises(ValueError, match="no fastText model"):
        language.load(str(tmp_path / "model.bin"))


def test_wikipedias_name_for_alemannic_is_not_taken_for_albanian(lid176):
    assert "gsw" in lid176.codes
    assert {"sq", "bho", "he", "jv"} <= lid176.codes


def test_only_a_named_column_speaks_for_a_row(cld2):
    columns = {"text": "text", "language": "lang"}
    dataset = Source(name="s", kind="dataset", paths=("x",), language="eng", columns=columns)
    assert language.declaration(dataset) == {"language": "en", "per_row": True}
    news = Source(name="s", kind="warc", paths=("x",), language="en")
    assert language.declaration(news) == {"language": "en", "per_row": False}
    hints = ["", "de-AT", "English", "ltg", "zho"]
    assert language.effective(hints, "en", cld2) == ["en", "de", "en", "", "zh"]


def test_the_weights_name_the_measures(real_data):
    path = str(real_data / "models" / "lid176" / "lid.176.ftz")
    assert language.section(path)["digest"].startswith("8f3472cf")
    assert language.section("")["digest"].startswith("CLD2 V2.0")
    assert language.section("")["libraries"].keys() == {"pycld2"}
    assert language_models.load("") is language_models.load("")


def test_measures_say_what_was_declared_and_what_was_found(tmp_path, command):
    rows = [{"text": text + "\n" + text, "lang": code} for code, text in SENTENCES.items()]
    rows += [{"text": SENTENCES["fr"], "lang": "eng_Latn"}, {"text": "1 2 3", "lang": None}]
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "rows.jsonl").write_text(lines, encoding="utf-8")
    recipe_file = tmp_path / "recipe.toml"
    recipe_file.write_text(
        'name = "r"\n[[source]]\nname = "rows"\nkind = "dataset"\nlanguage = "nl"\n'
        f'paths = ["{tmp_path}/rows.jsonl"]\ncolumns = {{ text = "text", language = "lang" }}\n'
    )
    data = tmp_path / "data"
    done = command(
        "pipeline", "measures", "--recipe", recipe_file, "--data", data, "--workers", "1"
    )
    assert done.returncode == 0, done.stderr
    (part,) = (data / "measures").glob("*/rows-*.parquet")
    table = pq.read_table(part)
    assert table.column("language").to_pylist() == [*SENTENCES, "fr", "und"]
    assert table.column("declared").to_pylist() == [*SENTENCES, "en", "nl"]
    assert min(table.column("language_score").to_pylist()[:-1]) >= 5100
    (manifest,) = (data / "measures").glob("*/manifest.json")
    facts = json.loads(manifest.read_text())["facts"]
    assert facts["language"] == language.section("")
    assert "each letter" in facts["words"]["scripts_without_spaces"]

    recipe_file.write_text(recipe_file.read_text().replace('"nl"', '"ltg"'))
    done = command(
        "pipeline", "measures", "--recipe", recipe_file, "--data", data, "--workers", "1"
    )
    assert done.returncode == 2
    assert "does not know its language, 'ltg'" in done.stderr


def test_a_changed_declaration_makes_only_its_own_sources_measures_anew():
    inputs = [
        {"name": name, "url": name, "content": name, "source": name, "num_bytes": 1}
        for name in ("a", "b")
    ]

    def marks(language_of_b: str) -> list[str]:
        declared = {
            "a": {"language": "en", "per_row": False},
            "b": {"language": language_of_b, "per_row": False},
        }
        parts = measures._plan({}, inputs=inputs, content=[], declared=declared)
        return [part.fingerprint for part in parts]

    (a, b), (same, other) = marks("en"), marks("de")
    assert a == same
    assert b != other


def test_a_recipe_names_languages_by_their_codes():
    with pytest.raises(ValueError, match=r"language must be a code of ISO 639.*got 'English'"):
        Source(name="s", kind="text", paths=("x",), language="English")
