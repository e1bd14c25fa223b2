"""What a run came to, as lines for people; needs no torch."""

from typing import Any


def figures(result: dict[str, Any]) -> str:
    """Return the figures as lines for people."""
    lines = [
        f"held-out loss on {result['num_targets']:,} fixed targets in "
        f"{result['num_documents']} documents, rows of {result['row_length']} tokens "
        f"(step {result['step']})",
        f"{'':10}{'nats':>8}{'bits/byte':>11}",
    ]
    for name in ("model", "unigram", "bigram"):
        found = result[name]
        lines.append(f"{name:10}{found['loss']:8.3f}{found['bits_per_byte']:11.3f}")
    for name in ("unigram", "bigram"):
        found = result[f"versus_{name}"]
        lines.append(
            f"model - {name}: {found['difference']:+.3f} nats, standard error "
            f"{found['standard_error']:.3f} over documents"
        )
    if "pair" in result:
        lines.append(_pair(result["pair"]))
    others = {k: v for k, v in result["by_row_length"].items() if int(k) != result["row_length"]}
    for length, found in others.items():
        lines.append(
            f"in rows of {length} tokens: model {found['model']['loss']:.3f}, unigram "
            f"{found['unigram']['loss']:.3f}, bigram {found['bigram']['loss']:.3f} nats"
        )
        if "pair" in found:
            lines.append(_pair(found["pair"]))
    return "\n".join(lines)


def _pair(found: dict[str, Any]) -> str:
    if not found["num_rows"]:
        return "no held-out row has two segments"
    question = {"order": "were they swapped?", "next": "does the second follow?"}
    return (
        f"two segments, {question[found['task']]} {100 * found['accuracy']:.1f} % right "
        f"(standard error {100 * found['standard_error']:.1f} over documents) in "
        f"{found['num_rows']:,} rows, of which {100 * found['share_changed']:.1f} % were changed"
    )
