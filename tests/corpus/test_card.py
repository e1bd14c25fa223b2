"""The dataset card: what the hub and `datasets` read of it; a function of the manifest."""

import pytest
import yaml

from corpus.card import dataset_card
from corpus.sets import File, Manifest, Receipt

NUMBERS = {"num_rows": 10, "num_tokens": 300, "num_documents": 4}


def part(source: str, subset: str, length: int, *, num_rows: int = 10) -> Receipt:
    key = f"{source} {subset} {length}"
    return Receipt(
        name=f"{source}-{subset}-{length}-00000",
        fingerprint="0",
        files={},
        counts={f"{name} {key}": number for name, number in NUMBERS.items()},
        facts={
            "source": source, "subset": subset, "row_length": length,
            **NUMBERS, "num_rows": num_rows,
        },
    )  # fmt: skip


def manifest(parts: list[Receipt], sources: dict[str, tuple[str, str]]) -> Manifest:
    keys = [f"{one.facts['source']} {one.facts['row_length']}" for one in parts]
    counts: dict[str, int] = {}
    for one in parts:
        counts.update(one.counts)
    return Manifest(
        stage="shards",
        id="0123456789abcdef",
        identity={
            "section": {
                "corpus": "no: # mine",
                "recipe": {"name": "mine", "fates": {"held_out": 0.3}},
                "sources": {
                    name: {"licence": licence, "language": language}
                    for name, (licence, language) in sources.items()
                },
            },
            "version": 2,
            "parents": {"fates": "abc"},
        },
        counts=counts,
        parts=tuple(parts),
        facts={
            "packing": "best_fit",
            "vocabulary": 512,
            "tokenizer_digest": "abc",
            "unigram_entropy_nats": dict.fromkeys(keys, 5.0),
            "bigram_entropy_nats": dict.fromkeys(keys, 3.0),
            "fates": {f"num_documents {name} kept train": 3 for name in sources}
            | {f"num_bytes {name} kept train": 3000 for name in sources},
        },
    )


def front_matter(card: bytes) -> dict:
    _, head, _ = card.decode().split("---\n", 2)
    return yaml.safe_load(head)


def test_the_front_matter_is_what_the_hub_wants():
    both = [part("wiki", "train", 64), part("wiki", "held_out", 64), part("news", "train", 64)]
    sources = {"wiki": ("CC-BY-SA-4.0", "no"), "news": ("apache-2.0", "en")}
    head = front_matter(dataset_card(manifest(both, sources)))
    assert head["pretty_name"] == "no: # mine"
    assert head["license"] == ["apache-2.0", "cc-by-sa-4.0"]
    assert head["language"] == ["en", "no"]  # Norwegian, not false
    assert head["size_categories"] == ["n<1K"]
    assert head["task_categories"] == ["fill-mask"]
    names = [configuration["config_name"] for configuration in head["configs"]]
    assert names == ["news-64", "wiki-64", "wiki-64-held_out"]
    assert [entry.get("default", False) for entry in head["configs"]] == [True, False, False]
    assert head["configs"][2]["data_files"] == [
        {"split": "held_out", "path": "wiki-held_out-64-?????.arrow"}
    ]


def test_a_licence_that_the_hub_does_not_know_is_named_in_words():
    head = front_matter(
        dataset_card(manifest([part("a", "train", 64)], {"a": ("our own terms", "en")}))
    )
    assert (head["license"], head["license_name"]) == ("other", "our-own-terms")


@pytest.mark.parametrize(
    ("named", "licence", "name"),
    [
        (["MIT|x"], "other", "mit-x"),
        (["CC-BY-SA-4.0"], "cc-by-sa-4.0", None),
        (["ODC-By-1.0"], "odc-by", None),
        (["GPL-3.0-or-later"], "gpl-3.0", None),
        (["Öffentlich: ja!", "MIT"], ["mit", "other"], "ffentlich-ja"),
        (["Terms B", "Terms A"], "other", "terms-a-and-terms-b"),
        (["許可"], "other", None),
        (["unknown"], "unknown", None),
    ],
)
def test_licences_are_the_hubs_or_other_with_a_name_that_it_takes(named, licence, name):
    sources = {f"s{number}": (own, "en") for number, own in enumerate(named)}
    card = dataset_card(manifest([part("s0", "train", 64)], sources))
    head = front_matter(card)
    assert (head["license"], head.get("license_name")) == (licence, name)
    assert all(own.replace("|", "\\|") in card.decode() for own in named)


def checks(source: str, **num_bytes: int) -> list[dict]:
    return [
        {"source": source, "language": language, "num_bytes": number}
        for language, number in num_bytes.items()
    ]


@pytest.mark.parametrize(
    ("language", "recipe", "written", "cell"),
    [
        ("en", {}, ["en"], "en"),
        ("zh-Hant-TW", {}, ["zh"], "zh-Hant-TW"),
        ("ltg", {"language_id": "trust"}, ["ltg"], "ltg"),
        ("English", {}, None, "English"),
        # Left out of the recipe, it says nothing.
        ("en", {"language_id": "trust"}, ["de", "fr"], "measured: de, fr"),
        ("nl", {"columns": {"language": "lang"}}, ["de", "fr"], "measured: de, fr"),
    ],
)
def test_languages_are_what_is_known_of_the_text(language, recipe, written, cell):
    made = manifest([part("a", "train", 64)], {"a": ("mit", language)})
    made.identity["section"]["recipe"]["source"] = [{"name": "a", **recipe}]
    made.facts["tokenizer_checks"] = [
        *checks("a", de=900, fr=90, und=500, en=1),
        *checks("b", it=100_000),
    ]
    card = dataset_card(made)
    assert front_matter(card).get("language") == written
    assert f"| a | mit | {cell} |" in card.decode()


def test_nothing_is_said_of_languages_that_were_not_measured():
    made = manifest([part("a", "train", 64)], {"a": ("mit", "en")})
    made.identity["section"]["recipe"]["source"] = [{"name": "a", "language_id": "trust"}]
    card = dataset_card(made)
    assert "language" not in front_matter(card)
    assert "| a | mit | not measured |" in card.decode()


@pytest.mark.parametrize(
    ("num_rows", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**9 - 1, "100M<n<1B"), (10**9, "n>1B")],
)
def test_sizes_are_the_hubs(num_rows, size):
    card = dataset_card(manifest([part("a", "train", 64, num_rows=num_rows)], {"a": ("mit", "en")}))
    assert front_matter(card)["size_categories"] == [size]


def test_the_card_is_a_function_of_the_manifest_without_its_files():
    one = manifest([part("a", "train", 64)], {"a": ("mit", "en")})
    card = dataset_card(one)
    one.files["README.md"] = File(num_bytes=len(card), sha256="0")
    assert dataset_card(one) == card
    assert b"| a | kept train | 3 | 3,000 |" in card
    assert b'```toml\nname = "mine"\n\n[fates]\nheld_out = 0.3\n```' in card
    assert b"| a | train | 64 | 4 | 10 | 300 | 46.88 % | 5.000 / 3.000 |" in card
