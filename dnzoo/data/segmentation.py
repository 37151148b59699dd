"""Images and their masks: from TFDS, or from a folder of the user's own.

Whatever the source, images come out as uint8 (n, size, size, 3) and masks as uint8 (n, size,
size), class numbers and 255 for "ignore", fitted into the square without distortion: the border
is black and ignored. They are written once to `data_dir` and memory-mapped from there, so that a
data set may be larger than memory.
"""

import contextlib
import dataclasses
import hashlib
import io
import sys
import threading
from pathlib import Path

import numpy as np

from dnzoo import files

IGNORE = 255
SPLITS = ("train", "validation", "test")
IMAGE_TYPES = (".png", ".jpg", ".jpeg")
MASK_TYPES = (".png",)
OFFLINE_SECONDS = 8


@dataclasses.dataclass(frozen=True)
class SegmentationData:
    """A data set ready to train on.

    Attributes:
        name: what it was loaded as, short.
        detail: which variant of it: size, counts, seed.
        class_names: one a class, class 0 first.
        splits: {"train" | "validation" | "test": (images, masks)}, memory-mapped.
    """

    name: str
    detail: str
    class_names: tuple[str, ...]
    splits: dict

    @property
    def palette(self):
        """A colour, (red, green, blue) 0 to 255, for each class; class 0 is black."""
        return palette(len(self.class_names))


def palette(count):
    """`count` colours that are far apart: black, then evenly spaced hues, by turns light and dark."""
    import colorsys

    colours = [(0, 0, 0)]
    for i in range(count - 1):
        lightness, saturation = (0.45, 0.9) if i % 2 else (0.68, 0.85)
        rgb = colorsys.hls_to_rgb(i / max(count - 1, 1), lightness, saturation)
        colours.append(tuple(round(255 * value) for value in rgb))
    return colours[:count]


def load(data, data_dir="data", size=128, seed=0, scenes=2000):
    """The data set that `--data` names.

    Args:
        data: "fashion_scenes" (made from the sample that dnzoo ships), "oxford_iiit_pet" (fetched
            by TFDS), or a folder. A folder holds `images/` and `masks/`, PNG or JPEG images and
            PNG masks of the same name (palette or grey; the value is the class, 255 ignored), or
            `train/`, `validation/` and `test/`, each with those two. Without these it is split 80,
            10, 10 by `seed`. A `classes.txt` beside them names the classes, one a line.
        data_dir: where prepared data goes.
        size: height and width of the images that come out.
        seed: of the scenes, and of a folder's split.
        scenes: how many training scenes to compose, for "fashion_scenes".

    Raises:
        FileNotFoundError: for a path that is not there, a name that is not known.
        ValueError: for masks that do not fit their images, or can't be read as class numbers.
        ConnectionError: when data must be fetched and there is no network.

    Example:
        >>> getfixture("small_scenes").splits["test"][0].shape
        (6, 32, 32, 3)
    """
    if data == "fashion_scenes":
        return fashion_scenes(data_dir, size, scenes, seed=seed)
    if data == "oxford_iiit_pet":
        return _oxford_iiit_pet(data_dir, size)
    if Path(data).is_dir():
        return _folder(Path(data), data_dir, size, seed)
    raise FileNotFoundError(
        f"--data {data!r} is neither a folder nor one of fashion_scenes, oxford_iiit_pet. A folder "
        "needs images/ and masks/ (PNG masks of class numbers, paired by name)."
    )


def fashion_scenes(data_dir, size=128, train=2000, validation=300, test=500, seed=0):
    """Garment scenes (`dnzoo.data.scenes`), made through their TFDS builder."""
    from dnzoo.data.fashion_scenes import FashionScenes, FashionScenesConfig

    config = FashionScenesConfig(
        size=size, train=train, validation=validation, test=test, seed=seed
    )
    config = FashionScenes.builder_configs.get(config.name, config)
    builder = FashionScenes(config=config, data_dir=str(data_dir))
    _prepare(builder)
    splits = {split: (builder, split, lambda mask: mask) for split in SPLITS}
    return _from_tfds("fashion_scenes", builder.builder_config.name, splits, data_dir, size)


def _oxford_iiit_pet(data_dir, size):
    """Oxford-IIIT Pet (Parkhi et al. 2012): background, pet, outline. A tenth of "train" validates."""
    builder = _reachable("oxford_iiit_pet", data_dir)

    def classes(mask):  # TFDS: 1 pet, 2 background, 3 outline
        return np.array([IGNORE, 1, 0, 2], "uint8")[mask]

    splits = {"train": "train[:90%]", "validation": "train[90%:]", "test": "test"}
    splits = {name: (builder, split, classes) for name, split in splits.items()}
    names = ("background", "pet", "outline")
    return _from_tfds("oxford_iiit_pet", f"{size}px", splits, data_dir, size, names)


def _reachable(name, data_dir):
    """The prepared TFDS builder, or an error within seconds: TFDS alone tries for minutes."""
    import tensorflow_datasets as tfds

    if not any(Path(data_dir, name).glob("*/dataset_info.json")):
        url = next(iter(tfds.builder_cls(name).url_infos))
        if not _answers(url):
            raise ConnectionError(
                f"{name} must be fetched, and {url.split('/')[2]} does not answer. With a network, "
                f"try again; without, give a folder: --data FOLDER with images/ and masks/."
            )
    builder = tfds.builder(name, data_dir=str(data_dir))
    _prepare(builder)
    return builder


def _answers(url):
    import requests

    answers = []

    def ask():
        try:
            requests.head(url, timeout=OFFLINE_SECONDS, allow_redirects=True)
            answers.append(True)
        except requests.RequestException:
            pass

    # a thread, because looking a name up has no time limit of its own
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(OFFLINE_SECONDS)
    return bool(answers)


def _prepare(builder):
    import tensorflow_datasets as tfds
    from rich import get_console

    if not get_console().is_terminal:
        tfds.disable_progress_bar()
    if not builder.is_prepared():
        print(f"Preparing {builder.name} in {builder.data_path}.", file=sys.stderr)
    # TFDS speaks of a download even where it makes the data itself
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare()


def _from_tfds(name, detail, splits, data_dir, size, class_names=None):
    import tensorflow_datasets as tfds

    def read(builder, split, classes):
        for example in tfds.as_numpy(builder.as_dataset(split=split)):
            yield example["image"], classes(example["segmentation_mask"][..., 0])

    first = splits["train"][0]
    class_names = class_names or first.info.features["segmentation_mask"].names
    counts = {n: builder.info.splits[s].num_examples for n, (builder, s, _) in splits.items()}
    sources = {split: (counts[split], read(*source)) for split, source in splits.items()}
    arrays = _cached(f"{name}-{detail}", sources, data_dir, size)
    return SegmentationData(name, detail, tuple(class_names), arrays)


def _folder(folder, data_dir, size, seed):
    parts = {split: folder / split for split in SPLITS}
    if all((part / "images").is_dir() for part in parts.values()):
        pairs = {split: _pairs(part) for split, part in parts.items()}
    else:
        found = _pairs(folder)
        if len(found) < 3:
            raise ValueError(f"{folder} has {len(found)} images with masks; at least 3 are needed.")
        order = np.random.default_rng(seed).permutation(len(found))
        held = max(len(found) // 10, 1)
        cuts = {"test": order[:held], "validation": order[held : 2 * held]}
        cuts["train"] = order[2 * held :]
        pairs = {split: [found[i] for i in sorted(cuts[split])] for split in SPLITS}
    state = hashlib.sha256(repr(size).encode())
    for split in SPLITS:
        for path in (path for pair in pairs[split] for path in pair):
            stat = path.stat()
            state.update(f"{split}{path}{stat.st_size}{stat.st_mtime_ns}".encode())
    name, detail = folder.resolve().name, f"{size}px-{state.hexdigest()[:12]}"
    sources = {split: (len(found), map(_read_pair, found)) for split, found in pairs.items()}
    splits = _cached(f"{name}-{detail}", sources, data_dir, size)
    return SegmentationData(name, detail, _class_names(folder, splits), splits)


def _pairs(folder):
    if not (folder / "images").is_dir() or not (folder / "masks").is_dir():
        raise FileNotFoundError(f"{folder} must hold images/ and masks/.")
    masks = {p.stem: p for p in (folder / "masks").iterdir() if p.suffix.lower() in MASK_TYPES}
    images = sorted(p for p in (folder / "images").iterdir() if p.suffix.lower() in IMAGE_TYPES)
    lonely = [path.name for path in images if path.stem not in masks]
    if lonely:
        raise ValueError(
            f"{folder}/masks has no PNG for {len(lonely)} of {len(images)} images, the first is "
            f"{lonely[0]}: a mask needs its image's name (JPEG would blur class numbers)."
        )
    if len({path.stem for path in images}) < len(images):
        raise ValueError(f"{folder}/images has two images of the same name, but for the ending.")
    return [(path, masks[path.stem]) for path in images]


def _read_pair(pair):
    from PIL import Image, ImageOps

    path, mask_path = pair
    try:
        with Image.open(path) as file:
            image = np.array(ImageOps.exif_transpose(file).convert("RGB"))
        with Image.open(mask_path) as file:
            if file.mode not in ("P", "L", "1"):
                raise ValueError(
                    f"{mask_path} is a {file.mode} image; a mask must be a palette or grey PNG "
                    "whose values are class numbers."
                )
            mask = np.array(file, "uint8")
    except OSError as error:
        raise ValueError(
            f"{path} or its mask can't be read ({error}): remove or mend it."
        ) from error
    if image.shape[:2] != mask.shape:
        raise ValueError(
            f"{mask_path} is {mask.shape}, its image {image.shape[:2]} (rows, columns)."
        )
    return image, mask


def _class_names(folder, splits):
    highest = max(
        int(np.max(masks, where=masks != IGNORE, initial=0)) for _, masks in splits.values()
    )
    file = folder / "classes.txt"
    if not file.is_file():
        return tuple(f"class {i}" for i in range(max(highest, 1) + 1))
    names = tuple(line.strip() for line in file.read_text("utf-8").splitlines() if line.strip())
    if len(names) <= highest:
        raise ValueError(f"{file} names {len(names)} classes, but a mask holds class {highest}.")
    return names


def _cached(name, sources, data_dir, size):
    """Arrays of every split on disk, made on the first call: {split: (images, masks)}."""
    folder = Path(data_dir) / "arrays" / name
    if not folder.is_dir():
        with files.new_folder(folder) as partial:
            for split, (count, source) in sources.items():
                _write_arrays(partial, split, count, source, size)
    return {
        split: tuple(np.load(folder / f"{split}_{kind}.npy", "r") for kind in ("images", "masks"))
        for split in sources
    }


def _write_arrays(folder, split, count, source, size):
    from rich import get_console, progress

    def array(kind, shape):
        file = folder / f"{split}_{kind}.npy"
        return np.lib.format.open_memmap(file, "w+", "uint8", (count, size, size, *shape))

    images, masks = array("images", (3,)), array("masks", ())
    quiet = not get_console().is_terminal
    pairs = progress.track(source, f"preparing {split}", count, transient=True, disable=quiet)
    for i, pair in enumerate(pairs):
        images[i], masks[i] = _fit(*pair, size)
    images.flush()
    masks.flush()


def _fit(image, mask, size):
    """Shrink or enlarge to fit a square, keeping the aspect; the rest is black and ignored."""
    from PIL import Image

    height, width = mask.shape
    if (height, width) == (size, size):
        return image, mask
    scale = size / max(height, width)
    new = max(round(width * scale), 1), max(round(height * scale), 1)
    canvas = np.zeros((size, size, 3), "uint8")
    ignored = np.full((size, size), IGNORE, "uint8")
    canvas[: new[1], : new[0]] = Image.fromarray(image).resize(new, Image.BICUBIC)
    ignored[: new[1], : new[0]] = Image.fromarray(mask).resize(new, Image.NEAREST)
    return canvas, ignored


def augment(images, masks, rng):
    """Flip, zoom in by up to 1.5, and change brightness, contrast and tint, image by image.

    Args:
        images: (n, H, W, C) uint8; masks: (n, H, W) uint8; rng: `numpy.random.Generator`.

    Returns:
        float32 images, 0 to 255, and uint8 masks, moved alike; masks only by index.
    """
    count, height, width = masks.shape
    zoom = rng.uniform(1, 1.5, count)
    flip = rng.random(count) < 0.5
    shift = rng.random((2, count))
    gain = rng.uniform(0.8, 1.2, (count, 1, 1, images.shape[-1])) * rng.uniform(
        0.8, 1.2, (count, 1, 1, 1)
    )
    lift = rng.uniform(-20, 20, (count, 1, 1, 1))
    moved = np.empty(images.shape, "float32")
    moved_masks = np.empty_like(masks)
    for i in range(count):
        rows = _window(height, zoom[i], shift[0, i])
        columns = _window(width, zoom[i], shift[1, i])
        columns = columns[::-1] if flip[i] else columns
        moved[i] = _interpolate(images[i], rows, columns)
        nearest = [np.floor(where + 0.5).astype(int) for where in (rows, columns)]
        moved_masks[i] = masks[i][np.ix_(*nearest)]
    np.clip(moved * gain.astype("float32") + lift.astype("float32"), 0, 255, out=moved)
    return moved, moved_masks


def _window(size, zoom, shift):
    """Where the rows of a zoomed window lie in the image: half-pixel centres, inside [0, size)."""
    where = (np.arange(size) + 0.5) / zoom - 0.5 + shift * (size - size / zoom)
    return np.clip(where, 0, size - 1)


def _interpolate(image, rows, columns):
    """Bilinear, one axis after the other."""
    for axis, where in enumerate((rows, columns)):
        low = np.floor(where).astype(int)
        high = np.minimum(low + 1, image.shape[axis] - 1)
        weight = (where - low).astype("float32")
        weight = weight[:, None, None] if axis == 0 else weight[None, :, None]
        a, b = np.take(image, low, axis).astype("float32"), np.take(image, high, axis)
        image = a + (b - a) * weight
    return image
