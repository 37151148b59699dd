"""The page that a run writes after each epoch, and leaves: one file that needs no network.

`parts` is what a task can hand out for it, `page` and `page.html` draw it, `curves` draws the history.
"""

from dnzoo.training.report.page import Standing, html, print_metrics
from dnzoo.training.report.parts import (
    Example,
    Examples,
    Matrix,
    Part,
    Picture,
    Table,
    extremes,
    ordered,
    reduced,
)

__all__ = [
    "Example",
    "Examples",
    "Matrix",
    "Part",
    "Picture",
    "Standing",
    "Table",
    "extremes",
    "html",
    "ordered",
    "print_metrics",
    "reduced",
]
