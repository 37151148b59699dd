"""What a person reads in place of an identifier."""

import re
from collections.abc import Mapping

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
