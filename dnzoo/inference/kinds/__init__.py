"""What a model puts out: the one place that is asked, by saving, exporting, prediction and fine-tuning."""

import difflib
import warnings

import keras

from dnzoo.inference.kinds.base import Kind, Target, said, say
from dnzoo.inference.kinds.classes import Classes
from dnzoo.inference.kinds.guess import guess
from dnzoo.inference.kinds.image import Image
from dnzoo.inference.kinds.labels import Labels
from dnzoo.inference.kinds.masks import Masks
from dnzoo.inference.kinds.samples import Samples

__all__ = [
    "Classes",
    "Image",
    "Kind",
    "Labels",
    "Masks",
    "Samples",
    "Target",
    "of",
    "register",
    "said",
    "say",
]

_KINDS: dict[str, type[Kind]] = {
    kind.name: kind for kind in (Classes, Image, Labels, Masks, Samples)
}


def register(kind: type[Kind]) -> type[Kind]:
    """Make a kind of one's own known, as a decorator of the class.

    Raises:
        ValueError: when another class has the name.

    Example:
        >>> @register
        ... class Height(Kind):
        ...     name = "height"
    """
    if _KINDS.get(kind.name, kind).__qualname__ != kind.__qualname__:
        raise ValueError(f"{_KINDS[kind.name].__qualname__} is the kind {kind.name!r} already.")
    _KINDS[kind.name] = kind
    return kind


def of(model: keras.Model) -> Kind:
    """The kind of a model's output, which knows all that depends on it.

    A model that says nothing of it is looked at, and a warning says what it was taken for. A kind that
    nobody registered is a `Kind`: served by its name, predicted in tiles, drawn from dark to bright.

    Args:
        model: any Keras model.

    Raises:
        ValueError: for a name that is nearly one of those known, or a model of which nothing is likely.

    Example:
        >>> from dnzoo import unet
        >>> of(unet((None, None, 3), filters=(4, 8))).name
        'classes'
    """
    name, facts = said(model) or (None, {})
    if name is None:
        name, facts = guess(model)
        warnings.warn(
            f"{model.name} does not say what it puts out; it is taken for {name!r} {facts}. If that is "
            'wrong, dnzoo.save(model, path, output="...") or a last layer dnzoo.layers.Output says it.',
            stacklevel=2,
        )
    near = difflib.get_close_matches(name, _KINDS, 1, cutoff=0.75)
    if name not in _KINDS and near:
        raise ValueError(
            f"{model.name} puts out {name!r}, which is not known; did you mean {near[0]!r}?"
        )
    return _KINDS.get(name, Kind)(model, facts, name)
