"""Masks of objects in boxes: scores (N, R, h, w, classes) for an image and R boxes."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from dnzoo.imaging import drawing
from dnzoo.inference.kinds.base import Kind, Target, said


class Masks(Kind):
    """Of Mask R-CNN's branch: [image, boxes] -> a small mask a box and class.

    Facts: `logits`, whether no activation follows the scores.
    """

    name: str = "masks"
    options: tuple[str, ...] = ("palette", "boxes")

    def example(self, tensor: keras.KerasTensor, size: int, rng: np.random.Generator) -> np.ndarray:
        """Boxes have their corners in order."""
        if len(tensor.shape) != 3:
            return super().example(tensor, size, rng)
        boxes = np.sort(rng.uniform(0, size, (1, size, 4)), axis=-1)
        return boxes.astype(tensor.dtype)

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
    ) -> list[str]:
        """Each box's object, in the colour of the class whose mask is the fullest."""
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
        pictures = [
            drawing.paletted(numbered, many),
            self.draw((masks, classes), image, palette, boxes),
        ]
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
        colours = palette or drawing.palette(self.model.outputs[0].shape[-1] + 1)[1:]
        tinted = drawing.tint(image, masks, [colours[number] for number in classes])
        return Image.fromarray(drawing.outline(tinted, boxes))


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
