"""A table as the pages have it."""


def table(head, rows):
    """Markdown: a line of names, and a line a row."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])
