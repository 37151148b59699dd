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
from dnzoo.tasks.sources import Depths
from dnzoo.terminal import DATA
from dnzoo.training import report
from dnzoo.training.task import Task

PATCHES = 8  # of each tile, in an epoch
SAMPLED = 8  # images of which the report shows what becomes of them
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
    sampled: ClassVar[str] = (
        "Validation tiles: bicubic, the ground truth, and below what the net made of them"
    )

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
        shown = [self._detail(model, name, size) for name in list(self.photographs)[:count]]
        rows = [np.concatenate((cubic, made, truth), axis=1) for cubic, truth, made in shown]
        return drawing.grid(rows, columns=2)

    def _detail(self, model: keras.Model, name: str, size: int) -> list[np.ndarray]:
        """The middle of a test photograph: bicubic, the ground truth and the model's."""
        large = self.photographs[name]
        small = resize(large, 1 / self.scale)
        top, left = ((n - size) // 2 for n in large.shape[:2])
        tiles = [resize(small, self.scale), large, inference.upscale(model, small)]
        return [tile[top : top + size, left : left + size] for tile in tiles]

    def _tiles(self, model: keras.Model, rows: slice) -> list[np.ndarray]:
        """Validation tiles as `_detail`, of batches, for a model in the middle of its training too."""
        small, large = (np.asarray(array[rows]) for array in self.validation.arrays)
        bicubic = np.stack([resize(image, self.scale) for image in small])
        made = self.outputs(model, self.pixels(small))
        images = [self.pixels(bicubic), self.pixels(large), made]
        return [drawing.visible(image.round().clip(0, 255).astype("uint8")) for image in images]

    def shown_data(self) -> list[report.Part]:
        """Patches of the first batch, and below each what it is to become."""
        pairs = [batch[:SAMPLED].round().astype("uint8") for batch in self.train.batch(0)]
        small = pairs[0].repeat(self.scale, 1).repeat(self.scale, 2)
        rows = [*drawing.visible(small), *drawing.visible(pairs[1])]
        caption = "Patches, each pixel drawn larger, and below each what the net is to make of it."
        return [self._fed(drawing.grid(rows, columns=len(small)), caption)]

    def shown_results(
        self,
        model: keras.Model,
        split: str = "test",
        metrics: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[report.Part]:
        """The images with the lowest and the highest PSNR, beside bicubic and the ground truth."""
        if split == "test":
            found = (metrics or self.evaluate(model))["psnr_y_each"]
            names, scores = list(found), list(found.values())
        else:
            scores = self._scored(model, limit or len(self.validation))
            names = [f"validation tile {i + 1}" for i in range(len(scores))]

        def example(i: int) -> report.Example:
            if split == "test":
                tiles = self._detail(model, names[i], photographs.SMALLEST)
            else:
                tiles = [batch[0] for batch in self._tiles(model, slice(i, i + 1))]
            images = [Image.fromarray(np.ascontiguousarray(tile)) for tile in tiles]
            shown = dict(zip(("bicubic", "ground truth", "model"), images))
            return report.Example(names[i], scores[i], shown)

        caption = "The middle of each photograph is shown." if split == "test" else ""
        score = self.labels["psnr_y_each"]
        title = f"Images of the {split} split"
        return [
            report.Examples.of(
                title, score, scores, names, example, compare="wipe", caption=caption
            )
        ]

    def _scored(self, model: keras.Model, count: int) -> list[float]:
        """PSNR of each of the first validation tiles."""
        measure, scores = metrics.PSNR(luma=True, crop=self.scale), []
        for step in range(self.validation.steps):
            small, large = self.validation.batch(step)
            for truth, made in zip(large, self.outputs(model, small)):
                measure.reset_state()
                measure.update_state(truth[None], made[None])
                scores.append(float(measure.result()))
            if len(scores) >= count:
                break
        return scores[:count]

    def reference(self) -> Image.Image:
        """Validation tiles: bicubic, and below each the ground truth."""
        small, large = (np.asarray(array[:SAMPLED]) for array in self.validation.arrays)
        rows = [*(resize(image, self.scale) for image in small), *large]
        return drawing.grid(report.reduced(drawing.visible(np.stack(rows))), columns=len(small))

    def sample(self, model: keras.Model) -> Image.Image:
        """What the model makes of them; Y, where it reads Y alone."""
        made = self._tiles(model, slice(SAMPLED))[2]
        return drawing.grid(report.reduced(made), columns=len(made))


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
