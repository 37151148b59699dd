"""Super-resolution as a task: aligned patches, test on whole photographs, pictures beside bicubic."""

import numpy as np

from dnzoo import inference, metrics
from dnzoo.data.photographs import resize
from dnzoo.imaging import drawing
from dnzoo.losses import Charbonnier, StructuralSimilarity, Sum
from dnzoo.metrics import similarity
from dnzoo.tasks.base import Task

PATCHES = 8  # of each tile, in an epoch
# of images from 0 to 255; an error of one grey level weighs as much as 0.1 of SSIM
LOSSES = {
    "l1": lambda: "mae",
    "mse": lambda: "mse",
    "charbonnier": lambda: Charbonnier(1.0),
    "l1+ssim": lambda: Sum(["mae", StructuralSimilarity()], [1.0, 10.0]),
}


class SuperResolution(Task):
    """Enlarge photographs.

    PSNR and SSIM are of Y (ITU-R BT.601), with `scale` rows cropped at each edge, of pictures
    rounded to 8 bits, as papers have it.

    Args:
        data: `dnzoo.data.photographs.Photographs`.
        config: `dnzoo.training.Config`; its `batch_size`, `seed`, `smoke`, `patch` (rows of a small
            patch) count.
        loss: "l1", "mse", "charbonnier" or "l1+ssim".
        luma: whether the model reads and writes Y alone; colour is enlarged bicubically then.

    Raises:
        ValueError: for an unknown loss, or a patch larger than the tiles.
    """

    monitor, lower_is_better = "psnr", False

    def __init__(self, data, config, loss="l1", luma=False):
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}.")
        largest = data.splits["train"][0].shape[1]
        if not 1 <= config.patch <= largest:
            raise ValueError(
                f"--patch must be from 1 to {largest} for scale {data.scale}; got {config.patch}."
            )
        self.scale, self.luma = data.scale, luma
        super().__init__(data, config, self._patches, self._whole, repeat=PATCHES)
        self.loss = LOSSES[loss]()
        self.description += f", {len(data.test)} test photographs"
        self.photographs = dict(list(data.test.items())[: 2 if config.smoke else None])

    caption = "Held-out photographs: bicubic, the model, the truth."

    def _patches(self, small, large, rng):
        """A random patch of each tile, flipped and turned at random: eight ways."""
        size, scale, count = self.config.patch, self.scale, len(small)
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

    def _whole(self, small, large, rng):
        return self.pixels(small), self.pixels(large)

    def pixels(self, images):
        """What the model reads of RGB images: the same, or Y; float32 from 0 to 255."""
        return similarity.luma(images) if self.luma else np.asarray(images, "float32")

    def metrics(self):
        """Metrics to follow while training."""
        return [metrics.PSNR(luma=True, crop=self.scale)]

    def evaluate(self, model):
        """PSNR and SSIM of the test photographs' Y, mean and each, beside bicubic's."""
        return compare(lambda small: inference.upscale(model, small), self.photographs, self.scale)

    def pictures(self, model, count=6, size=144):
        """Details of held-out photographs: bicubic, the model and the truth, as a Pillow image."""
        rows = []
        for large in list(self.photographs.values())[:count]:
            small = resize(large, 1 / self.scale)
            top, left = ((n - size) // 2 for n in large.shape[:2])
            tiles = [resize(small, self.scale), inference.upscale(model, small), large]
            tiles = [tile[top : top + size, left : left + size] for tile in tiles]
            rows.append(np.concatenate(tiles, axis=1))
        return drawing.grid(rows, columns=2)


def compare(enlarge, photographs, scale):
    """PSNR and SSIM of Y, of a function from a small picture to the large one, and of bicubic.

    Args:
        enlarge: (h, w, 3) uint8 -> (scale h, scale w, 3) uint8.
        photographs: {name: (H, W, 3) uint8}, sizes that `scale` divides.
        scale: by which they are reduced, bicubically, first.

    Returns:
        {"psnr_y", "ssim_y", "bicubic_psnr_y", "bicubic_ssim_y", "scale", "psnr_y of each": {...}}.
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
    return {**means, "scale": scale, "psnr_y of each": scores["psnr_y"]}
