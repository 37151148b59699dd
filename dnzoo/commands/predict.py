"""`dnzoo predict`: a model applied to image files."""

import dataclasses
from typing import Annotated, Any

import tyro

from dnzoo import startup, terminal

SOURCE: Any = tyro.conf.arg(metavar="IMAGE_OR_FOLDER")
BOXES: Any = tyro.conf.arg(metavar="LEFT TOP RIGHT BOTTOM ...")


@dataclasses.dataclass
class Predict:
    """Apply a model to images: segmentation writes NAME_mask.png and NAME_overlay.png, super-resolution
    the larger image, a classifier NAME_labels.txt, generators samples.png."""

    model: Annotated[tyro.conf.Positional[str], terminal.MODEL]
    """A pretrained model's name, or the folder of a SavedModel or a run."""
    source: Annotated[tyro.conf.Positional[str | None], SOURCE] = None
    """An image, or a folder with images, of any size; none for a generator."""
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
        """Write the results and name them."""
        startup.start_keras()
        from dnzoo import saving
        from dnzoo.inference import files
        from dnzoo.storage import pretrained

        model = saving.load(self.model)
        meta = pretrained.read_meta(pretrained.find(self.model))
        for path in files.predict_files(
            model,
            self.source,
            self.out,
            meta["palette"],
            self.boxes,
            self.count,
            self.seed,
            self.overwrite,
            meta["class_names"],
            None if self.white is None else (0.0, self.white),
        ):
            print(path)
