"""Super-resolution as a task: aligned patches, test on whole photographs, pictures beside bicubic."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

import keras
import numpy as np
from PIL import Image

from dnzoo import inference, metrics, training
from dnzoo.data import photographs
from dnzoo.data.photographs import resize
from dnzoo.imaging import drawing
from dnzoo.inference import kinds
from dnzoo.losses import Charbonnier, StructuralSimilarity, Sum
from dnzoo.metrics import similarity
from dnzoo.tasks.base import Task
from dnzoo.tasks.sources import Depths
from dnzoo.terminal import DATA

PATCHES = 8  # of each tile, in an epoch
# in a sum an error of one grey level weighs as much as 0.1 of SSIM
Loss = Literal["l1", "mse", "charbonnier", "l1+ssim"]


def loss_named(name: Loss) -> keras.losses.Loss | str:
    """The loss that a name stands for, of images from 0 to 255.

    Raises:
        ValueError: for another name.
    """
    if name not in get_args(Loss):
        raise ValueError(f"loss must be one of {', '.join(get_args(Loss))}; got loss={name!r}.")
    if name == "charbonnier":
        return Charbonnier(1.0)
    if name == "l1+ssim":
        return Sum(["mae", StructuralSimilarity()], [1.0, 10.0])
    return {"l1": "mae", "mse": "mse"}[name]


class SuperResolution(Task):
    """Enlarge photographs.

    PSNR and SSIM are of Y (ITU-R BT.601), with `scale` rows cropped at each edge, of pictures
    rounded to 8 bits, as papers have it.

    Args:
        data: `dnzoo.data.photographs.Photographs`.
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
        loss: "l1", "mse", "charbonnier" or "l1+ssim".
        luma: whether the model reads and writes Y alone; colour is upsampled bicubically then.
        patch: rows and columns of the small patches to train on.

    Raises:
        ValueError: for an unknown loss, or a patch larger than the tiles.
    """

    kind: ClassVar[str] = "image"
    monitor: str = "psnr"
    options: ClassVar[tuple[str, ...]] = ("loss", "luma", "patch")
    fixed: ClassVar[tuple[str, ...]] = ("scale",)
    labels: Mapping[str, str] = {
        "psnr_y": "PSNR of Y, dB",
        "ssim_y": "SSIM of Y",
        "bicubic_psnr_y": "bicubic PSNR of Y, dB",
        "bicubic_ssim_y": "bicubic SSIM of Y",
        "psnr_y_each": "PSNR of Y per image, dB",
    }
    caption: str = "Held-out photographs: bicubic, the model, the ground truth."

    @dataclasses.dataclass(kw_only=True)
    class Config(Depths):
        """Flags of super-resolution and its data; `luma`, which is no flag, depends on the net."""

        luma = False
        data: Annotated[str, DATA] = "photographs"
        """photographs (Debian's), sample (ten that are a part of dnzoo), div2k, or a folder of images."""
        scale: int = 2
        """2, 3 or 4."""
        patch: int = 48
        """Rows and columns of the small patches to train on."""
        loss: Loss = "l1"
        """What is minimised, per pixel or with structural similarity."""

    @classmethod
    def load(cls, config: Config) -> photographs.Photographs:
        """The photographs that the config names."""
        return photographs.load(
            config.data, config.data_dir, config.scale, config.seed, config.white, config.black
        )

    @classmethod
    def settings_of(cls, model: keras.Model) -> dict[str, Any]:
        """The scale of the model, and whether it reads Y alone."""
        kind = kinds.of(model)
        return {"scale": kind.scale, "patch": 32, "luma": kind.luma}

    scale: int
    luma: bool
    patch: int
    description: str
    loss: keras.losses.Loss | str | None

    def __init__(
        self,
        data: photographs.Photographs,
        config: training.Config,
        loss: Loss = "l1",
        luma: bool = False,
        patch: int = 48,
    ) -> None:
        largest = data.splits["train"][0].shape[1]
        if not 1 <= patch <= largest:
            raise ValueError(
                f"patch={patch}: it must be from 1 to {largest} for scale={data.scale}."
            )
        self.scale, self.luma, self.patch = data.scale, luma, patch
        super().__init__(data, config, self._patches, self._whole, repeat=PATCHES)
        self.loss = loss_named(loss)
        self.description += f", {len(data.test)} test photographs"
        self.photographs: dict[str, np.ndarray] = dict(
            list(data.test.items())[: 2 if config.smoke else None]
        )

    def _patches(
        self, small: np.ndarray, large: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """A random patch of each tile, flipped and turned at random: eight ways."""
        size, scale, count = self.patch, self.scale, len(small)
        tops, lefts = rng.integers(0, small.shape[1] - size + 1, (2, count))
        ways = rng.integers(0, 8, count)
        pairs = []
        for i, (top, left, way) in enumerate(zip(tops, lefts, ways)):
            pair = []
            for image, factor in ((small[i], 1), (large[i], scale)):
                patch = image[top * factor :, left * factor :][: size * factor, : size * factor]
                patch = np.rot90(patch, way % 4)
                pair.append(patch[:, ::-1] if way > 3 else patch)
            pairs.append(pair)
        return self._whole(*map(np.stack, zip(*pairs)), rng)

    def _whole(
        self, small: np.ndarray, large: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.pixels(small), self.pixels(large)

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """What the model reads of RGB images: the same, or Y; float32 from 0 to 255."""
        return similarity.luma(images) if self.luma else np.asarray(images, "float32")

    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics to follow while training."""
        return [metrics.PSNR(luma=True, crop=self.scale)]

    def evaluate(self, model: keras.Model) -> dict[str, Any]:
        """PSNR and SSIM of the test photographs' Y, beside bicubic's: what `compare` gives."""

        def enlarge(small: np.ndarray) -> np.ndarray:
            return inference.upscale(model, small, mirror=False)  # as papers measure

        return compare(enlarge, self.photographs, self.scale)

    def pictures(
        self, model: keras.Model, count: int = 6, size: int = photographs.SMALLEST
    ) -> Image.Image:
        """Details of held-out photographs: bicubic, the model and the ground truth."""
        rows = []
        for large in list(self.photographs.values())[:count]:
            small = resize(large, 1 / self.scale)
            top, left = ((n - size) // 2 for n in large.shape[:2])
            tiles = [resize(small, self.scale), inference.upscale(model, small), large]
            tiles = [tile[top : top + size, left : left + size] for tile in tiles]
            rows.append(np.concatenate(tiles, axis=1))
        return drawing.grid(rows, columns=2)


def compare(
    enlarge: Callable[[np.ndarray], np.ndarray],
    photographs: Mapping[str, np.ndarray],
    scale: int,
) -> dict[str, Any]:
    """PSNR and SSIM of Y, of a function from a small picture to the large one, and of bicubic.

    Args:
        enlarge: (h, w, 3) uint8 -> (scale h, scale w, 3) uint8.
        photographs: {name: (H, W, 3) uint8}, sizes that `scale` divides.
        scale: by which they are reduced, bicubically, first.

    Returns:
        {"psnr_y", "ssim_y", "bicubic_psnr_y", "bicubic_ssim_y", "scale", "psnr_y_each": {...}}.
    """
    scores = {"psnr_y": {}, "ssim_y": {}, "bicubic_psnr_y": {}, "bicubic_ssim_y": {}}
    for name, large in photographs.items():
        small = resize(large, 1 / scale)
        for prefix, guess in (("", enlarge(small)), ("bicubic_", resize(small, scale))):
            for kind, metric in (("psnr_y", metrics.PSNR), ("ssim_y", metrics.SSIM)):
                measure = metric(luma=True, crop=scale)
                measure.update_state(large[None], guess[None])
                scores[prefix + kind][name] = float(measure.result())
    means = {kind: float(np.mean([*each.values()])) for kind, each in scores.items()}
    return {**means, "scale": scale, "psnr_y_each": scores["psnr_y"]}
