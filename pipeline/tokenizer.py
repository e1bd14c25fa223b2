"""Stage `tokenizers`: a vocabulary trained on a sample of the kept text, or one that is pinned.

The sample is drawn by the hash of the document id, from each source (see tokenizer_sample.py), so
it depends neither on order nor on which worker reads what.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import tokenizers
from tokenizers import Tokenizer

from corpus import identity, row_form, storage, token_ids
from corpus.sets import Manifest, Receipt
from corpus.shards import SPECIAL_TOKENS
from pipeline import measures
from pipeline.encoding import encoders, tokenizer_check, tokenizer_sample, vocabularies
from pipeline.encoding.tokenizer_check import Sample
from pipeline.recipe import Recipe
from pipeline.running.flow import Output, Part, Receipts, Stage, Step, identify, part_fingerprint
from pipeline.text import cuts

VERSION = 4
_MAX_DOCUMENT_CHARS = 100_000
"""Of one document in the sample: a few giant books must not make the vocabulary."""


def stage(recipe: Recipe, decided: Manifest, documents: Manifest, *, data: str) -> Stage:
    """Return the stage: trained on the kept documents, or pinned."""
    config = recipe.tokenizer
    if config.path is not None:
        return pinned(config.path)
    section = {
        "kind": config.kind,
        "vocabulary": config.vocabulary,
        "sample_mb": config.sample_mb,
        **({"lowercase": config.lowercase} if config.kind == "wordpiece" else {}),
    }
    libraries = identity.libraries("tokenizers")
    inputs = joined_inputs(decided, documents, data=data)
    kept = {
        name.split(" ")[1]: number
        for name, number in decided.counts.items()
        if name.startswith("num_bytes ") and name.endswith(" kept train")
    }
    return Stage(
        name="tokenizers",
        identity=identify(
            section=section,
            version=VERSION,
            libraries=libraries,
            parents={"fates": decided.digest(), "documents": documents.digest()},
        ),
        steps=[
            Step(
                name="parts",
                plan=partial(
                    _plan,
                    inputs=inputs,
                    section=section,
                    shares=tokenizer_sample.shares(kept, sample_bytes=config.sample_mb * 1e6),
                    content=[VERSION, section, libraries],
                ),
                work=train,
            )
        ],
        facts=_facts,
    )


def joined_inputs(decided: Manifest, documents: Manifest, *, data: str) -> list[dict[str, Any]]:
    """Return for each part where its documents and its fates lie."""
    fates = {entry["name"]: entry for entry in measures.part_inputs(decided, data=data)}
    return [
        {
            **entry,
            "fates": fates[entry["name"]]["url"],
            "fates_content": fates[entry["name"]]["content"],
        }
        for entry in measures.part_inputs(documents, data=data)
    ]


def _plan(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    section: dict[str, Any],
    shares: dict[str, tuple[float, float]],
    content: list[object],
) -> list[Part]:
    digests = [[entry["content"], entry["fates_content"]] for entry in inputs]
    return [
        Part(
            name="tokenizer",
            fingerprint=part_fingerprint("tokenizers", "parts", content, digests),
            inputs={
                "parts": [[entry["url"], entry["fates"], entry["source"]] for entry in inputs],
                "section": section,
                "shares": shares,
            },
        )
    ]


def kept_texts(
    documents: str, fates: str, *, columns: list[str], num_rows: int = 256
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the kept documents of a part: (subset, row) in the order of the part.

    A row has the language that was identified, too. What fates cuts out of a text is not in it; a
    document of which nothing is left is none.
    """
    decided = measures.open_parquet(fates).read(columns=["id", "subset", "cuts", "language"])
    offset = 0
    for batch in measures.batches(documents, columns, num_rows=num_rows):
        here = decided.slice(offset, batch.num_rows)
        assert here["id"].to_pylist() == batch.column("id").to_pylist(), "fates of other documents"
        offset += batch.num_rows
        names = (here[name].to_pylist() for name in ("subset", "cuts", "language"))
        for subset, spans, language, row in zip(*names, batch.to_pylist(), strict=True):
            if subset is None:
                continue
            row["language"] = language
            if spans:
                row["text"] = cuts.cut(row["text"], spans)
                if not row["text"].strip():
                    continue
            yield subset, row


def train(part: Part, output: Output) -> None:
    """Train a tokenizer on the sample, write its files, and say what it makes of the sample."""
    section = part.inputs["section"]
    num_chars: dict[str, int] = {}
    samples: list[Sample] = []

    def sample() -> Iterator[str]:
        num_chars.clear()
        samples.clear()
        for source, row, is_checked in tokenizer_sample.draw(_rows(part), part.inputs["shares"]):
            text = row["text"][:_MAX_DOCUMENT_CHARS]
            num_chars[source] = num_chars.get(source, 0) + len(text)
            if is_checked:
                samples.append(Sample(source=source, language=row["language"], text=text))
            yield text

    if section["kind"] == "bpe":
        tokenizer = vocabularies.train_bpe(sample, vocabulary=section["vocabulary"])
    else:
        tokenizer = vocabularies.train_wordpiece(
            sample, vocabulary=section["vocabulary"], lowercase=section["lowercase"]
        )
    if tokenizer.get_vocab_size() < section["vocabulary"]:
        raise ValueError(
            f"tokenizer.vocabulary is {section['vocabulary']}, but the text has only "
            f"{tokenizer.get_vocab_size()} different pieces; choose at most "
            f"{tokenizer.get_vocab_size() // 64 * 64}"
        )
    for name, data in files(tokenizer).items():
        with output.create(name) as file:
            file.write(data)
    special = {name: tokenizer.get_vocab()[name] for name in SPECIAL_TOKENS}
    encoder = encoders.make("words", tokenizer, special=special)
    checks = tokenizer_check.check(samples, tokenizer, encoder, unknown=special["[UNK]"])
    assert not any(one["num_changed"] for one in checks), "a text does not come back"
    output.facts.update(
        vocabulary=tokenizer.get_vocab_size(),
        special_tokens=special,
        sample_chars=dict(sorted(num_chars.items())),
        checks=checks,
    )


def _rows(part: Part) -> Iterator[tuple[str, dict[str, Any]]]:
    for documents, fates, source in part.inputs["parts"]:
        for subset, row in kept_texts(documents, fates, columns=["id", "text"]):
            if subset == "train":
                yield source, row


def files(tokenizer: Tokenizer, special: dict[str, str] | None = None) -> dict[str, bytes]:
    """Return the files that `AutoTokenizer` loads a tokenizer from, by name.

    tokenizer.json alone would load without a mask token.
    """
    names = special or {name: name for name in SPECIAL_TOKENS}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": names["[PAD]"],
        "unk_token": names["[UNK]"],
        "cls_token": names["[CLS]"],
        "sep_token": names["[SEP]"],
        "mask_token": names["[MASK]"],
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    return {
        "tokenizer.json": tokenizer.to_str(pretty=True).encode(),
        "tokenizer_config.json": identity.pretty(config),
    }


def pinned(path: str) -> Stage:
    """Return the stage for a tokenizer that exists: it is carried along, byte for byte.

    But where it would not set [CLS] and [SEP] around a text as rows have them, its post-processor
    is another; and names of special tokens are added to its configuration where they are missing.

    Raises:
        ValueError: there is none, or it has not all special tokens.
    """
    found = read_pinned(path)
    section = {name: identity.digest(data) for name, data in found.items()}
    try:
        tokenizer = load(found["tokenizer.json"])
    except ValueError as error:
        raise ValueError(f"tokenizer.path {path}: {error}") from error
    named = special_tokens(tokenizer, found, path=path)
    known = tokenizer.get_vocab(with_added_tokens=True)
    special = {name: known[own] for name, own in named.items()}
    is_framed = row_form.is_framed(found["tokenizer.json"], special=special, pair=False)
    if not is_framed:
        found["tokenizer.json"] = row_form.framed(found["tokenizer.json"], special=special)
    found = _named(found, tokenizer, named, keeps_class=is_framed)
    facts = {
        # Ids may have gaps, and every table is as long as the largest id asks for.
        "vocabulary": max(known.values()) + 1,
        "special_tokens": special,
        "tokenizer_digest": identity.digest(found["tokenizer.json"]),
        "pinned_digest": section["tokenizer.json"],
    }
    return Stage(
        name="tokenizers",
        identity=identify(section={"pinned": section}, version=VERSION, libraries={}, parents={}),
        steps=[Step(name="parts", plan=_no_parts, work=train)],
        facts=partial(_pinned_facts, facts=facts),
        extra_files=found,
    )


def _named(
    found: Mapping[str, bytes], tokenizer: Tokenizer, named: dict[str, str], *, keeps_class: bool
) -> dict[str, bytes]:
    """Return a pinned tokenizer's files with a configuration that names all special tokens."""
    ours = json.loads(files(tokenizer, named)[row_form.CONFIG])
    if row_form.CONFIG not in found:
        return {**found, row_form.CONFIG: identity.pretty(ours)}
    config = json.loads(found[row_form.CONFIG])
    missing = {key: own for key, own in ours.items() if key.endswith("_token")}
    missing = {key: own for key, own in missing.items() if config.get(key) is None}
    if not keeps_class:
        missing["tokenizer_class"] = ours["tokenizer_class"]
    if not missing:
        return dict(found)
    return {**found, row_form.CONFIG: identity.pretty({**config, **missing})}


def _no_parts(receipts: Receipts) -> list[Part]:
    return []


def _pinned_facts(receipts: list[Receipt], url: str, *, facts: dict[str, Any]) -> dict[str, Any]:
    return facts


def _facts(receipts: list[Receipt], url: str) -> dict[str, Any]:
    receipt = receipts[0]
    return {**receipt.facts, "tokenizer_digest": receipt.files["tokenizer.json"].sha256}


def read_pinned(path: str) -> dict[str, bytes]:
    """Read a pinned tokenizer: a folder or URL with tokenizer.json, or that file."""
    folder = path.removesuffix("/tokenizer.json")
    found = {}
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        try:
            found[name] = storage.read_bytes(storage.join(folder, name))
        except (FileNotFoundError, NotADirectoryError) as error:
            if name == "tokenizer.json":
                raise ValueError(
                    f"tokenizer.path: no tokenizer.json in {folder}; name the folder that "
                    "save_pretrained wrote (or that holds one made with `tokenizers`)"
                ) from error
    return found


def special_tokens(
    tokenizer: Tokenizer, found: Mapping[str, bytes], *, path: str
) -> dict[str, str]:
    """Return what a tokenizer calls its special tokens.

    Args:
        tokenizer: of the files.
        found: its files by name, some of which may say it.
        path: where they are, for errors.

    Raises:
        ValueError: one is missing, so that rows could not be built or masked; or is a character of
            the text; or a file is not JSON.
    """
    configs = []
    for file in token_ids.CONFIGS:
        try:
            config = json.loads(found.get(file, b"{}"))
        except ValueError as error:
            raise ValueError(f"{path}: {file} is not JSON: {error}; save it again") from error
        if not isinstance(config, dict):
            raise ValueError(f"{path}: {file} is not a JSON table; save it again")
        configs.append(config)
    named = token_ids.special_names(tokenizer.get_vocab(with_added_tokens=True), configs)
    for name, aliases in token_ids.ALIASES.items():
        key = token_ids.KEYS[name][0]
        if name not in named:
            raise ValueError(
                f"{path}: the tokenizer has no {name} token of its own (looked for what "
                f"{' and '.join(token_ids.CONFIGS)} call {' or '.join(token_ids.KEYS[name])}, then "
                f"for {', '.join(aliases)}); say `{key}` in its tokenizer_config.json if it has "
                "one by another name, else add one with `tokenizer.add_special_tokens` and save "
                "again"
            )
        if len(named[name]) == 1:
            raise ValueError(
                f"{path}: {key} is {named[name]!r}, a character of ordinary text; name another in "
                "its tokenizer_config.json"
            )
    return named


def load(data: bytes) -> Tokenizer:
    """Return the tokenizer in the bytes of a tokenizer.json.

    Raises:
        ValueError: they are not a tokenizer's.
    """
    try:
        tokenizer = Tokenizer.from_str(data.decode())
    except Exception as error:
        raise ValueError(
            f"tokenizer.json is not a tokenizer's: {error}; save it again with tokenizers "
            f"{tokenizers.__version__}"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
