"""`python -m dnzoo list` and `python -m dnzoo predict MODEL IMAGE_OR_FOLDER --out DIR`."""

import dataclasses
import sys

import tyro


@dataclasses.dataclass
class List:
    """Show the models and the pretrained ones."""

    pattern: str = "*"
    """As in a shell: "unet*"."""

    def run(self):
        """Print two tables."""
        import rich.table

        from dnzoo import pretrained
        from dnzoo.models import list_models

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
    """Label every pixel of photographs: writes NAME_mask.png and NAME_overlay.png."""

    model: tyro.conf.Positional[str]
    """A pretrained model's name, or the folder of a SavedModel."""
    source: tyro.conf.Positional[str]
    """An image, or a folder with images, of any size."""
    out: str
    """The folder for the results."""

    def run(self):
        """Write the pictures and name them."""
        from dnzoo import inference, pretrained, saving

        model = saving.load(self.model)
        palette = pretrained.read_meta(pretrained.find(self.model))["palette"]
        for path in inference.predict_files(model, self.source, self.out, palette):
            print(path)


def main():
    """Run the command that the arguments name."""
    action = tyro.extras.subcommand_cli_from_dict(
        {"list": List, "predict": Predict}, prog="python -m dnzoo", description=__doc__
    )
    try:
        action.run()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
