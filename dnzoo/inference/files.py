"""Use a trained model of any kind on image files: what `python -m dnzoo predict` does."""

import collections
from pathlib import Path

import numpy as np

from dnzoo import inference, storage
from dnzoo.imaging import drawing, reading
from dnzoo.models import _heads


def kind(model):
    """What a model does: "generate", "mask" (objects in boxes), "enlarge" or "segment".

    Raises:
        ValueError: for a model that does nothing of it.
    """
    if hasattr(model, "served"):
        return "generate"
    if len(model.inputs) == 2 and len(model.output_shape) == 5:
        return "mask"
    if len(model.inputs) == 1 and len(model.output_shape) == 4:
        return "enlarge" if inference.scale(model) > 1 else "segment"
    raise ValueError(f"{model.name} puts out {model.output_shape}: no picture can be made of it.")


def predict_files(model, source, out, palette=None, boxes=None, count=64, seed=0, overwrite=False):
    """Apply a model to images, and write what it says of each as PNG files.

    * segmentation: `<name>_mask.png` (palette, the class numbers) and `<name>_overlay.png`;
    * super-resolution: `<name>_x<scale>.png`, the larger picture;
    * masks of objects in boxes: `<name>_mask.png` (a number for each box) and `<name>_overlay.png`;
    * generators: `samples.png`, a sheet; they read no image.

    `<name>` is the file's without its ending, or with it where two files would share it (a.png, a.jpg).

    A TIFF of more than 67 million pixels stays on disk: `<name>_mask.tif` or `<name>_x<scale>.tif`
    is written tile by tile, and no overlay.

    Args:
        model: a model of dnzoo's.
        source: an image file, or a folder of them; None for a generator.
        out: the folder for the results.
        palette: a colour a class; None: dnzoo's.
        boxes: for masks, (left, top, right, bottom) in pixels, one after the other; None: one box,
            the whole image.
        count, seed: for generators: how many pictures, of which latents.
        overwrite: replace results that are there.

    Returns:
        The paths written.

    Raises:
        FileNotFoundError: when there is no image.
        FileExistsError: when a result is there already and `overwrite` is false, or is one of the
            images to read. Nothing is predicted then.
        ValueError: when an image can't be read, or an argument does not fit the model.
    """
    action, out = kind(model), Path(out)
    if action == "generate":
        pictures = model.generate(count, seed) if hasattr(model, "generate") else None
        pictures = model.sample(count, seed) if pictures is None else pictures
        sheet = drawing.sheet(_pixels(model, pictures), 8)
        return [_write(out / "samples.png", sheet, overwrite)]
    if source is None:
        raise ValueError(f"{model.name} needs an image, or a folder of them.")
    if boxes is not None and action != "mask":
        raise ValueError(f"boxes are for models that mask objects; {model.name} does not.")
    stems = _stems(reading.find(source), out, _endings(action, model), overwrite)
    written = []
    for path, stem in stems.items():
        image = reading.read(path, 3 if action in ("enlarge", "mask") else model.input_shape[-1])
        if isinstance(image, np.memmap) and action != "mask":
            written.append(_map(action, model, image, stem, palette, overwrite))
            continue
        for ending, picture in _results(action, model, image, palette, boxes).items():
            written.append(_write(_result(stem, ending, "png"), picture, overwrite))
    return written


def _endings(action, model):
    """What follows the names of the images in those of the results."""
    return [f"x{inference.scale(model)}"] if action == "enlarge" else ["mask", "overlay"]


def _result(stem, ending, kind):
    return stem.with_name(f"{stem.name}_{ending}.{kind}")


def _stems(paths, out, endings, overwrite):
    """{image: what its results' paths begin with}; raises where one would take another file's place."""
    shared = collections.Counter(path.stem.casefold() for path in paths)
    stems = {
        path: out / (path.stem if shared[path.stem.casefold()] == 1 else path.name)
        for path in paths
    }
    results = [_result(stem, ending, "png") for stem in stems.values() for ending in endings]
    counts = collections.Counter(str(result).casefold() for result in results)
    twice = [result for result in results if counts[str(result).casefold()] > 1]
    if twice:
        raise FileExistsError(f"two images would give {twice[0]}: rename one.")
    read = {path.resolve() for path in paths}
    for result in results:
        if result.resolve() in read:
            raise FileExistsError(f"{result} is one of the images to read: choose another folder.")
        if not overwrite:
            storage.refuse_existing(result)
    return stems


def _pixels(model, pictures):
    """0 to 255, whatever range the model works in."""
    if hasattr(model, "max_value"):
        return pictures * (255 / model.max_value)
    return pictures if pictures.max() > 1.5 else (pictures + 1) * 127.5


def _results(action, model, image, palette, boxes):
    from PIL import Image

    if action == "enlarge":
        return {f"x{inference.scale(model)}": Image.fromarray(inference.upscale(model, image))}
    if action == "mask":
        return _masks(model, image, palette, boxes)
    mask = inference.predict(model, image, finish=_classes(model))
    colours = _colours(model, palette)
    return {
        "mask": drawing.paletted(mask, colours),
        "overlay": drawing.overlay(image, mask, colours),
    }


def _map(action, model, image, stem, palette, overwrite):
    """The result for an image on disk, on disk: classes or the larger picture, as TIFF."""
    if action == "segment":
        path = _result(stem, "mask", "tif")
        with storage.new_file(path, overwrite) as partial:
            out = reading.create(partial, image.shape[:2], _colours(model, palette))
            inference.predict(model, image, out=out, finish=_classes(model)).flush()
        return path
    factor = inference.scale(model)
    path = _result(stem, f"x{factor}", "tif")
    with storage.new_file(path, overwrite) as partial:
        out = reading.create(partial, (*(factor * n for n in image.shape[:2]), 3))
        inference.upscale(model, image, out=out).flush()
    return path


def _classes(model):
    threshold = 0.0 if _heads.has_logits(model) else 0.5
    return lambda output: inference.classes(output, threshold)


def _colours(model, palette):
    from dnzoo.data import segmentation

    return np.array(palette or segmentation.palette(max(model.output_shape[-1], 2)), "uint8")


def _masks(model, image, palette, boxes):
    """Each box's object in the colour of the class whose mask is the fullest."""
    from PIL import Image

    from dnzoo.data import segmentation

    height, width = image.shape[:2]
    boxes = np.array((0, 0, width, height) if boxes is None else boxes, "float32")
    if boxes.size % 4 or not boxes.size:
        raise ValueError(f"boxes are left top right bottom, four numbers each; got {boxes.size}.")
    boxes = boxes.reshape(-1, 4)
    masks, classes = inference.predict_masks(model, image, boxes)
    colours = palette or segmentation.palette(model.output_shape[-1] + 1)[1:]
    tinted = drawing.tint(image, masks, [colours[number] for number in classes])
    numbered = np.zeros((height, width), "uint8")
    for number, mask in enumerate(masks, start=1):
        numbered[mask] = number
    many = np.array(segmentation.palette(len(masks) + 1), "uint8")
    overlay = Image.fromarray(drawing.outline(tinted, boxes))
    return {"mask": drawing.paletted(numbered, many), "overlay": overlay}


def _write(path, picture, overwrite):
    with storage.new_file(path, overwrite) as partial:
        picture.save(partial)
    return path
