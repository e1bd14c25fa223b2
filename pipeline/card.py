"""The dataset card that lies beside shards: what is in them, in words and one table."""

from corpus.sets import Manifest
from pipeline.recipe import Recipe


def dataset_card(recipe: Recipe, decided: Manifest) -> bytes:
    """Return README.md of a shard set, with the front matter that the Hugging Face hub reads.

    It holds no text of the corpus, which may be private.
    """
    lines = [
        "---",
        f"pretty_name: {recipe.name}",
        "task_categories: [fill-mask]",
        f"language: [{', '.join(sorted({source.language for source in recipe.source}))}]",
        "---",
        "",
        f"# {recipe.name}: packed rows for masked-language-model pretraining",
        "",
        "Made by gristmill. Each row is `[CLS] piece [SEP] [CLS] piece [SEP] ... [PAD]*`; `pieces`",
        "says where each piece ends and which document it is from. Documents by source and fate:",
        "",
        "| source | licence | fate | documents | bytes of text |",
        "|---|---|---|---|---|",
    ]
    licences = {source.name: source.licence for source in recipe.source}
    for name, number in sorted(decided.counts.items()):
        unit, source, what = name.split(" ", 2)
        if unit == "num_documents":
            size = decided.counts[f"num_bytes {source} {what}"]
            lines.append(
                f"| {source} | {licences.get(source, '')} | {what} | {number:,} | {size:,} |"
            )
    return ("\n".join(lines) + "\n").encode()
