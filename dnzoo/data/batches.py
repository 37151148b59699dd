"""From arrays to batches: one order and one augmentation for every backend.

A batch is a function of (seed, step) alone, so that a run that is interrupted at any step goes on
with the batches it would have seen.
"""

import functools

import numpy as np

from dnzoo.data.arrays import IGNORE


class Batches:
    """Batches of one split for training: shuffled anew each epoch, augmented, endless.

    Args:
        images: (n, H, W, C) uint8, in memory or memory-mapped.
        masks: (n, H, W) uint8.
        batch_size: at most n is used.
        seed: fixes order and augmentation.
        augment: function (images, masks, rng) -> (images, masks), or None.
        limit: use only the first so many images.
    """

    def __init__(self, images, masks, batch_size, seed=0, augment=None, limit=None):
        self.images, self.masks = images[:limit], masks[:limit]
        self.batch_size = min(batch_size, len(self.images))
        self.seed, self.augment = seed, augment
        self.steps_per_epoch = len(self.images) // self.batch_size
        self._order = functools.lru_cache(maxsize=2)(self._shuffle)

    def _shuffle(self, epoch):
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.images))

    def batch(self, step):
        """Batch number `step`, counted from the run's start: float32 images, uint8 masks."""
        epoch, position = divmod(int(step), self.steps_per_epoch)
        chosen = slice(position * self.batch_size, (position + 1) * self.batch_size)
        rows = np.sort(self._order(epoch)[chosen])  # the file is read in its own order
        images, masks = self.images[rows], self.masks[rows]
        if self.augment is not None:
            rng = np.random.default_rng([self.seed, int(step), 1])
            images, masks = self.augment(images, masks, rng)
        return np.asarray(images, "float32"), masks

    def dataset(self, first_step, last_step):
        """The batches of these steps, as what `fit` takes: prefetched in the background."""
        shapes = (self.batch_size, *self.images.shape[1:]), (self.batch_size, *self.masks.shape[1:])
        return _dataset(self.batch, first_step, last_step, shapes)


class Evaluation:
    """Each image of a split once, in order, the last batch smaller; arguments as for `Batches`."""

    def __init__(self, images, masks, batch_size, limit=None):
        self.images, self.masks = images[:limit], masks[:limit]
        self.batch_size = batch_size
        self.steps = -(-len(self.images) // batch_size)

    def batch(self, step):
        """Batch number `step`: float32 images, uint8 masks."""
        chosen = slice(int(step) * self.batch_size, (int(step) + 1) * self.batch_size)
        return np.asarray(self.images[chosen], "float32"), np.asarray(self.masks[chosen])

    def dataset(self, devices=1):
        """All batches, as what `evaluate` takes: prefetched in the background.

        Several devices share a batch evenly: the last one is filled up with ignored images.
        """
        shapes = (None, *self.images.shape[1:]), (None, *self.masks.shape[1:])

        def shared(step):
            images, masks = self.batch(step)
            missing = -len(images) % devices
            images = np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)])
            return images, np.pad(masks, [(0, missing), (0, 0), (0, 0)], constant_values=IGNORE)

        return _dataset(self.batch if devices == 1 else shared, 0, self.steps, shapes)


def _dataset(batch, first_step, last_step, shapes):
    try:
        import tensorflow as tf
    except ImportError:
        return _without_tensorflow(batch, first_step, last_step)

    def load(step):
        images, masks = tf.numpy_function(batch, [step], (tf.float32, tf.uint8), stateful=False)
        return tf.ensure_shape(images, shapes[0]), tf.ensure_shape(masks, shapes[1])

    steps = tf.data.Dataset.range(first_step, last_step)
    return steps.map(load, num_parallel_calls=2, deterministic=True).prefetch(4)


def _without_tensorflow(batch, first_step, last_step):
    import keras

    class Steps(keras.utils.PyDataset):
        def __len__(self):
            return last_step - first_step

        def __getitem__(self, index):
            return batch(first_step + index)

    return Steps(workers=1, max_queue_size=4)
