"""Models by their names: made, loaded, used, and looked up in one world."""

import functools
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import keras

from dnzoo import inference, models, saving
from dnzoo.inference import kinds
from dnzoo.models import BUILDERS, new_head
from dnzoo.storage import information, pretrained
from dnzoo.storage.information import Info
from dnzoo.terminal import nearest

KEPT = 4  # models of names that `predict` keeps
WITH_CLASSES = ("classes", "labels", "masks")  # kinds of output


def create_model(
    name: str, pretrained: bool = False, *, classes: int | None = None, **kwargs: Any
) -> keras.Model:
    """A model by its name: built anew, or a trained one, with a head for other classes if wanted.

    `create_model("unet", classes=3)` is `dnzoo.unet(classes=3)`; `create_model("unet_cutouts",
    pretrained=True)` is `dnzoo.load("unet_cutouts")`; with `classes=5` the trained model gets a head of
    random weights (`dnzoo.models.new_head`), also where it had 5 classes before: train that first.

    Args:
        name: one of `list_models()`, or with `pretrained` of `list_models(pretrained=True)`, or the
            folder of a SavedModel or a run.
        pretrained: whether it is a trained one.
        classes: None: of a trained model those that it knows, of a builder its default.
        **kwargs: the builder's arguments; of a trained model `dtype`, as `dnzoo.load` takes it.

    Raises:
        ValueError: for a name that is not there, or is there in the other list only; for `classes` of a
            model that has none.
        TypeError: for an argument that there is not.
        As `dnzoo.load`.

    Example:
        >>> create_model("unet", classes=3, filters=(4, 8)).name
        'unet'
    """
    if pretrained:
        return _trained(name, classes, **kwargs)
    if name not in BUILDERS:
        raise ValueError(_unknown(name))
    return models.create_model(name, **kwargs, **({} if classes is None else {"classes": classes}))


def list_models(pattern: str = "*", pretrained: bool = False) -> list[str]:
    """The names that `create_model` takes, sorted; `pattern` as in a shell: "u*".

    Args:
        pretrained: of trained models, as `list_pretrained`; otherwise of those to be built.

    Example:
        >>> list_models("u*"), list_models("unet_f*", pretrained=True)
        (['unet'], ['unet_fashion_scenes'])
    """
    if pretrained:
        return _list_pretrained(pattern)
    return models.list_models(pattern)


def info(model: keras.Model | str | os.PathLike[str]) -> Info:
    """What is known of a model: classes, palette, metrics, licence, card and more; print it to read it.

    Of a model that `load` gave it is what its folder says, without the metrics once `fit` has trained it
    further. A model with a new head, a clone, or one just built, knows no classes.

    Args:
        model: a model, or the name or folder of a trained one, which is neither built nor downloaded.

    Raises:
        FileNotFoundError: for a name that nobody knows.
        ValueError: for a damaged folder.

    Example:
        >>> info("unet_fashion_scenes").class_names[:3]
        ['background', 't-shirt', 'trouser']
    """
    if isinstance(model, (str, os.PathLike)):
        return information.named(model)
    return saving.info(model)


def predict(
    model: keras.Model | str | os.PathLike[str],
    x: Any,
    *args: Any,
    white: float | None = None,
    **options: Any,
) -> Any:
    """What a model says of an input, whatever its kind: `dnzoo.inference.kinds.of(model).name`.

    | kind | x | result |
    |---|---|---|
    | "classes" | image (H, W, C) | scores (H, W, classes) float32: logits, or probabilities |
    | "image" | image (H, W, C) | image (S H, S W, channels) float32, S the scale |
    | "masks" | (image (H, W, C), boxes (R, 4)) | (masks (R, H, W) boolean, classes (R,)) |
    | "labels" | image (H, W, C) | scores (classes,) float32 |
    | "samples" | latents (N, latent_dim) | images (N, H, W, C) float32, in the model's range |

    An image is an array of the model's channels, an image file's path, or a Pillow image. Files and
    Pillow images are read as everywhere in dnzoo (`dnzoo.imaging.reading`): upright, grey or RGB as the
    model wants it, transparency on white. A batch (N, H, W, C) gives an array of results, a list a list
    of results. A model of Y alone takes RGB too, and gives RGB then: colour is enlarged bicubically.

    Volumes (D, H, W, C) and signals (H, C) are images too, with another number of axes. Large images
    are computed in tiles. Each brings the pixels around it that the model's receptive
    field takes in, so that the result is that of the whole image, to float precision. With the image
    and `out` memory-mapped, memory does not grow with the image. A progress bar shows
    on a terminal. Models that enlarge see an image mirrored at its edges, not zeros beyond them, which
    would darken the rim.

    A model of which only the name is given is loaded once and kept, the last four of them;
    `dnzoo.zoo.forget()` drops them.

    Args:
        model: a `keras.Model` of dnzoo's, or one whose last layer is a `dnzoo.layers.Output`; what
            another one puts out is guessed, with a warning that says so. Or the name or folder of a
            trained one.
        x: see the table; of arrays any number type, anything with a shape that can be sliced.
        white: the value that is white, of files and Pillow images that are not of 8 bits, and of
            arrays that are not from 0 to 255: 65535, 1. None: 255, or as the model was trained.
        tile: of "classes" and "image": the most rows along each axis that are computed
            at once; "auto": as many as have 0.5 GB of activations; None: all.
        out: of "classes" and "image": an array to write to, as a `numpy.memmap`; None: a new one.
        finish: of "classes" and "image": what to do with each tile's output, (h, w, channels) ->
            (h, w, ...), as `dnzoo.inference.classes`, which makes 1 byte of all logits of a pixel.
        classes: of "masks": the objects' classes; None: of each box the one whose mask is the fullest.
        labels: of "samples" with classes: class numbers (N,).

    Returns:
        See the table; `out` where one is given.

    Raises:
        ValueError: for an input of another shape than the model reads, an `out` of another shape; for
            an array that is not from 0 to 255 where the model reads such pixels; for a file that can't
            be read; or where tiles are needed, for a model that looks at the whole image, with the name
            of the layer that does.
        TypeError: for an option that the kind does not have.
        FileNotFoundError: for the name of a model that is not there.

    Example:
        >>> import numpy as np
        >>> from dnzoo import unet
        >>> predict(unet((None, None, 3), filters=(4, 8)), np.zeros((33, 47, 3))).shape
        (33, 47, 2)
    """
    if isinstance(model, (str, os.PathLike)):
        folder = pretrained.find(model).resolve()
        model = _kept(folder, (folder / pretrained.EXTRA).stat().st_mtime_ns)
    return inference.predict(model, x, *args, white=white, **options)


def forget() -> None:
    """Drop the models that `predict` has loaded by their names."""
    _kept.cache_clear()


@functools.lru_cache(KEPT)
def _kept(folder: Path, changed: int) -> keras.Model:
    """The model of a folder, until the folder is replaced."""
    return saving.load(folder)


def _list_pretrained(pattern: str = "*") -> list[str]:
    return pretrained.list_pretrained(pattern)


def _trained(name: str, classes: int | None, **kwargs: Any) -> keras.Model:
    if {*kwargs} - {"dtype"}:
        raise TypeError(
            f"create_model: of a trained model only classes and dtype can be chosen; got "
            f"{', '.join(sorted({*kwargs} - {'dtype'}))}."
        )
    if name in BUILDERS:
        there = [one for one in _list_pretrained() if one.startswith(name)]
        raise ValueError(
            f"{name!r} is no trained model, but one to be built: create_model({name!r}); "
            f"trained ones are {', '.join(there or _list_pretrained())}."
        )
    model = saving.load(name, **kwargs)
    if classes is None:
        return model
    kind = kinds.of(model).name
    if kind not in WITH_CLASSES:
        raise ValueError(f"{name} puts out {kind!r}, which has no classes; got classes={classes}.")
    return new_head(model, classes)


def _unknown(name: str) -> str:
    """What is wrong with the name of a model to be built."""
    trained: Collection[str] = _list_pretrained()
    if name in trained:
        return f"{name!r} is a trained model: create_model({name!r}, pretrained=True) loads it."
    there = ", ".join(list_models())
    return (
        f"no model {name!r}; there are: {there}; trained ones: {', '.join(trained)}."
        f"{nearest(name, [*BUILDERS, *trained])}"
    )
