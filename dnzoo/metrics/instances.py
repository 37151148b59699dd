"""Average precision of instance masks, as COCO counts it (Lin et al. 2014)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

THRESHOLDS: np.ndarray = np.linspace(0.5, 0.95, 10)
RECALLS: np.ndarray = np.linspace(0, 1, 101)
DETECTIONS: int = 100  # an image and class, at most


class MaskAP:
    """Mask AP of COCO: the mean over classes and IoU thresholds; equal to pycocotools' to the digit.

    In numpy: masks of any number and size come one image at a time.

    Args:
        thresholds: of IoU, 0.5 to 0.95 in steps of 0.05.

    `update_state(...)` adds an image, `result()` gives {"ap", "ap50", "ap75"}, NaN without objects.

    Source: arXiv:1405.0312; the algorithm: cocodataset.org/#detection-eval.

    Example:
        >>> metric, mask = MaskAP(), np.eye(4, dtype=bool)[None]
        >>> metric.update_state(mask, [0], mask, [0], [0.9])
        >>> round(metric.result()["ap"], 6)
        1.0
    """

    higher_is_better: bool = True

    def __init__(self, thresholds: Sequence[float] | np.ndarray = THRESHOLDS) -> None:
        self.thresholds: np.ndarray = np.asarray(thresholds, "float64")
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all images."""
        # {class: [(scores, matched, ignored), ...]}
        self.images: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
        self.objects: dict[int, int] = {}  # {class: objects to be found}

    def update_state(
        self,
        true_masks: Any,
        true_classes: Any,
        masks: Any,
        classes: Any,
        scores: Any,
        crowd: Any = None,
    ) -> None:
        """Add an image.

        Args:
            true_masks: (G, H, W), boolean; true_classes: (G,), integers.
            masks: (P, H, W), boolean; classes: (P,), integers; scores: (P,), higher is surer.
            crowd: (G,), boolean: regions of many objects, which are neither found nor missed.

        Raises:
            ValueError: when the numbers do not fit together, or a mask is not 0 or 1.
        """
        true_masks, masks = _boolean(true_masks), _boolean(masks)
        true_classes, classes = np.asarray(true_classes, int), np.asarray(classes, int)
        scores = np.asarray(scores, "float64")
        crowd = np.zeros(len(true_masks), bool) if crowd is None else np.asarray(crowd, bool)
        if not len(true_masks) == len(true_classes) == len(crowd):
            raise ValueError(
                f"MaskAP: {len(true_masks)} true masks, {len(true_classes)} classes, {len(crowd)} "
                "crowd flags: there must be as many."
            )
        if not len(masks) == len(classes) == len(scores):
            raise ValueError(
                f"MaskAP: {len(masks)} masks, {len(classes)} classes, {len(scores)} scores: there "
                "must be as many."
            )
        for name in {*true_classes.tolist(), *classes.tolist()}:
            truth, guess = true_classes == name, classes == name
            order = np.argsort(-scores[guess], kind="stable")[:DETECTIONS]
            last = np.argsort(crowd[truth], kind="stable")  # crowds are matched last
            matched = self._match(masks[guess][order], true_masks[truth][last], crowd[truth][last])
            self.images.setdefault(name, []).append((scores[guess][order], *matched))
            found = self.objects.get(name, 0)
            self.objects[name] = found + int(np.sum(~crowd[truth]))

    def _match(
        self, masks: np.ndarray, truths: np.ndarray, crowd: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(matched, ignored), each (thresholds, P): the surest mask takes the object it fits best."""
        overlaps = _overlaps(masks, truths, crowd)
        matched = np.zeros((len(self.thresholds), len(masks)), bool)
        ignored = np.zeros_like(matched)
        for row, threshold in enumerate(self.thresholds):
            taken = np.zeros(len(truths), bool)
            for i in range(len(masks)):
                best, choice = min(threshold, 1 - 1e-10), None
                for j in range(len(truths)):
                    if taken[j] and not crowd[j]:
                        continue
                    if choice is not None and crowd[j] and not crowd[choice]:
                        break
                    if overlaps[i, j] >= best:
                        best, choice = overlaps[i, j], j
                if choice is not None:
                    taken[choice] = True
                    matched[row, i], ignored[row, i] = True, crowd[choice]
        return matched, ignored

    def _precisions(self, name: int) -> np.ndarray:
        """Of each threshold and recall, (thresholds, 101)."""
        scores, matched, ignored = (np.concatenate(part, -1) for part in zip(*self.images[name]))
        order = np.argsort(-scores, kind="stable")
        counts = ~ignored[:, order]
        right = np.cumsum(matched[:, order] & counts, axis=1, dtype="float64")
        wrong = np.cumsum(~matched[:, order] & counts, axis=1, dtype="float64")
        table = np.zeros((len(self.thresholds), len(RECALLS)))
        for row, (hits, misses) in enumerate(zip(right, wrong)):
            precision = hits / (hits + misses + np.spacing(1))
            precision = np.maximum.accumulate(precision[::-1])[::-1]
            places = np.searchsorted(hits / self.objects[name], RECALLS, side="left")
            reached = places < len(precision)
            table[row, reached] = precision[places[reached]]
        return table

    def result(self) -> dict[str, float]:
        """{"ap", "ap50", "ap75"} of the images so far."""
        tables = [self._precisions(name) for name in self.images if self.objects[name]]
        if not tables:
            return dict.fromkeys(("ap", "ap50", "ap75"), float("nan"))
        table = np.stack(tables)

        def at(threshold: float) -> float:
            rows = np.isclose(self.thresholds, threshold)
            return float(table[:, rows].mean()) if rows.any() else float("nan")

        return {"ap": float(table.mean()), "ap50": at(0.5), "ap75": at(0.75)}

    def class_ap(self) -> dict[int, float]:
        """AP of each class number that occurred: {class: AP}."""
        return {
            name: float(self._precisions(name).mean())
            for name in sorted(self.images)
            if self.objects[name]
        }


def _boolean(masks: Any) -> np.ndarray:
    masks = np.asarray(masks)
    if masks.dtype != bool and not np.isin(masks, (0, 1)).all():
        raise ValueError("MaskAP: masks must be boolean, or 0 and 1: cut probabilities at 0.5.")
    return masks.astype(bool)


def _overlaps(masks: np.ndarray, truths: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU of each mask with each object, (P, G); with a crowd, the share of the mask inside it."""
    masks, truths = (
        array.reshape(len(array), int(np.prod(array.shape[1:]))).astype("float64")
        for array in (masks, truths)
    )
    both = masks @ truths.T
    areas, true_areas = masks.sum(1)[:, None], truths.sum(1)[None, :]
    union = np.where(crowd[None, :], areas, areas + true_areas - both)
    return both / np.maximum(union, np.spacing(1))
