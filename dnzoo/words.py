"""What a person reads in place of an identifier."""

import re
from collections.abc import Mapping, Sequence

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
