"""Ask an exported model for the word behind [MASK]."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """One prediction."""

    token: str
    probability: float


def fill(folder: Path, texts: list[str], *, top: int = 5) -> list[list[Guess]]:
    """Return the best guesses for each text, most probable first.

    Args:
        folder: an exported model.
        texts: each with exactly one [MASK].
        top: how many guesses.

    Raises:
        ValueError: no model is there, or a text has no [MASK] or several.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder}: no exported model here; run `python -m train export --run {folder.parent}`"
        )
    from transformers import logging, pipeline

    logging.disable_progress_bar()
    ask: Any = pipeline("fill-mask", model=str(folder), top_k=top)
    for text in texts:
        if text.count(ask.tokenizer.mask_token) != 1:
            raise ValueError(
                f"{text!r}: write {ask.tokenizer.mask_token} exactly once, where the model is asked"
            )
    return [
        [Guess(token=str(g["token_str"]).strip(), probability=float(g["score"])) for g in ask(text)]
        for text in texts
    ]
