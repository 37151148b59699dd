"""One cell of the study: a net with an operator is trained, then looked at from all sides."""

import dataclasses
import functools
import statistics
import time

import keras
import nets
import numpy as np
import tasks

from dnzoo import analysis, storage, training
from dnzoo.imaging import drawing

POINTS = 10  # of a learning curve
WARMUP = 50
STABLE_STEPS, HIGHEST = 100, 12  # of one attempt at a rate; rates are doubled so often at most


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


FIELDS = tuple(field.name for field in dataclasses.fields(Cell))
COLUMNS = (
    *FIELDS,
    *("widths", "parameters", "macs", "training_bytes", "step_ms", "curve"),
    *("train_loss", "test_loss", "validation", "psnr", "ssim", "mean_iou", "boundary_iou"),
    *("frechet_distance", "gradient_norm_at_start", "gradient_norm", "checkerboard_at_start"),
    *("checkerboard", "checkerboard_of_gradients_at_start", "checkerboard_of_gradients"),
    *("diverged", "largest_stable_rate"),
)


@functools.lru_cache(maxsize=4)
def _task(name, places, seed, loss, smoke):
    return tasks.load(name, places, seed, loss or "mse", smoke)


def run(cell, widths, places, smoke=False, samples=None):
    """The cell's row, of `COLUMNS`; "" where a column says nothing of it.

    `samples` is a folder for pictures of what the net makes of held-out inputs.
    """
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(cell.seed)
    setting = tasks.SETTINGS[cell.task]
    task = _task(cell.task, places, cell.seed, cell.loss, smoke)
    build, _, shape = nets.NETS[cell.task]
    model = build(cell.operator, widths, cell.activation)
    cost = analysis.complexity(nets.decoder(model), shape, batch_size=setting.batch)
    row = dict.fromkeys(COLUMNS, "") | dict(zip(FIELDS, cell.key))
    row |= {
        "widths": " ".join(map(str, widths)),
        "parameters": cost.parameters,
        "macs": cost.macs,
        "training_bytes": cost.training_bytes,
    }
    if cell.stage == "stability":
        found = stability(model, task, cell)
    else:
        found = trained(model, task, cell, POINTS if smoke else setting.steps)
        if samples and not found["diverged"]:
            keep_samples(model, task, cell, samples)
    return row | {name: _short(value) for name, value in found.items()}


def _short(value):
    return value if isinstance(value, str | int) else f"{float(value):.6g}"


def trained(model, task, cell, steps):
    """Train; measurements before and after."""
    adversarial = cell.task == "gan"
    compile_(model, task, schedule(cell.rate, steps), adversarial)
    before = look(model, task, cell.task)
    curve, step_ms = learn(model, task, steps)
    finite = bool(np.isfinite(curve).all())
    found = {
        "step_ms": step_ms,
        "curve": " ".join(f"{value:.5g}" for value in curve),
        "train_loss": curve[-1],
        "diverged": int(not finite or (not adversarial and curve[-1] > curve[0])),
        "gradient_norm_at_start": before["gradient_norm"],
        "checkerboard_at_start": before["output"],
        "checkerboard_of_gradients_at_start": before["gradient"],
    }
    if not finite:
        return found
    after = look(model, task, cell.task)
    if task.loss is not None:  # with metrics, which only take time in training
        model.compile(loss=task.loss, metrics=task.metrics(), jit_compile=False)
    return found | {
        "validation": task.validate(model)[task.monitor],
        "gradient_norm": after["gradient_norm"],
        "checkerboard": after["output"],
        "checkerboard_of_gradients": after["gradient"],
        **task.evaluate(model),
    }


def schedule(rate, steps):
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - WARMUP, 1), warmup_target=rate, warmup_steps=min(WARMUP, steps - 1)
    )


def compile_(model, task, rate, adversarial):
    optimizer = training.Adam(rate, beta_1=0.5 if adversarial else 0.9)
    model.compile(optimizer, task.loss, jit_compile=False)


def learn(model, task, steps):
    """The mean loss in each tenth of the training, and the median milliseconds of a step."""
    times = [time.perf_counter()]
    clock = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: times.append(time.perf_counter())
    )
    history = model.fit(
        task.train.dataset(0, steps),
        epochs=POINTS,
        steps_per_epoch=steps // POINTS,
        verbose=0,
        shuffle=False,
        callbacks=[clock],
    ).history
    curve = history["nelbo"] if "nelbo" in history else history["loss"]
    return curve, 1000 * statistics.median(np.diff(times)) / (steps // POINTS)


def stability(model, task, cell):
    """The largest of the rates 1, 2, 4... times the cell's with which a short training goes down.

    Down: the mean loss of its last fifth is finite, and below that before the first step.
    """
    compile_(model, task, cell.rate, False)
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    kept = [*model.variables, *optimizer.variables]
    start = [keras.ops.convert_to_numpy(v) for v in kept]
    stable = 0.0
    for rate in [0.0, *(cell.rate * 2**k for k in range(HIGHEST))]:
        for variable, value in zip(kept, start):
            variable.assign(value)
        optimizer.learning_rate = rate
        steps = STABLE_STEPS // 5 if rate == 0 else STABLE_STEPS
        data = task.train.dataset(0, steps)
        epochs = steps // (STABLE_STEPS // 5)
        losses = model.fit(
            data, epochs=epochs, steps_per_epoch=STABLE_STEPS // 5, verbose=0, shuffle=False
        ).history["loss"]
        if rate == 0:
            first = losses[0]
        elif not np.isfinite(losses[-1]) or losses[-1] >= first:
            break
        else:
            stable = rate
    return {"largest_stable_rate": stable}


def look(model, task, name):
    """Gradient norm of a batch, and checkerboards of outputs and of the gradient of an image.

    The gradient is that of what reads the image: the encoder, the network, or the discriminator.
    """
    import tensorflow as tf

    x, y, *_ = (*task.train.batch(0), None)
    x = tf.convert_to_tensor(x)
    state = [(v, keras.ops.convert_to_numpy(v)) for v in model.non_trainable_variables]
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
    for variable, value in state:  # looking changes no statistics
        variable.assign(value)
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


def keep_samples(model, task, cell, folder):
    """A row of pictures, and one of the truth beside the reference's."""
    truth, made = task.samples(model)
    wanted = {cell.operator: made}
    if cell.operator == nets.REFERENCE:
        wanted["truth"] = truth
    for name, images in wanted.items():
        images = np.asarray(images, "float32")
        with storage.new_file(folder / f"{cell.task}-{name}.png", overwrite=True) as path:
            drawing.sheet(images, len(images), enlarge=1).save(path)
