"""Training contestants of speed.py: each gives `run(steps)`, which returns the last loss."""

import time

from speed_works import keras_model, pytorch_net, to_torch


def dnzoo_train(work, precision, folder, plain=False):
    """Steps of `fit`, with the optimiser and loss that a user names."""
    import keras

    keras.config.set_dtype_policy({"bf16": "mixed_bfloat16"}.get(precision, precision))
    model, x, y = keras_model(work, folder, plain), *work.batch()
    own = {"cross_entropy": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    if plain:
        optimizer = keras.optimizers.Adam()
    else:
        from dnzoo import losses, training

        own = {"cross_entropy": losses.CrossEntropy()}
        optimizer = training.Adam()
    own |= {"bce": keras.losses.BinaryCrossentropy(from_logits=True), "mae": "mae", None: None}
    on_cpu = keras.backend.backend() == "tensorflow"
    model.compile(optimizer, own[work.loss], jit_compile=False if on_cpu else "auto")

    return fitted(model, _repeated(x if y is None else (x, y)))


def fitted(model, batches):
    """`run(steps)` of a compiled model: steps of `fit`, and `run.seconds` that they took."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.begun = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):  # the losses are numbers: every step is done
            run.seconds = time.perf_counter() - self.begun  # without what `fit` clears away

    clock = Clock()

    def run(steps):
        history = model.fit(batches, steps_per_epoch=steps, verbose=0, callbacks=[clock]).history
        return history.get("total", history.get("loss"))[-1]

    return run


def _repeated(batch):
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensors(batch).repeat().prefetch(2)

    def forever():
        while True:
            yield batch if isinstance(batch, tuple) else (batch,)

    return forever()


def pytorch_train(work, precision, folder, compiled=False):
    import torch
    from torch.nn import functional as F

    net, device = pytorch_net(work, folder)
    x, y = to_torch(work.batch(), device)
    optimizer = torch.optim.Adam(net.parameters(), eps=1e-7, fused=True)
    if work.loss == "cross_entropy":
        y = y.long()
    losses = {"cross_entropy": F.cross_entropy, "mae": F.l1_loss}
    losses["bce"] = F.binary_cross_entropy_with_logits

    def loss_of():
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            if work.loss is None:
                noise = torch.randn(len(x), 100 if work.peer[0] == "DCGAN" else 20, device=device)
                return net.loss(x, noise)
            made = net(x)
        return losses[work.loss](made.float(), y)

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def run(steps):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of()
            loss.backward()
            optimizer.step()
        return loss.item()

    return run
