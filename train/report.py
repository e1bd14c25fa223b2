"""What a run came to, as lines for people; needs no torch."""

from typing import Any


def figures(result: dict[str, Any]) -> str:
    """Return the figures as lines for people."""
    lines = [
        f"held-out loss on {result['num_targets']:,} fixed targets in "
        f"{result['num_documents']} documents (step {result['step']})",
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
    return "\n".join(lines)
