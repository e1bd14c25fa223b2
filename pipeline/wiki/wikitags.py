"""Tags of wikitext: which hide what stands in them, and which only break the line."""

# Tags whose content is no prose. "ref" is by far the most frequent.
HIDDEN_TAGS = frozenset(
    """
    ref references gallery timeline math chem ce score syntaxhighlight source imagemap graph chart
    mapframe maplink templatedata templatestyles hiero inputbox categorytree indicator includeonly
    section style script dynamicpagelist rss videoflash
    """.split()  # noqa: SIM905 - a list literal of these would fill the page
)
REMOVED_AS = {"ref": "reference", "references": "reference", "gallery": "gallery"}
FORMULA_TAGS = frozenset({"math", "chem", "ce"})
LITERAL_TAGS = frozenset({"nowiki", "pre"})
BREAK_TAGS = frozenset({"br", "p", "div", "li", "hr", "blockquote", "poem", "center", "dd", "dt"})
