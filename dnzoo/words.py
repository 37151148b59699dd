"""What a person reads in place of an identifier, and of a number."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

ABBREVIATIONS: tuple[str, ...] = ("AP", "AP50", "AP75", "ELBO", "IoU", "KL", "PSNR", "SSIM")


def label(identifier: str, labels: Mapping[str, str] | None = None) -> str:
    """The words for a metric's identifier.

    Args:
        identifier: a key of what a task's `evaluate` gives; any other name too.
        labels: of identifiers whose words say more than they do themselves, such as a unit.

    Example:
        >>> label("mean_iou"), label("kl", {"kl": "KL, nats per image"})
        ('mean IoU', 'KL, nats per image')
    """
    if labels and identifier in labels:
        return labels[identifier]
    words = identifier.replace("_", " ")
    for word in ABBREVIATIONS:
        words = re.sub(rf"\b{word.lower()}\b", word, words)
    return words


def number(value: Any) -> str:
    """A value for a person: four decimals, or three digits of a small number; None is "absent".

    Example:
        >>> [number(value) for value in (0.25068, 0.00003, 1234567, 1234567.8, None)]
        ['0.2507', '0.00003', '1,234,567', '1,234,567.8', 'absent']
    """
    if value is None:
        return "absent"
    if type(value) is int:
        return f"{value:,}"
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-6:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.1f}"
    if size >= 0.01 or size == 0:
        return f"{value:.4f}"
    return f"{value:.{2 - math.floor(math.log10(size))}f}".rstrip("0")


def percent(share: float) -> str:
    """A share, 0 to 1, in whole percent: none is rounded to nothing, nor to all.

    Example:
        >>> percent(0.214), percent(0.001), percent(0.999), percent(1.0)
        ('21 %', '<1 %', '>99 %', '100 %')
    """
    whole = round(100 * share)
    if whole == 0 < share:
        return "<1 %"
    return ">99 %" if whole == 100 and share < 1 else f"{whole} %"


def class_name(number: int, names: Sequence[str] | None = None) -> str:
    """The name of a class, or its number where nobody named it.

    Example:
        >>> class_name(1, ["background", "bird"]), class_name(1)
        ('bird', 'class 1')
    """
    return names[number] if names and number < len(names) else f"class {number}"
