"""One cell of the study: a net with an operator is trained, then looked at from all sides."""

import dataclasses
import functools
import time

import keras
import nets
import numpy as np
import tasks

from dnzoo import analysis, training

POINTS = 10  # of a learning curve
WARMUP = 50


@dataclasses.dataclass(frozen=True)
class Places:
    """Where data comes from: what the recipes' --data takes."""

    data_dir: str = "data"
    cifar10: str = "cifar10"
    mnist: str = "mnist"
    fashion_mnist: str = "fashion_mnist"
    photographs: str = "photographs"


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is varied. Its fields are the first columns of its row."""

    stage: str
    task: str
    operator: str
    seed: int
    rate: float
    matched: str = "parameters"
    activation: str = "relu"
    loss: str = ""

    @property
    def key(self):
        return tuple(map(str, dataclasses.astuple(self)))


@functools.lru_cache(maxsize=4)
def _task(name, places, seed, loss, smoke):
    return tasks.load(name, places, seed, loss or "mse", smoke)


def run(cell, widths, places, smoke=False):
    """The cell's row."""
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(cell.seed)
    setting = tasks.SETTINGS[cell.task]
    task = _task(cell.task, places, cell.seed, cell.loss, smoke)
    build, _, shape = nets.NETS[cell.task]
    model = build(cell.operator, widths, cell.activation)
    steps = POINTS if smoke else setting.steps
    compile_(model, task, cell.rate, steps, cell.task == "gan")
    before = look(model, task, cell.task)
    started = time.perf_counter()
    curve = learn(model, task, steps)
    seconds = time.perf_counter() - started
    finite = bool(np.isfinite(curve).all())
    row = dict(zip((field.name for field in dataclasses.fields(cell)), cell.key))
    cost = analysis.complexity(nets.decoder(model), shape)
    row |= {
        "widths": " ".join(map(str, widths)),
        "parameters": cost.parameters,
        "macs": cost.macs,
        "seconds": f"{seconds:.1f}",
        "curve": " ".join(f"{value:.5g}" for value in curve),
        "diverged": int(not finite or (cell.task != "gan" and curve[-1] > curve[0])),
        "gradient_norm_at_start": f"{before['gradient_norm']:.4g}",
        "checkerboard_at_start": f"{before['output']:.4g}",
    }
    for name in RESULTS:
        row[name] = ""
    if finite:
        row |= judged(model, task, cell.task)
    return row


RESULTS = (
    *("validation", "test_loss", "score", "psnr", "ssim", "mean_iou", "gradient_norm"),
    *("checkerboard", "checkerboard_of_gradients"),
)


def compile_(model, task, rate, steps, adversarial):
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - WARMUP, 1), warmup_target=rate, warmup_steps=min(WARMUP, steps - 1)
    )
    optimizer = training.Adam(schedule, beta_1=0.5 if adversarial else 0.9)
    model.compile(optimizer, task.loss, jit_compile=False)


def learn(model, task, steps):
    """The mean loss in each tenth of the training."""
    history = model.fit(
        task.train.dataset(0, steps),
        epochs=POINTS,
        steps_per_epoch=steps // POINTS,
        verbose=0,
        shuffle=False,
    ).history
    return history["nelbo"] if "nelbo" in history else history.get("total", history["loss"])


def judged(model, task, name):
    """What the trained net reaches."""
    setting = tasks.SETTINGS[name]
    if task.loss is not None:  # metrics too, which would only take time in training
        model.compile(loss=task.loss, metrics=task.metrics(), jit_compile=False)
    validation = task.validate(model)
    found = task.evaluate(model)
    after = look(model, task, name)
    row = {
        "validation": f"{validation[task.monitor]:.6g}",
        "score": f"{found[setting.score]:.6g}",
        "gradient_norm": f"{after['gradient_norm']:.4g}",
        "checkerboard": f"{after['output']:.4g}",
        "checkerboard_of_gradients": f"{after['gradient']:.4g}",
    }
    for column, source in (("psnr", "psnr"), ("ssim", "ssim"), ("mean_iou", "mean_iou")):
        value = found.get(source, found.get(f"{source}_y"))
        if value is not None:
            row[column] = f"{value:.6g}"
    if task.loss is not None and task.test is not None:
        found = model.evaluate(task.test.dataset(), verbose=0, return_dict=True)
        row["test_loss"] = f"{found['loss']:.6g}"
    elif name == "vae":
        row["test_loss"] = row["score"]
    return row


def look(model, task, name):
    """Gradient norm of a batch, and checkerboards of outputs and of the gradient of an image.

    The gradient is that of what reads the image: the encoder, the network, or the discriminator.
    """
    import tensorflow as tf

    x, y, *_ = (*task.train.batch(0), None)
    x = tf.convert_to_tensor(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        made = model(x, training=True)
        loss = model.compute_loss(x, y, made, training=True)
        if name == "gan":
            latent = tf.random.stateless_normal((len(x), nets.LATENT["gan"]), [0, 0])
            picture = model.generator(latent, training=True)
            doubt = tf.reduce_mean(tf.nn.softplus(-model.discriminator(picture, training=True)))
    weights = nets.decoder(model).trainable_variables
    norms = [
        tf.norm(tf.cast(g, "float32"))
        for g in tape.gradient(loss, [w.value for w in weights])
        if g is not None
    ]
    gradient = tape.gradient(doubt, picture) if name == "gan" else tape.gradient(loss, x)
    return {
        "gradient_norm": float(tf.norm(norms)),
        "output": analysis.checkerboard(pictures(model, task, name), 2),
        "gradient": analysis.checkerboard(gradient.numpy(), 2),
    }


def pictures(model, task, name, count=64):
    """What the net makes of held-out inputs: pictures, or the logits of a segmentation."""
    if name == "gan":
        return model.generate(count, seed=0)
    images = task.validation.batch(0)[0][:count]
    if name == "vae":
        return model.reconstruct(images)
    return keras.ops.convert_to_numpy(model.predict_on_batch(images))
