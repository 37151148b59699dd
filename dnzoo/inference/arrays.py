"""`predict`: the one verb for every kind of model, on arrays and whatever else holds an image."""

from typing import Any

import keras
import numpy as np

from dnzoo.inference import kinds


def predict(
    model: keras.Model, x: Any, *args: Any, white: float | None = None, **options: Any
) -> Any:
    """What a model says of an input, a batch, or a list of inputs: `dnzoo.predict`, whose manual this is.

    Args:
        model: a model; `dnzoo.predict` takes names too.
        x, white, options: as `dnzoo.predict` takes them.

    Raises:
        ValueError: for a batch without an image, for `out` with more than one, and as `dnzoo.predict`.
    """
    return _one_or_more(kinds.of(model), x, white, args, options)


def _one_or_more(
    kind: kinds.Kind, x: Any, white: float | None, args: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    several = isinstance(x, list) and not any(isinstance(one, (list, int, float)) for one in x)
    batch = not isinstance(x, (list, tuple)) and kind.reads_images
    batch = batch and len(getattr(x, "shape", ())) == len(kind.model.inputs[0].shape)
    if not several and not batch:
        return kind.predict(kind.read(x, white), *args, **options)
    if "out" in options:
        raise ValueError(f"{kind.model.name}: `out` is for one image; got {len(x)}.")
    results = [_one_or_more(kind, one, white, args, options) for one in x]
    if batch and not results:
        raise ValueError(f"{kind.model.name}: the batch has no image: {tuple(x.shape)}.")
    return np.stack(results) if batch else results
