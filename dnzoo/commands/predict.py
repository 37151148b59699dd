"""`dnzoo predict`: a model applied to image files."""

import dataclasses
import functools
from typing import Annotated, Any

import tyro

from dnzoo import startup, terminal

SOURCES: Any = tyro.conf.arg(metavar="[IMAGE_OR_FOLDER ...]")
BOXES: Any = tyro.conf.arg(metavar="LEFT TOP RIGHT BOTTOM ...")


@dataclasses.dataclass
class Predict:
    """Apply a model to images, and say what it saw: segmentation writes NAME_mask.png and NAME_overlay.png,
    super-resolution the larger image, a classifier NAME_labels.txt, generators samples.png."""

    model: Annotated[tyro.conf.Positional[str], terminal.MODEL]
    """A pretrained model's name, or the folder of a SavedModel or a run."""
    sources: Annotated[tyro.conf.Positional[tuple[str, ...]], SOURCES] = ()
    """Images, or folders with images, of any size; none for a generator."""
    out: Annotated[str, terminal.FOLDER] = "predictions"
    """The folder for the results."""
    boxes: Annotated[tuple[float, ...] | None, BOXES] = None
    """For masks of objects: the sides in pixels, of one box after the other."""
    count: int = 64
    """For generators: how many images."""
    seed: int = 0
    """For generators: of the latents."""
    white: float | None = None
    """The value that is white in 16-bit and float images; none: as in training."""
    overwrite: bool = False
    """Replace results that are there."""

    def run(self) -> None:
        """Write the results, say of each image what was seen, and name the files."""
        startup.start_keras()
        from dnzoo import saving
        from dnzoo.inference import files

        written = files.predict_files(
            saving.load(self.model),
            self.sources,
            self.out,
            boxes=self.boxes,
            count=self.count,
            seed=self.seed,
            overwrite=self.overwrite,
            pixels=None if self.white is None else (0.0, self.white),
            tell=functools.partial(print, flush=True),
        )
        print(*written, sep="\n")
