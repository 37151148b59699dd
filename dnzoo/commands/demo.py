"""`dnzoo demo`: a network trained from nothing, and what it makes of photographs."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import tyro

from dnzoo import startup, storage, terminal
from dnzoo.commands import train

if TYPE_CHECKING:
    import keras
    import numpy as np

PHOTOS: Any = tyro.conf.arg(metavar="[PHOTO ...]")
PICTURE: str = "demo.png"
SCALE: int = 3
EPOCHS: int = 80
# (top, left) of the details of our own photographs; of others it is where bicubic errs most
DETAILS: Mapping[str, tuple[int, int]] = {"dogs.jpg": (243, 210), "hopper.jpg": (120, 165)}
SIDE: int = 192  # rows and columns of a detail; SCALE divides it
LARGEST: int = 1500  # rows or columns of a photograph: larger ones are reduced first


class Row(NamedTuple):
    """What becomes of one photograph: details, (SIDE, SIDE, 3) uint8, and PSNR of Y in dB of the whole."""

    name: str
    whole: "np.ndarray"
    top: int
    left: int
    small: "np.ndarray"
    bicubic: "np.ndarray"
    network: "np.ndarray"
    photograph: "np.ndarray"
    bicubic_psnr: float
    network_psnr: float


@dataclasses.dataclass
class Demo:
    """Train a small network to enlarge photographs threefold, from nothing, in four to five minutes, and draw
    what it makes of two others, or of yours: `dnzoo demo PHOTO`. It needs no internet and no data."""

    photos: Annotated[tyro.conf.Positional[tuple[str, ...]], PHOTOS] = ()
    """Photographs to try it on; without any, two that are a part of dnzoo."""
    out: Annotated[str, terminal.FOLDER] = "runs/demo"
    """The folder of the run, and of demo.png. A network that is in it already is not trained again."""
    data_dir: Annotated[str, terminal.FOLDER] = "data"
    """Where prepared data is kept."""

    def run(self) -> None:
        """Train, draw, and say what was found."""
        images = {path: _photograph(path) for path in self.photos}
        startup.start_keras()
        from dnzoo import saving, training

        recipe = train.load("super_resolution")
        config = recipe.Config(
            data="sample",
            data_dir=self.data_dir,
            model="espcn",
            scale=SCALE,
            epochs=EPOCHS,
            learning_rate=2e-3,
            precision="float32",
            out=self.out,
        )
        task, build = recipe.setup(config)
        training.run(config, task, build)
        model = saving.load(Path(self.out) / "saved_model")
        details = {} if images else DETAILS
        rows = [
            _row(model, name, image, details.get(name))
            for name, image in (images or task.photographs).items()
        ]
        with (
            storage.owned(self.out, alone=True) as out,
            out.new_file(PICTURE) as partial,
        ):
            _drawn(rows).savefig(partial, format="png", dpi=100)
        gains = "; ".join(
            f"{row.name} {row.network_psnr:.1f} dB (bicubic {row.bicubic_psnr:.1f})" for row in rows
        )
        print(
            f"\nA network of {model.count_params():,} numbers, trained on 7 photographs, enlarges others "
            f"threefold.\nPSNR, higher is nearer to the photograph: {gains}."
            f"\n\nLook at it:                    {self.out}/{PICTURE}"
            f"\nTry a photograph of your own:  dnzoo demo PHOTO --out {self.out}"
            f"\nEnlarge one three times:       dnzoo predict {self.out}/saved_model PHOTO"
        )


def _photograph(path: str) -> "np.ndarray":
    """A person's photograph, of LARGEST rows and columns at most: cameras' last doubling is mostly noise.

    Raises:
        ValueError: when it can't be read, or is smaller than a detail.
    """
    import numpy as np
    from PIL import Image

    from dnzoo.data.photographs import cut, read

    picture = Image.fromarray(read(path))
    size = f"{picture.width} x {picture.height}"
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    if min(picture.size) < SIDE + SCALE:
        raise ValueError(
            f"{path} has {size} pixels; of at most {LARGEST} rows and columns, {SIDE + SCALE} x "
            f"{SIDE + SCALE} are needed, to show a detail."
        )
    return cut(np.array(picture), SCALE)


def _row(
    model: "keras.Model", name: str, image: "np.ndarray", detail: tuple[int, int] | None
) -> Row:
    """A photograph reduced, and enlarged again in both ways; `detail`: its top and left, if known."""
    from dnzoo.data.photographs import resize
    from dnzoo.inference import upscale
    from dnzoo.tasks.super_resolution import compare

    small = resize(image, 1 / SCALE)
    bicubic, network = resize(small, SCALE), upscale(model, small)
    scores = compare(lambda _: network, {name: image}, SCALE)
    top, left = detail or _detail(image, bicubic)
    details = [
        picture[top : top + SIDE, left : left + SIDE]
        for picture in (small.repeat(SCALE, 0).repeat(SCALE, 1), bicubic, network, image)
    ]
    return Row(
        Path(name).name, image, top, left, *details, scores["bicubic_psnr_y"], scores["psnr_y"]
    )


def _detail(image: "np.ndarray", bicubic: "np.ndarray") -> tuple[int, int]:
    """(top, left) of the detail that bicubic enlargement restores worst, at multiples of SCALE."""
    import numpy as np

    error = ((image.astype("float32") - bicubic) ** 2).mean(-1)
    sums = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[SIDE:, SIDE:] - sums[:-SIDE, SIDE:] - sums[SIDE:, :-SIDE] + sums[:-SIDE, :-SIDE]
    top, left = np.unravel_index(inside[::SCALE, ::SCALE].argmax(), inside[::SCALE, ::SCALE].shape)
    return int(top) * SCALE, int(left) * SCALE


def _drawn(rows: Sequence[Row]) -> Any:
    """A figure: a row for each photograph, which is shown with its detail, in four ways, beside it."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(16, 3.7 * len(rows) + 0.5), layout="constrained")
    figure.suptitle(
        f"A detail at a third of the size, and enlarged {SCALE} times again", fontsize=16
    )
    for row, axes in zip(rows, figure.subplots(len(rows), 5, squeeze=False)):
        captions = {
            row.name: row.whole,
            f"a third: {SIDE // SCALE} x {SIDE // SCALE} pixels": row.small,
            f"bicubic: {row.bicubic_psnr:.1f} dB": row.bicubic,
            f"the network: {row.network_psnr:.1f} dB": row.network,
            "the photograph": row.photograph,
        }
        for axis, (caption, picture) in zip(axes, captions.items()):
            axis.imshow(picture, interpolation="nearest" if picture is row.small else None)
            axis.set_title(caption, fontsize=13)
            axis.axis("off")
        frame = {"fill": False, "edgecolor": "white", "linewidth": 1.5}
        axes[0].add_patch(Rectangle((row.left, row.top), SIDE, SIDE, **frame))
    return figure
