"""`python -m dnzoo list` and `python -m dnzoo predict MODEL [IMAGE_OR_FOLDER] --out DIR`."""

import dataclasses
import sys

import tyro


@dataclasses.dataclass
class List:
    """Show the models and the pretrained ones."""

    pattern: str = "*"
    """As in a shell: "unet*"."""

    def run(self) -> None:
        """Print two tables."""
        import rich.table

        from dnzoo.models import list_models
        from dnzoo.storage import pretrained

        models = rich.table.Table("model", box=rich.box.SIMPLE)
        for name in list_models(self.pattern):
            models.add_row(name)
        trained = rich.table.Table(
            "pretrained", "MB", "metric", "value", "where", box=rich.box.SIMPLE
        )
        for column in trained.columns:
            column.overflow = "fold"  # names are to be copied: nothing is cut off
        trained.columns[0].no_wrap = True
        for name in pretrained.list_pretrained(self.pattern):
            trained.add_row(name, *pretrained.describe(name))
        rich.print(models, trained)


@dataclasses.dataclass
class Predict:
    """Apply a model to images: segmentation writes NAME_mask.png and NAME_overlay.png, super-resolution
    the larger picture, generators samples.png."""

    model: tyro.conf.Positional[str]
    """A pretrained model's name, or the folder of a SavedModel."""
    source: tyro.conf.Positional[str | None] = None
    """An image, or a folder with images, of any size; none for a generator."""
    out: str = "predictions"
    """The folder for the results."""
    boxes: tuple[float, ...] | None = None
    """For masks of objects: left top right bottom in pixels, of one box after the other."""
    count: int = 64
    """For generators: how many pictures."""
    seed: int = 0
    """For generators: of the latents."""
    white: float | None = None
    """The value that is white in 16-bit and float images; none: as in training."""
    overwrite: bool = False
    """Replace results that are there."""

    def run(self) -> None:
        """Write the pictures and name them."""
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


def main() -> None:
    """Run the command that the arguments name."""
    action = tyro.extras.subcommand_cli_from_dict(
        {"list": List, "predict": Predict}, prog="python -m dnzoo", description=__doc__
    )
    try:
        action.run()
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
