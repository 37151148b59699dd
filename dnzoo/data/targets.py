"""What the arrays of an example are, and what becomes of each when its image is seen differently.

One class per kind. An example's array is (H, W), (H, W, C), (D, H, W) or (D, H, W, C), or, where nothing
lies on the pixels, what its class says. `seen` applies a `dnzoo.data.views.View`, `fitted` brings it into
a square. Images are interpolated; everything else is taken from the nearest pixel, so that no value
between two objects is made up.
"""

import numpy as np

from dnzoo.data.views import View
from dnzoo.metrics.labels import IGNORE


class Target:
    """Numbers on pixels that a view moves and does not change.

    Attributes:
        dtype: of the array in a data set.
        fill: what stands where the image has been padded.
        lit: whether changes of brightness and tint are for it too.
    """

    dtype: str = "float32"
    fill: int = 0
    lit: bool = False

    def seen(self, array: np.ndarray, view: View) -> np.ndarray:
        """The array of what the view shows."""
        found = self.values(self.sampled(array, view), view)
        return np.ascontiguousarray(np.rot90(found, view.turns)) if view.turns else found

    def sampled(self, array: np.ndarray, view: View) -> np.ndarray:
        """The values at the view's rows and columns."""
        return array[np.ix_(*(axis.nearest(n) for axis, n in zip(view.axes, array.shape)))]

    def values(self, array: np.ndarray, view: View) -> np.ndarray:
        """What the view makes of the numbers themselves."""
        return array

    def resized(self, array: np.ndarray, height: int, width: int) -> np.ndarray:
        """The whole array with so many rows and columns."""
        return self.seen(array, View.resize(array.shape[:2], (height, width)))

    def fitted(self, array: np.ndarray, size: int) -> np.ndarray:
        """(size, size): resized to fit, with its aspect kept; `fill` below or to the right of it."""
        height, width = array.shape[:2]
        if (height, width) == (size, size):
            return array
        scale = size / max(height, width)
        new = max(round(height * scale), 1), max(round(width * scale), 1)
        square = np.full((size, size, *array.shape[2:]), self.fill, array.dtype)
        square[: new[0], : new[1]] = self.resized(array, *new)
        return square


class Image(Target):
    """Pixels from 0 to 255, (H, W, C): a view interpolates bilinearly, resizing bicubically."""

    dtype: str = "uint8"
    lit: bool = True

    def sampled(self, array: np.ndarray, view: View) -> np.ndarray:
        """Bilinear, one axis after the other; float32."""
        found = array
        for axis, seen in enumerate(view.axes):
            where = seen.positions(array.shape[axis])
            low = np.floor(where).astype(int)
            high = np.minimum(low + 1, array.shape[axis] - 1)
            weight = (where - low).astype("float32")
            weight = weight.reshape([-1, *[1] * (array.ndim - 1 - axis)])
            a, b = np.take(found, low, axis).astype("float32"), np.take(found, high, axis)
            found = a + (b - a) * weight
        return found

    def resized(self, array: np.ndarray, height: int, width: int) -> np.ndarray:
        """Pillow's bicubic, which averages where it reduces; uint8."""
        from PIL import Image as Pillow

        # Pillow would take a fourth band for transparency, and has no fifth
        images = [array] if array.shape[-1] == 3 else np.moveaxis(array, -1, 0)
        made = [Pillow.fromarray(i).resize((width, height), Pillow.BICUBIC) for i in images]
        return np.asarray(made[0]) if array.shape[-1] == 3 else np.stack(made, axis=-1)


class ClassMask(Target):
    """A class number per pixel, (H, W); 255 where none counts, as beside a padded image."""

    dtype: str = "uint8"
    fill: int = IGNORE


class InstanceMask(Target):
    """An object's number per pixel, (H, W): 0 where there is none."""

    dtype: str = "uint8"


class Depth(Target):
    """Distance along the camera's axis, (H, W) or (H, W, 1), in any unit; 0 where it is not known.

    From nearer by, all of it divides by the zoom (Eigen et al. 2014, arXiv:1406.2283).
    """

    def values(self, array: np.ndarray, view: View) -> np.ndarray:
        """Distances from where the view is seen."""
        return (array / view.zoom).astype(array.dtype) if view.nearer else array


class Flow(Target):
    """Where each pixel goes, (H, W, 2): (x, y) in pixels, x to the right, y down."""

    def values(self, array: np.ndarray, view: View) -> np.ndarray:
        """Arrows as they lie in the view."""
        return (array @ view.matrix().T).astype(array.dtype)


class Normals(Target):
    """The surface's unit normal, (H, W, 3): x to the right, y down, z along the camera's axis.

    From nearer by, depth shrinks and height and width do not, which steepens what the camera sees:
    z is multiplied by the zoom (Eigen and Fergus 2015, arXiv:1411.4734). 0 0 0 where it is not known.
    """

    def values(self, array: np.ndarray, view: View) -> np.ndarray:
        """Unit normals as they lie in the view."""
        flat = array[..., :2] @ view.matrix(scaled=False).T
        deep = array[..., 2:] * (view.zoom if view.nearer else 1)
        found = np.concatenate([flat, deep], axis=-1)
        length = np.linalg.norm(found, axis=-1, keepdims=True)
        return (found / np.maximum(length, 1e-12)).astype(array.dtype)


class Boxes(Target):
    """Boxes (k, 4): left, top, right, bottom, edges in pixels; cut off where the view ends."""

    def seen(self, array: np.ndarray, view: View) -> np.ndarray:
        """The boxes in the view, cut off at its edges."""
        x, y = view.columns.edges(array[:, 0::2]), view.rows.edges(array[:, 1::2])
        width, height = view.columns.count, view.rows.count
        for _ in range(view.turns):
            x, y, width, height = y, width - x, height, width
        x, y = np.sort(x, axis=1), np.sort(y, axis=1)
        return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).astype(array.dtype)


class Labels(Target):
    """Class numbers of the whole image, or of its objects, (k,): no view changes them."""

    dtype: str = "uint8"

    def seen(self, array: np.ndarray, view: View) -> np.ndarray:
        """The class numbers as they are."""
        return array
