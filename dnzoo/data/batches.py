"""From arrays to batches: one order and one augmentation for every backend.

A batch is a function of (seed, step) alone, so that a run that is interrupted at any step goes on
with the batches it would have seen. What `fit` gets is (inputs, targets): float32 inputs and the
targets as they are, unless a function makes something else of the rows.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np


class Batches:
    """Batches of one split for training: shuffled anew each epoch, augmented, endless.

    Args:
        arrays: one or more, (n, ...), in memory or memory-mapped: rows of the same number belong
            together.
        batch_size: at most n is used.
        seed: fixes order and augmentation.
        augment: function (*rows, rng) -> what `fit` takes as a batch; None: inputs and targets.
        limit: use only the first so many examples.
        repeat: how often each example comes in an epoch, augmented differently.
    """

    def __init__(
        self,
        *arrays: np.ndarray,
        batch_size: int,
        seed: int = 0,
        augment: Callable[..., Any] | None = None,
        limit: int | None = None,
        repeat: int = 1,
    ) -> None:
        self.arrays: list[np.ndarray] = [array[:limit] for array in arrays]
        self.batch_size: int = min(batch_size, repeat * len(self))
        self.seed: int = seed
        self.augment: Callable[..., Any] = augment or _plain
        self.repeat: int = repeat
        self.steps_per_epoch: int = repeat * len(self) // self.batch_size
        self._order = functools.lru_cache(maxsize=2)(self._shuffle)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def _shuffle(self, epoch: int) -> np.ndarray:
        order = np.random.default_rng([self.seed, epoch]).permutation(self.repeat * len(self))
        return order % len(self)

    def batch(self, step: int) -> Any:
        """Batch number `step`, counted from the run's start."""
        epoch, position = divmod(int(step), self.steps_per_epoch)
        chosen = slice(position * self.batch_size, (position + 1) * self.batch_size)
        rows = np.sort(self._order(epoch)[chosen])  # the file is read in its own order
        rng = np.random.default_rng([self.seed, int(step), 1])
        return _floats(self.augment(*(array[rows] for array in self.arrays), rng))

    def dataset(self, first_step: int, last_step: int) -> Any:
        """The batches of these steps, as what `fit` takes: prefetched in the background."""
        sample = _one(self.arrays, self.augment)
        return _dataset(self.batch, first_step, last_step, sample, self.batch_size)


class Evaluation:
    """Each example of a split once, in order, the last batch smaller.

    Args:
        arrays, limit: as for `Batches`.
        batch_size: examples per batch.
        seed: of what `prepare` does at random: the same at every evaluation.
        prepare: function (*rows, rng) -> a batch; None: inputs and targets.
        fill: a number for each array of a batch, that fills the last one up where several devices
            share it: examples that do not count. None: what can't be shared is left out there.
    """

    def __init__(
        self,
        *arrays: np.ndarray,
        batch_size: int,
        seed: int = 0,
        prepare: Callable[..., Any] | None = None,
        limit: int | None = None,
        fill: Sequence[float] | None = None,
    ) -> None:
        self.arrays: list[np.ndarray] = [array[:limit] for array in arrays]
        self.batch_size: int = batch_size
        self.seed: int = seed
        self.fill: Sequence[float] | None = fill
        self.prepare: Callable[..., Any] = prepare or _plain
        self.steps: int = -(-len(self) // batch_size)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def batch(self, step: int) -> Any:
        """Batch number `step`."""
        chosen = slice(int(step) * self.batch_size, (int(step) + 1) * self.batch_size)
        rng = np.random.default_rng([self.seed, int(step), 2])
        return _floats(self.prepare(*(np.asarray(array[chosen]) for array in self.arrays), rng))

    def dataset(self, devices: int = 1) -> Any:
        """All batches, as what `evaluate` takes: prefetched in the background."""
        sample = _one(self.arrays, self.prepare)
        if devices == 1:
            return _dataset(self.batch, 0, self.steps, sample)
        last = len(self) - (self.steps - 1) * self.batch_size
        steps = self.steps if self.fill is not None or last >= devices else self.steps - 1

        def shared(step: int) -> Any:
            batch = self.batch(step)
            extra = len(keras.tree.flatten(batch)[0]) % devices
            if not extra:
                return batch
            if self.fill is None:
                return keras.tree.map_structure(lambda array: array[:-extra], batch)
            fill = iter(self.fill)
            return keras.tree.map_structure(
                lambda array: _filled(array, devices - extra, next(fill)), batch
            )

        return _dataset(shared, 0, steps, sample)


def _one(arrays: Sequence[np.ndarray], prepare: Callable[..., Any]) -> Any:
    """A batch of one example: it says what a batch looks like."""
    rows = (np.asarray(array[:1]) for array in arrays)
    return _floats(prepare(*rows, np.random.default_rng(0)))


def _plain(
    inputs: np.ndarray, targets: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(inputs, "float32"), targets


def _floats(batch: Any) -> Any:
    """float64, which no model takes, as float32."""
    return keras.tree.map_structure(
        lambda a: np.asarray(a, "float32") if a.dtype == "float64" else a, batch
    )


def _filled(array: np.ndarray, count: int, value: float) -> np.ndarray:
    return np.pad(array, [(0, count), *[(0, 0)] * (array.ndim - 1)], constant_values=value)


def _dataset(
    batch: Callable[[int], Any],
    first_step: int,
    last_step: int,
    sample: Any,
    batch_size: int | None = None,
) -> Any:
    try:
        import tensorflow as tf
    except ImportError:
        return _without_tensorflow(batch, first_step, last_step)
    leaves = keras.tree.flatten(sample)

    def load(step: Any) -> Any:
        arrays = tf.numpy_function(
            lambda step: keras.tree.flatten(batch(step)),
            [step],
            [a.dtype for a in leaves],
            stateful=False,
        )
        shaped = [
            tf.ensure_shape(array, (batch_size, *leaf.shape[1:]))
            for array, leaf in zip(arrays, leaves)
        ]
        return keras.tree.pack_sequence_as(sample, shaped)

    # There is nothing to tune, and an iterator's end waits until the tuner wakes: up to a minute
    options = tf.data.Options()
    options.autotune.enabled = False
    steps = tf.data.Dataset.range(first_step, last_step).with_options(options)
    return steps.map(load, num_parallel_calls=2, deterministic=True).prefetch(4)


def _without_tensorflow(batch: Callable[[int], Any], first_step: int, last_step: int) -> Any:
    class Steps(keras.utils.PyDataset):
        def __len__(self) -> int:
            return last_step - first_step

        def __getitem__(self, index: int) -> Any:
            return batch(first_step + index)

    return Steps(workers=1, max_queue_size=4)
