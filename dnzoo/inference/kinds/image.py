"""An image for an image: as large, or larger by a whole number."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dnzoo import layers
from dnzoo.imaging import drawing, reading
from dnzoo.inference import tiling
from dnzoo.inference.kinds.base import Kind, Target
from dnzoo.inference.tiled import apart
from dnzoo.metrics import similarity

PROBE = 64  # rows at which a model's scale is looked at where they are free


class Image(Kind):
    """Of super-resolution, restoration, colourisation: (N, H, W, C) -> (N, S H, S W, channels).

    Facts: `scale`, S; `range`, (low, high) of pixels, None: that of the input; `luma`, whether the one
    channel is Y of ITU-R BT.601 (16 to 235), as in super-resolution unless it says otherwise.
    """

    name: str = "image"
    options: tuple[str, ...] = ("alpha",)

    @property
    def scale(self) -> int:
        """S."""
        return self.facts.get("scale") or scale(self.model)

    @property
    def luma(self) -> bool:
        """Whether the model reads and puts out Y alone."""
        one = self.model.inputs[0].shape[-1] == 1 == self.model.outputs[0].shape[-1]
        return one and self.facts.get("luma", self.scale > 1)

    @property
    def channels(self) -> int:
        """3 where the model reads Y alone: colour comes from the image then."""
        return 3 if self.luma else self.model.inputs[0].shape[-1]

    def predict(
        self,
        x: Any,
        tile: int | str | None = "auto",
        out: np.ndarray | None = None,
        finish: Callable[[np.ndarray], np.ndarray] | None = None,
        mirror: bool = True,
    ) -> np.ndarray:
        """The image, float32; RGB for a model of Y alone where it is given RGB."""
        x = x if hasattr(x, "shape") else np.asarray(x)
        coloured = self.luma and len(x.shape) == 3 == x.shape[-1]

        def made(y: np.ndarray, given: np.ndarray) -> np.ndarray:
            y = self._coloured(y, given) if coloured else y
            return finish(y) if finish else y

        prepare = similarity.luma if coloured else None
        return apart(self.model, x, tile, out, prepare, made, self._margin(mirror))

    def of_files(self, image: Any, *others: Any) -> dict[str, Any]:
        """RGB where the model reads Y alone, as `picture` makes it, but not rounded to whole numbers."""
        if not self.luma:
            return super().of_files(image, *others)
        y, large = self.model(similarity.luma(image), training=False), image
        for scales in ((1, self.scale), (self.scale, 1)):  # as Pillow does, rounded in between
            large = layers.Resize2D(scales, interpolation="bicubic")(large)
            large = ops.clip(ops.floor(large + 0.5), 0, 255)
        gain = y - similarity.luma(large)
        return {self.name: large + gain * 255 / 219}

    def picture(
        self,
        image: np.ndarray,
        tile: int | str | None = "auto",
        out: np.ndarray | None = None,
        mirror: bool = True,
    ) -> np.ndarray:
        """The result for (H, W, channels) uint8 as uint8; a model of Y alone leaves colour as it is."""
        return self.predict(image, tile, out, _whole_numbers, mirror)

    def _margin(self, mirror: bool) -> Sequence[int]:
        """How far an image is mirrored at its edges where it is enlarged: as far as the model sees."""
        return tiling.margin(self.model) if mirror and self.scale > 1 else ()

    def _coloured(self, y: np.ndarray, given: np.ndarray) -> np.ndarray:
        from PIL import Image as Pillow

        given = _whole_numbers(given)
        large = np.array(Pillow.fromarray(given).resize(y.shape[1::-1], Pillow.BICUBIC))
        # what Y gains over the bicubic one's, all three colours gain: Cb and Cr stay
        gain = y - similarity.luma(large)
        return large + gain * 255 / 219

    def endings(self) -> Sequence[str]:
        """_x2.png, or _image.png where the size stays."""
        return [f"_x{self.scale}.png" if self.scale > 1 else "_image.png"]

    def write(
        self, image: np.ndarray, target: Target, alpha: np.ndarray | None = None
    ) -> list[str]:
        """The picture as PNG, or tile by tile as TIFF for an image that lies on disk."""
        from PIL import Image as Pillow

        (ending,) = self.endings()
        if isinstance(image, np.memmap):
            ending = ending.replace(".png", ".tif")
            with target(ending) as partial:
                sizes = (self.scale * n for n in image.shape[:2])
                channels = 3 if self.luma else self.model.outputs[0].shape[-1]
                out = reading.create(partial, (*sizes, channels))
                self.picture(image, out=out).flush()
        else:
            out = self.picture(image)
            with target(ending) as partial:
                (Pillow.fromarray(out.squeeze()) if alpha is None else _on(out, alpha)).save(
                    partial
                )
        (height, width), (rows, columns) = image.shape[:2], out.shape[:2]
        target.say(f"{width} x {height} -> {columns} x {rows} pixels")
        return [ending]

    def draw(self, prediction: np.ndarray, image: np.ndarray | None) -> Any:
        """The prediction itself, 0 to 255."""
        from PIL import Image as Pillow

        return Pillow.fromarray(prediction.round().clip(0, 255).astype("uint8").squeeze())


def upscale(
    model: keras.Model,
    image: np.ndarray,
    tile: int | str | None = "auto",
    out: np.ndarray | None = None,
    mirror: bool = True,
) -> np.ndarray:
    """A picture enlarged by a model for super-resolution, in tiles as `predict`.

    Args:
        model: reads and writes RGB, or Y alone: colour is enlarged bicubically then.
        image: (H, W, 3) uint8.
        tile, out: as for `predict`.
        mirror: whether the image goes on beyond its edges, mirrored as far as the model sees. False: the
            model pads with zeros, as when it was trained, which darkens or brightens the rim;
            papers, and dnzoo's published numbers, measure that.

    Returns:
        (scale H, scale W, 3) uint8.

    Raises:
        ValueError: for a model or an image of another kind.
    """
    factor, image = scale(model), image if hasattr(image, "shape") else np.asarray(image)
    if image.dtype != "uint8" or image.ndim != 3 or image.shape[-1] != 3 or factor == 1:
        raise ValueError(
            f"upscale takes a model that enlarges and an (H, W, 3) uint8 image; got {model.name}, "
            f"which enlarges by {factor}, and {image.shape} {image.dtype}."
        )
    return Image(model, {"scale": factor}).picture(image, tile, out, mirror)


def _on(picture: np.ndarray, alpha: np.ndarray) -> Any:
    """A Pillow image that is `picture` when it is laid on white; `alpha` is resized bicubically."""
    from PIL import Image as Pillow

    size = picture.shape[1::-1]
    opaque = np.array(Pillow.fromarray(alpha).resize(size, Pillow.BICUBIC))[..., None]
    # without the white that shines through
    colour = 255 - (255.0 - drawing.visible(picture)) * 255 / np.maximum(opaque, 1)
    return Pillow.fromarray(np.dstack([_whole_numbers(colour), opaque]))


def _whole_numbers(pixels: np.ndarray) -> np.ndarray:
    """Pixels as uint8."""
    if pixels.dtype == "uint8":
        return pixels
    return pixels.round().clip(0, 255).astype("uint8")


def scale(model: keras.Model) -> int:
    """How much larger than its image a model's output is: 1 for segmentation.

    Raises:
        ValueError: for a model that does not put out an image.
    """
    one = len(getattr(model, "inputs", None) or ()) == 1 == len(model.outputs)
    if one and 2 < len(model.inputs[0].shape) == len(model.outputs[0].shape):
        sizes = [size or PROBE for size in model.inputs[0].shape[1:-1]]
        out = model.compute_output_shape((1, *sizes, model.inputs[0].shape[-1]))[1:-1]
        factor = max(out[0] // sizes[0], 1)
        if factor == 1 or out == tuple(factor * size for size in sizes):
            return factor
    raise ValueError(f"{model.name} does not put out an image for an image.")
