"""What a model puts out that does not say it: SavedModels written before 2026-12, and users' own."""

from typing import Any

import keras

from dnzoo.inference.kinds.image import scale
from dnzoo.models import _heads


def guess(model: keras.Model) -> tuple[str, dict[str, Any]]:
    """(kind, facts) by the shapes and the last layers, the likeliest.

    Raises:
        ValueError: where nothing is likely.
    """
    if not getattr(model, "inputs", None):
        raise ValueError(
            f"{type(model).__name__} does not say what it puts out: give the class an attribute "
            'output_kind, as "samples".'
        )
    shapes = [len(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    if shapes == [4, 3, 5]:
        return "masks", {"logits": _heads.has_logits(model)}
    if shapes == [4, 2]:
        return "labels", {"logits": _heads.has_logits(model)}
    if shapes == [4, 4]:
        factor = scale(model)
        if factor > 1 or type(model.layers[-1]).__name__ == "Preprocessing":  # it puts out pixels
            return "image", {"scale": factor}
        return "classes", {"logits": _heads.has_logits(model)}
    raise ValueError(
        f"{model.name} puts out {[tuple(x.shape) for x in model.outputs]} for "
        f"{[tuple(x.shape) for x in model.inputs]}, and does not say what that is: end it with a "
        'dnzoo.layers.Output, or name the kind, dnzoo.save(model, path, output="...").'
    )
