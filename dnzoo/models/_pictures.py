"""What models that learn images by a loss of their own ask of what `fit` gets."""

from typing import Any, ClassVar, Self

import keras
import numpy as np


class OfPictures(keras.Model):
    """Refuses images of another rank, another type or another range than the model's own.

    A subclass has `picture_shape`, (H, W, C), `range`, (lowest, highest) value of a pixel, and says
    whether labels come with the images: `conditional`. Its `nets` are the arguments that are
    models, which its configuration holds.
    """

    nets: ClassVar[tuple[str, ...]]
    picture_shape: tuple[int | None, ...]
    range: tuple[float, float]
    conditional: bool = False

    def fit(
        self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`, of images (N, H, W, C), or of (images, labels).

        Raises:
            ValueError: for images or labels that can't be meant.
        """
        self._check_given(x, y)
        if isinstance(kwargs.get("validation_data"), tuple):
            self._check_given(kwargs["validation_data"], None)
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`, of what `fit` takes."""
        self._check_given(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def _check_given(self, x: Any, y: Any) -> None:
        name = type(self).__name__
        if y is not None:
            raise ValueError(
                f"{name}: labels come with the pictures, fit((images, labels)), and there is no other y."
            )
        pair = isinstance(x, tuple | list) and len(x) == 2 and len(getattr(x[0], "shape", ())) > 1
        if pair and not self.conditional:
            raise ValueError(f"{name} has no classes, and takes no labels: fit(images).")
        pictures = x[0] if pair else x
        if hasattr(pictures, "shape") and hasattr(pictures, "dtype"):
            self._check_pictures(pictures)
            self._check_range(np.asarray(pictures))

    def _check_pictures(self, pictures: Any) -> None:
        """Raise ValueError for an array or a tensor of another shape or type than the model takes."""
        found, wanted = tuple(pictures.shape), ("N", *self.picture_shape)
        fits = len(found) == len(wanted) and all(
            has in (size, None) or size is None for has, size in zip(found[1:], self.picture_shape)
        )
        if not fits:
            words = ", ".join("free" if size is None else str(size) for size in wanted)
            raise ValueError(
                f"{type(self).__name__} takes pictures of shape ({words}); got {found}."
            )
        dtype = keras.backend.standardize_dtype(pictures.dtype)
        if "int" in dtype and self.range[1] < 255:
            raise ValueError(f"{type(self).__name__}: {self._asked()}; got {dtype}.")

    def _check_range(self, pictures: np.ndarray) -> None:
        if not pictures.size:
            return
        low, high = float(pictures.min()), float(pictures.max())
        inside = self.range[0] <= low and high <= self.range[1]
        small = self.range[1] == 255 and pictures.dtype.kind == "f" and 0 < high <= 1
        if not inside or small:
            raise ValueError(f"{type(self).__name__}: {self._asked()}; got {low:g} to {high:g}.")

    def _asked(self) -> str:
        low, high = self.range
        other = "" if high == 255 else ", or build it with include_preprocessing=True for 0 to 255"
        return f"pixels must be from {low:g} to {high:g}{other}"

    def get_config(self) -> dict[str, Any]:
        nets = {n: keras.saving.serialize_keras_object(getattr(self, n)) for n in self.nets}
        return {**nets, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        nets = {n: keras.saving.deserialize_keras_object(config[n]) for n in cls.nets}
        return cls(**{**config, **nets})
