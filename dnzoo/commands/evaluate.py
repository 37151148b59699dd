"""`dnzoo evaluate`: the metrics of a trained model on the test split of some data."""

import dataclasses
import logging
from pathlib import Path
from typing import Annotated, Any

import tyro

from dnzoo import startup, storage, terminal
from dnzoo.storage import pretrained


@dataclasses.dataclass
class Evaluate:
    """Measure a trained model on the test split of data, which is prepared as for a training."""

    model: Annotated[tyro.conf.Positional[str], terminal.MODEL]
    """A pretrained model's name, or the folder of a SavedModel or a run."""
    data: Annotated[str | None, terminal.DATA] = None
    """What a recipe's --data takes; without it the run's own data, where the model lies in a run's folder."""
    data_dir: Annotated[str, terminal.FOLDER] = "data"
    """Where prepared data is kept, to be used again."""
    image_size: int | None = None
    """As the recipe's; without it that of the run, or the recipe's default."""
    scenes: int | None = None
    """As the recipe's, of composed scenes; the same."""
    batch_size: int | None = None
    """Images per step; the same."""
    seed: int | None = None
    """As the recipe's: it splits data that has no test split; the same."""
    config: Annotated[str | None, terminal.FILE] = None
    """A config.json with the other settings of the data; without it that of the run."""
    json: Annotated[str | None, terminal.FILE] = None
    """Write the metrics to this file too."""
    overwrite: bool = False
    """Replace a file that is there."""
    smoke: bool = False
    """A few images, to see that everything works."""

    def run(self) -> None:
        """Print the metrics."""
        if self.json and not self.overwrite:
            storage.refuse_existing(self.json)
        folder = pretrained.find(self.model)
        values = _settings(folder, self.config)
        given = ("data", "image_size", "scenes", "batch_size", "seed")
        values |= {key: getattr(self, key) for key in given if getattr(self, key) is not None}
        if "data" not in values:
            raise ValueError("say on which `data`: the model lies in no run's folder.")
        values |= {"data_dir": self.data_dir, "smoke": self.smoke, "out": str(folder)}
        startup.start_keras()
        logging.getLogger("absl").setLevel(logging.ERROR)  # as in a training
        from dnzoo import saving, tasks
        from dnzoo.training import report

        model = saving.load(folder)
        task = _task(tasks.of(model), model, values, [key for key in given if getattr(self, key)])
        metrics = task.evaluate(model)
        report.print_metrics(metrics, task.labels)
        if self.json:
            result = {"model": self.model, "data": values["data"], "metrics": metrics}
            storage.write_json(self.json, result, self.overwrite)
            print(f"JSON: {self.json}")


def _settings(folder: Path, file: str | None) -> dict[str, Any]:
    """The values of a config.json: the one named, or that of the run whose model it is."""
    path = folder.with_name("config.json") if file is None else Path(file)
    if file is None and not path.is_file():
        return {}
    return terminal.read_config(path)


def _task(task: Any, model: Any, values: dict[str, Any], given: list[str]) -> Any:
    """The task with its data, of those values that are settings of it."""
    config_class = task.config_of(model, type("Nothing", (), {}))
    known = {field.name for field in dataclasses.fields(config_class)}
    foreign = [f"`{key}`" for key in given if key not in known]
    if foreign:
        raise ValueError(f"{', '.join(foreign)}: the data of {task.words()} has no such setting.")
    return task.from_config(config_class(**{k: v for k, v in values.items() if k in known}))
