"""Masks of objects in boxes: scores (N, R, h, w, classes) for an image and R boxes."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from dnzoo.imaging import drawing
from dnzoo.inference.kinds.base import Kind, Target, said
from dnzoo.words import class_name, percent

SAID = 8  # boxes of which something is said


class Masks(Kind):
    """Of Mask R-CNN's branch: [image, boxes] -> a small mask a box and class.

    Facts: `logits`, whether no activation follows the scores.
    """

    name: str = "masks"
    options: tuple[str, ...] = ("palette", "boxes", "class_names")

    def example(self, tensor: keras.KerasTensor, size: int, rng: np.random.Generator) -> np.ndarray:
        """Boxes have their corners in order."""
        if len(tensor.shape) != 3:
            return super().example(tensor, size, rng)
        boxes = np.sort(rng.uniform(0, size, (1, size, 4)), axis=-1)
        return boxes.astype(tensor.dtype)

    def read(self, x: Any, white: float | None = None) -> Any:
        """(image, boxes), the image as of every kind."""
        if not isinstance(x, tuple) or len(x) != 2:
            raise ValueError(
                f"{self.model.name} masks objects in boxes: give (image, boxes), boxes (R, 4)."
            )
        return super().read(x[0], white), x[1]

    def predict(
        self, x: tuple[np.ndarray, np.ndarray], classes: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(masks (R, H, W) boolean, classes (R,)) of (image, boxes)."""
        image, boxes = x
        return _masks(self.model, self.facts.get("logits", True), image, boxes, classes)

    def endings(self) -> Sequence[str]:
        """A number for each box, and the image with the objects tinted."""
        return ["_mask.png", "_overlay.png"]

    def write(
        self,
        image: np.ndarray,
        target: Target,
        palette: Sequence[Sequence[int]] | None = None,
        boxes: Sequence[float] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> list[str]:
        """Each box's object, in the colour of the class whose mask is the fullest.

        A strip below the overlay names the classes that it shows, in their colours.
        """
        height, width = image.shape[:2]
        boxes = np.array((0, 0, width, height) if boxes is None else boxes, "float32")
        if boxes.size % 4 or not boxes.size:
            raise ValueError(
                f"boxes are left top right bottom, four numbers each; got {boxes.size}."
            )
        boxes = boxes.reshape(-1, 4)
        masks, classes = self.predict((image, boxes))
        if len(masks) > 255:
            raise ValueError(
                f"a mask numbers 255 boxes at most; got {len(masks)}: take them in several runs."
            )
        numbered = np.zeros((height, width), "uint8")
        for number, mask in enumerate(masks, start=1):
            numbered[mask] = number
        many = np.array(drawing.palette(len(masks) + 1), "uint8")
        target.say(_seen(masks, classes, boxes, class_names))
        named = [
            (class_name(n, class_names), self._colours(palette)[n]) for n in np.unique(classes)
        ]
        overlay = self.draw((masks, classes), image, palette, boxes)
        pictures = [drawing.paletted(numbered, many), drawing.legend(overlay, named)]
        for ending, picture in zip(self.endings(), pictures):
            with target(ending) as partial:
                picture.save(partial)
        return list(self.endings())

    def draw(
        self,
        prediction: tuple[np.ndarray, np.ndarray],
        image: np.ndarray,
        palette: Sequence[Sequence[int]] | None = None,
        boxes: np.ndarray | Sequence[Sequence[float]] = (),
    ) -> Any:
        """The image with every object tinted in its class's colour, and the boxes."""
        from PIL import Image

        masks, classes = prediction
        colours = self._colours(palette)
        tinted = drawing.tint(image, masks, [colours[number] for number in classes])
        return Image.fromarray(drawing.outline(tinted, boxes))

    def _colours(self, palette: Sequence[Sequence[int]] | None) -> Sequence[Sequence[int]]:
        return palette or drawing.palette(self.model.outputs[0].shape[-1] + 1)[1:]


def _seen(
    masks: np.ndarray, classes: np.ndarray, boxes: np.ndarray, names: Sequence[str] | None
) -> str:
    """What is in each box, and how much of the box it fills; of many boxes the first."""
    said = []
    for mask, number, box in zip(masks[:SAID], classes, boxes):
        area = float((box[2] - box[0]) * (box[3] - box[1]))
        sides = ", ".join(f"{side:.0f}" for side in box)
        filled = percent(min(mask.sum() / area, 1.0))
        said.append(f"{class_name(int(number), names)} fills {filled} of box ({sides})")
    more = [f"and {len(masks) - SAID} boxes more"] if len(masks) > SAID else []
    return "; ".join([*said, *more])


def predict_masks(
    model: keras.Model, image: np.ndarray, boxes: np.ndarray, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The mask of the object in each box, for `dnzoo.mask_branch`.

    Args:
        model: [image, boxes] -> logits (N, R, h, w, classes).
        image: (H, W, 3), 0 to 255.
        boxes: (R, 4), (left, top, right, bottom) in pixels.
        classes: (R,), the objects' classes; None: of each box the one whose mask is the fullest.

    Returns:
        (masks (R, H, W) boolean, classes (R,)).

    Raises:
        ValueError: for boxes of another shape, or without an area.
    """
    _, facts = said(model) or ("masks", {})
    return Masks(model, facts).predict((image, boxes), classes)


def _masks(
    model: keras.Model,
    logits: bool,
    image: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    boxes = np.asarray(boxes, "float32")
    if boxes.ndim != 2 or boxes.shape[1] != 4 or (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError(
            "boxes must be (R, 4), left top right bottom in pixels, each with an area; got "
            f"{boxes.tolist()}."
        )
    scores = model.predict_on_batch([np.asarray(image, "float32")[None], boxes[None]])[0]
    shares = keras.ops.convert_to_numpy(keras.ops.sigmoid(scores) if logits else scores)
    if classes is None:
        classes = shares.mean(axis=(1, 2)).argmax(axis=-1)
    chosen = np.asarray(classes)[:, None, None, None]
    small = np.take_along_axis(shares, chosen, axis=-1)[..., 0]
    return paste_masks(small, boxes, image.shape[:2]), np.asarray(classes)


def paste_masks(
    masks: np.ndarray, boxes: np.ndarray, shape: tuple[int, int], threshold: float = 0.5
) -> np.ndarray:
    """Masks of boxes, brought back into the image: bilinear, nothing outside the box.

    Args:
        masks: (R, h, w) probabilities.
        boxes: (R, 4), (left, top, right, bottom) in pixels of the image.
        shape: (height, width) of the image.
        threshold: above it a pixel is the object's.

    Returns:
        (R, height, width), boolean.

    Raises:
        ValueError: when the shapes do not fit.

    Example:
        >>> paste_masks(np.ones((1, 28, 28)), [[1, 1, 3, 4]], (5, 5)).sum()
        np.int64(6)
    """
    masks, boxes = np.asarray(masks, "float32"), np.asarray(boxes, "float32")
    if masks.ndim != 3 or boxes.shape != (len(masks), 4):
        raise ValueError(
            f"paste_masks takes (R, h, w) masks and (R, 4) boxes; got {masks.shape}, {boxes.shape}."
        )
    rows = _weights(boxes[:, 1], boxes[:, 3], masks.shape[1], shape[0])
    columns = _weights(boxes[:, 0], boxes[:, 2], masks.shape[2], shape[1])
    return rows @ masks @ columns.transpose(0, 2, 1) > threshold


def _weights(start: np.ndarray, end: np.ndarray, taps: int, size: int) -> np.ndarray:
    """Bilinear weights (R, size, taps) of a mask's rows for the image's rows; none outside."""
    scale = taps / np.maximum(end - start, 1e-6)
    where = (np.arange(size) + 0.5 - start[:, None]) * scale[:, None] - 0.5
    return np.maximum(1 - np.abs(where[..., None] - np.arange(taps)), 0)
