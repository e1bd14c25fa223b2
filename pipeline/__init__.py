"""How raw text becomes shards: pure text and array functions, and thin Beam flows around them.

Here are the stages, each named by what it makes, and what they all speak of: recipe, plan, split,
record, part. A folder holds what one of them is made of.

    raw, tables, wiki, book, web    documents: reading raw files, damaged ones too
    text, measure                   measures: words, languages, metrics, signatures
    match                           matches: duplicates, earlier corpora, evaluation examples, lines
    fate                            fates: rules, thresholds, the order of decisions
    encoding, packing               tokenizer and shards
    forgetting                      documents that leave the shards
    asking                          why, what-if, diff, canaries, reports
    running                         parts through Beam, worker processes
"""
