"""What every task has: its batches, how to validate, what to say and show."""

from dnzoo.data import Batches, Evaluation

SMOKE_EXAMPLES = 32


class Task:
    """A kind of learning, for `dnzoo.training.run`.

    A subclass has `evaluate(model)`: numbers on the test split, a dict; `pictures(model)`: a Pillow
    image of held-out examples; and `caption`: what it shows.

    Args:
        data: with `name`, `detail` and `splits`, arrays for "train", "validation" and "test".
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
        augment, prepare, fill, repeat: as for `dnzoo.data.Batches` and `dnzoo.data.Evaluation`.

    Attributes:
        train, validation, test: the batches.
        loss: for `compile`; None: the model has its own.
        monitor: name of the number that the best epoch is chosen by, on validation.
        lower_is_better: whether it is a loss.
        curves: names of more numbers that the report draws.
        published: keywords for `dnzoo.save`.
    """

    loss = None
    monitor, lower_is_better, curves = "loss", True, ()

    def __init__(self, data, config, augment=None, prepare=None, fill=None, repeat=1):
        limit = SMOKE_EXAMPLES if config.smoke else None
        self.data, self.config, self.name = data, config, data.name
        self.train = Batches(
            *data.splits["train"],
            batch_size=config.batch_size,
            seed=config.seed,
            augment=augment,
            limit=limit,
            repeat=repeat,
        )
        parts = {
            split: Evaluation(
                *data.splits[split],
                batch_size=config.batch_size,
                seed=config.seed,
                prepare=prepare,
                limit=limit,
                fill=fill,
            )
            for split in ("validation", "test")
            if split in data.splits
        }
        self.validation, self.test = parts["validation"], parts.get("test")
        self.published = {}
        self.description = f"{data.name} ({data.detail}): " + ", ".join(
            f"{len(part):,} {split}" for split, part in {"training": self.train, **parts}.items()
        )

    def metrics(self):
        """Metrics to follow while training."""
        return []

    def validate(self, model, devices=1, callbacks=()):
        """Numbers on the validation split, a dict."""
        data = self.validation.dataset(devices)
        return model.evaluate(data, verbose=0, return_dict=True, callbacks=list(callbacks))

    def end_epoch(self, model, out, epoch):
        """Called after each epoch: a place for pictures of the progress.

        Args:
            model: as it is after the epoch.
            out: the run's folder, a `dnzoo.storage.Owned`; `out.new_file(name)` gives a file in it.
            epoch: number of the epoch, from 1.
        """

    def progress(self, out):
        """What `end_epoch` left in `out`, for the report: (Pillow image, caption), or None."""
