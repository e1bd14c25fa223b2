"""The dataset card beside shards: a README.md that the Hugging Face hub and `datasets` read.

It says what the manifest says, and shows no text of the corpus, which may be private.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from corpus import hub_terms
from corpus.recipe import to_toml
from corpus.sets import Manifest, Receipt

# As the hub lists them (Dataset Card specification): rows of the whole set.
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")
_LARGEST = "n>1B"
_LEAST_SHARE = 0.01
"""Of a source's checked text that must be in a language for the card to name it: a detector is
wrong about a text now and then."""
_NO_LANGUAGE = ("und", "mis")


def dataset_card(manifest: Manifest) -> bytes:
    """Return README.md of a shard set: front matter for the hub, then words and tables.

    Args:
        manifest: of the shard set; what it says of extra files is not looked at, since the card
            is one of them.
    """
    section, facts = manifest.identity["section"], manifest.facts
    sources: Mapping[str, Mapping[str, str]] = section["sources"]
    name = section["corpus"]
    lines = [
        "---",
        *_front_matter(manifest),
        "---",
        "",
        f"# {name}: packed rows for masked-language-model pretraining",
        "",
        "Made by gristmill; `corpus/FORMAT.md` there documents the format. Each row is",
        "`[CLS] piece [SEP] [CLS] piece [SEP] ... [PAD]*`; `pieces` says where each piece ends and",
        "which document it is from, a row number of the `.documents.arrow` file beside the shard.",
        "Nothing is masked; held-out rows carry the `targets` on which loss is measured.",
        "",
        *_usage(manifest.parts),
        "## Rows",
        "",
        f"Packing: {facts['packing']}; nothing is truncated. Entropies are those of a train token,",
        "alone and behind the one before it.",
        "",
        *_segmented(manifest.parts),
        *_markdown(_row_table(manifest)),
        "",
        "## Sources",
        "",
        *_markdown(
            [
                ["source", "licence", "language"],
                *(
                    [key, sources[key]["licence"], _language_cell(manifest, key)]
                    for key in sorted(sources)
                ),
            ]
        ),
        "",
        "## What became of the documents",
        "",
        *_markdown(_fate_table(facts["fates"])),
        "",
        *_forgotten(manifest),
        *_recipe(section),
        "## Identity",
        "",
        f"- set: `{manifest.id}`, version {manifest.identity['version']}",
        f"- tokenizer: {facts['vocabulary']:,} entries, sha256 `{facts['tokenizer_digest']}`, in "
        "`tokenizer/`",
        *(
            f"- made from {stage}: manifest sha256 `{digest}`"
            for stage, digest in sorted(manifest.identity["parents"].items())
        ),
        "",
    ]
    return "\n".join(lines).encode()


def _front_matter(manifest: Manifest) -> Iterator[str]:
    section, parts = manifest.identity["section"], manifest.parts
    own = [source["licence"] for source in section["sources"].values()]
    licences = sorted({hub_terms.licence(name) for name in own})
    # JSON strings and lists are YAML; without quotes Norwegian, `no`, would be read as false.
    yield f"pretty_name: {json.dumps(section['corpus'])}"
    yield f"license: {json.dumps(licences[0] if len(licences) == 1 else licences)}"
    others = [name for name in own if hub_terms.licence(name) == hub_terms.OTHER]
    if called := hub_terms.licence_name(others):
        yield f"license_name: {json.dumps(called)}"
    tags = [tag for source in section["sources"] for tag in _languages(manifest, source)]
    if codes := hub_terms.languages(tags):
        yield f"language: {json.dumps(codes)}"
    yield 'task_categories: ["fill-mask"]'
    yield f"size_categories: {json.dumps([_size(sum(part.facts['num_rows'] for part in parts))])}"
    yield 'tags: ["gristmill", "tokenized", "packed"]'
    configurations = _configurations(parts)
    if configurations:
        yield "configs:"
    for number, (configuration, (source, subset, length)) in enumerate(configurations.items()):
        yield f"- config_name: {json.dumps(configuration)}"
        if number == 0:
            yield "  default: true"
        yield "  data_files:"
        yield f"  - split: {json.dumps(subset)}"
        # Five places: not the document tables, which end in `.documents.arrow`.
        yield f"    path: {json.dumps(f'{source}-{subset}-{length}-?????.arrow')}"


def _configurations(parts: Sequence[Receipt]) -> dict[str, tuple[str, str, int]]:
    """Return the source, subset and row length of each configuration, train rows first.

    Held-out rows have a column more, and all splits of a configuration must have the same.
    """
    found = {
        (part.facts["subset"] != "train", part.facts["source"], part.facts["row_length"])
        for part in parts
    }
    return {
        f"{source}-{length}-held_out" if held_out else f"{source}-{length}": (
            source,
            "held_out" if held_out else "train",
            length,
        )
        for held_out, source, length in sorted(found)
    }


def _languages(manifest: Manifest, source: str) -> list[str]:
    """Return the languages of a source's text: as declared, where that is known to be so.

    A recipe that leaves the language out says "en". That is right where documents in others are
    dropped; where they are not, it is what was measured that counts.
    """
    declared = manifest.identity["section"]["sources"][source]["language"]
    if _is_declared(manifest, source):
        return [declared]
    sizes: dict[str, int] = {}
    for check in _checks(manifest):
        if check["source"] == source:
            sizes[check["language"]] = sizes.get(check["language"], 0) + check["num_bytes"]
    least = _LEAST_SHARE * sum(sizes.values())
    return sorted(
        language
        for language, size in sizes.items()
        if size and size >= least and language not in _NO_LANGUAGE
    )


def _is_declared(manifest: Manifest, source: str) -> bool:
    """Tell whether all documents of a source are in the language that it declares."""
    section = manifest.identity["section"]
    said = next(
        (one for one in section.get("recipe", {}).get("source", ()) if one["name"] == source), {}
    )
    if "language" in said.get("columns", {}):
        return False
    # Trust is for languages that no model knows: of those only the declaration tells.
    is_default = section["sources"][source]["language"] == "en"
    return said.get("language_id") != "trust" or not is_default


def _checks(manifest: Manifest) -> Sequence[Mapping[str, Any]]:
    """Return what the tokenizer makes of some text by language; earlier versions say nothing."""
    return manifest.facts.get("tokenizer_checks", ())


def _language_cell(manifest: Manifest, source: str) -> str:
    found = ", ".join(_languages(manifest, source))
    if _is_declared(manifest, source):
        return found
    return f"measured: {found}" if found else "not measured"


def _size(num_rows: int) -> str:
    for size, limit in zip(_SIZES, (10**exponent for exponent in range(3, 10)), strict=True):
        if num_rows < limit:
            return size
    return _LARGEST


def _usage(parts: Sequence[Receipt]) -> Iterator[str]:
    for configuration, (_, subset, _) in list(_configurations(parts).items())[:1]:
        yield "```python"
        yield "from datasets import load_dataset"
        yield f'rows = load_dataset("PATH_OR_NAME", "{configuration}", split="{subset}")'
        yield "```"
        yield ""


def _row_table(manifest: Manifest) -> list[list[str]]:
    counts, facts = manifest.counts, manifest.facts
    rows = [
        ["source", "subset", "row length", "documents", "rows", "tokens", "fill", "entropies, nats"]
    ]
    for name in counts:
        unit, *key = name.split(" ")
        if unit != "num_rows":
            continue
        source, subset, length = key
        num_rows, num_tokens = counts[name], counts[" ".join(["num_tokens", *key])]
        entropies = [
            facts[f"{kind}_entropy_nats"][f"{source} {length}"] for kind in ("unigram", "bigram")
        ]
        rows.append(
            [
                source,
                subset,
                length,
                f"{counts[' '.join(['num_documents', *key])]:,}",
                f"{num_rows:,}",
                f"{num_tokens:,}",
                f"{100 * num_tokens / max(1, num_rows * int(length)):.2f} %",
                " / ".join(f"{one:.3f}" for one in entropies) if subset == "train" else "",
            ]
        )
    return rows


def _fate_table(fates: Mapping[str, int]) -> list[list[str]]:
    rows = [["source", "fate", "documents", "bytes of text"]]
    for name, number in sorted(fates.items()):
        unit, source, what = name.split(" ", 2)
        if unit == "num_documents":
            rows.append([source, what, f"{number:,}", f"{fates[f'num_bytes {source} {what}']:,}"])
    return rows


def _recipe(section: Mapping[str, Any]) -> Iterator[str]:
    """Yield the recipe; a set of an earlier version has none."""
    if "recipe" in section:
        yield "## Recipe"
        yield ""
        yield "Without what it says of places, and without defaults."
        yield ""
        yield "```toml"
        yield to_toml(section["recipe"]).strip()
        yield "```"
        yield ""


def _segmented(parts: Sequence[Receipt]) -> Iterator[str]:
    """Yield which rows say where words begin."""
    found = {str(p.facts["source"]): p.facts["segmenter"] for p in parts if "segmenter" in p.facts}
    if found:
        names = ", ".join(f"{name} ({how})" for name, how in sorted(found.items()))
        yield "Of sources written without spaces `word_starts` says which tokens begin a word, as a"
        yield f"segmenter found them: {names}."
        yield ""


def _forgotten(manifest: Manifest) -> Iterator[str]:
    """Yield what was taken out of the rows after they were packed."""
    if "forgotten" not in manifest.facts:
        return
    record = manifest.facts["forgotten"]
    yield "## Forgotten"
    yield ""
    yield "Some of the documents that were kept are not in these rows any more: they were taken out"
    yield f"of set `{record['set']}` (manifest sha256 `{record['manifest']}`) later."
    yield ""
    reasons = manifest.identity["forgotten"]["reasons"]
    yield from _markdown(
        [
            ["reason", "documents"],
            *([reason or "no reason given", f"{num:,}"] for reason, num in reasons.items()),
        ]
    )
    yield ""
    names = ("num_documents", "num_rows", "num_tokens")
    rows = [["shard", "documents", "rows", "tokens", "sha256 before", "sha256 now"]]
    for name, one in record["shards"].items():
        file = one["files"][f"{name}.arrow"]
        numbers = [f"{one[number]:,}" for number in names]
        rows.append([name, *numbers, f"`{file['old']}`", f"`{file['new']}`"])
    yield from _markdown(rows)
    yield ""


def _markdown(rows: Sequence[Sequence[Any]]) -> list[str]:
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]
