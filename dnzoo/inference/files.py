"""Use a trained model of any kind on image files: what `dnzoo predict` does."""

import collections
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import keras

from dnzoo import storage
from dnzoo.imaging import reading
from dnzoo.inference import kinds
from dnzoo.storage import information


def predict_files(
    model: keras.Model,
    source: str | Path | Sequence[str | Path] | None,
    out: str | Path,
    palette: Sequence[Sequence[int]] | None = None,
    boxes: Sequence[float] | None = None,
    count: int = 64,
    seed: int = 0,
    overwrite: bool = False,
    class_names: Sequence[str] | None = None,
    pixels: tuple[float, float] | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[Path]:
    """Apply a model to images, and write what it says of each as PNG files.

    * segmentation: `<name>_mask.png` (palette, the class numbers) and `<name>_overlay.png`;
    * super-resolution: `<name>_x<scale>.png`, the larger picture;
    * masks of objects in boxes: `<name>_mask.png` (a number for each box) and `<name>_overlay.png`;
    * classifiers: `<name>_labels.txt`, the likeliest classes with their probabilities;
    * generators: `samples.png`, a sheet; they read no image.

    `<name>` is the file's without its ending, or with it where two files would share it (a.png, a.jpg), or
    with its folder's before it where two folders would (day_1.png, night_1.png). A strip below an overlay
    says which colour is which class.

    A larger picture of one with transparency has it too, enlarged bicubically.

    A TIFF of more than 67 million pixels stays on disk: `<name>_mask.tif` or `<name>_x<scale>.tif`
    is written tile by tile, and no overlay.

    Args:
        model: a model of dnzoo's.
        source: an image file, a folder of them, or several of both; None for a generator.
        out: the folder for the results.
        palette: a colour a class; None: that with which the model was saved, or dnzoo's.
        boxes: for masks, (left, top, right, bottom) in pixels, one after the other; None: one box,
            the whole image.
        count, seed: for generators: how many pictures, of which latents.
        overwrite: replace results that are there.
        class_names: the classes' names; None: those with which the model was saved.
        pixels: the values that become 0 and 255 in files that are not of 8 bits; None: as in training,
            which a model that was trained on such files says of itself.
        tell: gets a line about each image, as soon as its results are there: what the model saw.

    Returns:
        The paths written.

    Raises:
        FileNotFoundError: when there is no image.
        FileExistsError: when a result is there already and `overwrite` is false, or is one of the
            images to read. Nothing is predicted then.
        ValueError: when an image can't be read, or an argument does not fit the model.
    """
    kind, out = kinds.of(model), Path(out)
    known = information.known(model)
    if known is not None:
        palette, class_names = palette or known.palette, class_names or known.class_names
    given = {"palette": palette, "boxes": boxes, "class_names": class_names}
    given |= {"count": count, "seed": seed}
    if boxes is not None and "boxes" not in kind.options:
        raise ValueError(
            f"`boxes` are for models that mask objects; {model.name} puts out {kind.name!r}."
        )
    options = {name: given[name] for name in kind.options if given.get(name) is not None}
    if not kind.reads_images:
        stems = {None: out / ""}
    elif source is None or source == ():
        raise ValueError(f"{model.name} needs an image, or a folder of them.")
    else:
        paths = _found([source] if isinstance(source, (str, os.PathLike)) else source)
        stems = _stems(paths, out, kind.endings(), overwrite)
    limits, written = pixels or kind.pixels, []
    for path, stem in stems.items():
        image = None if path is None else reading.read(path, kind.channels, pixels=limits)
        name = "" if path is None else stem.name
        if "alpha" in kind.options and path is not None and kind.channels in (1, 3):
            options["alpha"] = reading.read_alpha(path)
        target = kinds.Target(out, name, overwrite)
        written += [out / f"{name}{ending}" for ending in kind.write(image, target, **options)]
        if tell and target.words:
            tell(f"{path or model.name}: {target.words}")
    return written


def _found(sources: Iterable[str | Path]) -> list[Path]:
    """The images that paths name, each once."""
    found = [path for source in sources for path in reading.find(source)]
    return [*{os.path.abspath(path): path for path in reversed(found)}.values()][::-1]


def _stems(
    paths: Sequence[Path], out: Path, endings: Iterable[str], overwrite: bool
) -> dict[Path, Path]:
    """{image: what its results' paths begin with}; raises where one would take another file's place."""
    shared = collections.Counter(path.stem.casefold() for path in paths)
    twice = collections.Counter(path.name.casefold() for path in paths)
    stems = {}
    for path in paths:
        name = path.stem if shared[path.stem.casefold()] == 1 else path.name
        if twice[path.name.casefold()] > 1:
            name = f"{path.resolve().parent.name}_{name}"
        stems[path] = out / name
    results = [out / f"{stem.name}{ending}" for stem in stems.values() for ending in endings]
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
