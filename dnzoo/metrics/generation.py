"""How far generated images are from real ones: the Frechet distance between their features.

Sums are float64, in numpy: a difference of large, nearly equal numbers is taken at the end.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from dnzoo.layers import Preprocessing, Resize2D

INCEPTION_SIZE: int = 299


def frechet_distance(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """`|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))` of two Gaussians (Dowson and Landau 1982).

    Args:
        mean_a, mean_b: (d,); covariance_a, covariance_b: (d, d).

    Raises:
        ValueError: when the shapes do not fit.

    Example:
        >>> float(frechet_distance(np.zeros(2), np.eye(2), np.ones(2), np.eye(2)))
        2.0...
    """
    arrays = [np.asarray(a, "float64") for a in (mean_a, covariance_a, mean_b, covariance_b)]
    size = arrays[0].size
    if [a.shape for a in arrays] != [(size,), (size, size)] * 2:
        raise ValueError(
            "frechet_distance takes two means (d,) and covariances (d, d); got "
            f"{', '.join(str(a.shape) for a in arrays)}."
        )
    mean_a, covariance_a, mean_b, covariance_b = arrays
    # the trace of (A B)^(1/2) is that of (A^(1/2) B A^(1/2))^(1/2), which is symmetric
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariance_b @ root)
    trace = np.trace(covariance_a) + np.trace(covariance_b) - 2 * np.sqrt(product.clip(0)).sum()
    return np.sum((mean_a - mean_b) ** 2) + trace


class FrechetDistance:
    """Frechet distance between the features of real and of generated images, 0 at best.

    It is FID only with the features of the authors' Inception: say whose features a number is of,
    and of how many images, because few make it larger.

    Args:
        features: `keras.Model`, images -> (N, d), or a function that gives an array.

    `update_state(pictures, real)` may be called any number of times; `result()` needs at least two
    images of each kind.

    Raises:
        ValueError: from `result`, with fewer than two images of a kind.

    Source: Heusel et al. 2017, arXiv:1706.08500.

    Example:
        >>> distance = FrechetDistance(lambda pictures: pictures.mean(axis=(1, 2)))
        >>> pictures = np.random.default_rng(0).uniform(0, 1, (10, 4, 4, 3))
        >>> distance.update_state(pictures, real=True)
        >>> distance.update_state(pictures + 1, real=False)
        >>> round(float(distance.result()), 6)
        3.0
    """

    higher_is_better: bool = False

    def __init__(self, features: keras.Model | Callable[[Any], Any]) -> None:
        self.features: keras.Model | Callable[[Any], Any] = features
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all pictures."""
        self.counts: dict[bool, int] = {True: 0, False: 0}
        self.sums: dict[bool, Any] = {True: 0.0, False: 0.0}
        self.products: dict[bool, Any] = {True: 0.0, False: 0.0}

    def update_state(self, pictures: Any, real: bool) -> None:
        """Add images, (N, H, W, C) in the range the features read; `real`: or generated."""
        features = self.features
        if isinstance(features, keras.Model):
            found = features.predict_on_batch(np.asarray(pictures, "float32"))
        else:
            found = features(pictures)
        found = np.asarray(keras.ops.convert_to_numpy(found), "float64")
        if found.ndim != 2:
            raise ValueError(f"features must be (N, d), one row a picture; got {found.shape}.")
        self.counts[real] += len(found)
        self.sums[real] = self.sums[real] + found.sum(axis=0)
        self.products[real] = self.products[real] + found.T @ found

    def _moments(self, real: bool) -> tuple[np.ndarray, np.ndarray]:
        count = self.counts[real]
        if count < 2:
            kind = "real" if real else "generated"
            raise ValueError(f"FrechetDistance: {count} {kind} pictures; at least 2 are needed.")
        mean = self.sums[real] / count
        return mean, (self.products[real] - count * np.outer(mean, mean)) / (count - 1)

    def result(self) -> float:
        """The distance so far."""
        return float(frechet_distance(*self._moments(True), *self._moments(False)))


class FID(FrechetDistance):
    """Frechet Inception distance, with Keras's InceptionV3 (Heusel et al. 2017, arXiv:1706.08500).

    2048 features after the last pooling, of RGB images from 0 to 255, resized bilinearly to
    299 x 299. The published numbers use the TensorFlow network of 2015, with other weights: compare
    with numbers of this class only.

    Args:
        weights: "imagenet", which Keras fetches, a weights file of InceptionV3 without its top, or
            None: random ones, for tests.

    Raises:
        OSError: when the weights can't be fetched; the message says where to get them.
    """

    def __init__(self, weights: str | None = "imagenet") -> None:
        size = INCEPTION_SIZE
        try:
            net = keras.applications.InceptionV3(
                include_top=False, weights=weights, pooling="avg", input_shape=(size, size, 3)
            )
        except Exception as error:
            if weights != "imagenet":
                raise
            raise OSError(
                f"InceptionV3's weights could not be fetched ({error}). With a network, try again; "
                "without, pass weights=<file> from another machine's ~/.keras/models, or use "
                "FrechetDistance with a network that you have."
            ) from error
        pictures = x = keras.Input((None, None, 3))
        # Keras's own layers for this need TensorFlow, on every backend
        x = Resize2D(size=size, interpolation="bilinear")(x)
        x = Preprocessing()(x)
        super().__init__(keras.Model(pictures, net(x)))

    def update_state(self, pictures: Any, real: bool) -> None:
        """Add images, (N, H, W, 1 or 3) from 0 to 255."""
        pictures = np.asarray(pictures)
        if pictures.ndim != 4 or pictures.shape[-1] not in (1, 3):
            raise ValueError(f"FID: pictures must be (N, H, W, 1 or 3); got {pictures.shape}.")
        super().update_state(np.broadcast_to(pictures, (*pictures.shape[:-1], 3)), real)
