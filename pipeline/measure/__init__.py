"""Numbers beside a text: quality metrics and signatures."""
