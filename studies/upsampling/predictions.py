"""What theory says of the study's nets, beside what is measured: a row a prediction.

Multiply-accumulates against TensorFlow's profiler; memory of a training step against XLA's plan (needs
JAX); the time of a training step by a roofline that is fitted to the other nets; the checkerboard of fresh
layers, and the gradient through four of them, against their closed forms. A quarter of an hour, when
nothing else runs; the study's widths.csv lies beside the CSV:
    python studies/upsampling/predictions.py --out studies/upsampling/predictions.csv
"""

import dataclasses
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import tyro

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import cells
import nets
import table
from operators import OPERATORS

from dnzoo import analysis, layers
from dnzoo.analysis.complexity import macs
from dnzoo.analysis.graph import trace
from dnzoo.analysis.propagation import propagation
from dnzoo.data import Batches
from dnzoo.training.environment import environment

BATCH, DRAWS = 16, 64
STEPS, TURNS = 40, 5  # of a net, for its time
DEPTH, DEEP = 64, 4  # of the decoder whose gradient is looked at


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write; the study's widths.csv lies beside it."""
    plans: bool = False
    """Print what XLA plans for a training step of each net, and nothing else."""


def net(row):
    """(the part of the net that has the operator, its input's shape)."""
    build, _, shape = nets.NETS[row["task"]]
    model = nets.decoder(build(row["operator"], tuple(map(int, row["widths"].split()))))
    if None in model.input_shape[1:]:  # of one size, for those who ask the model
        import keras

        image = keras.Input(shape)
        model = keras.Model(image, model(image))
    return model, shape


def products(model, shape):
    """(predicted, measured) multiply-accumulates of all convolutions and dense layers."""
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    nodes = trace(model, shape).nodes
    kinds = ["Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput"]
    if any(isinstance(node.operation, keras.layers.Dense) for node in nodes):
        kinds.append("MatMul")  # where there is none, MatMul is a resize
    function = tf.function(model, input_signature=[tf.TensorSpec((1, *shape))])
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    settings = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    settings = {**settings, "output": "none", "account_type_regexes": kinds}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen.graph.as_graph_def(), name="")
        found = tf.compat.v1.profiler.profile(graph, options=settings)
    return sum(map(_convolved, nodes)), found.total_float_ops / 2


def _convolved(node):
    """Its multiply-accumulates less those of resizing and gathering, which the profiler omits."""
    operation, made = node.operation, np.prod(node.outputs[0].shape)
    if isinstance(operation, layers.Resize2D):
        return 0
    gathered = 0
    if isinstance(operation, layers.CARAFE):
        gathered = made * operation.kernel_size**2
    if isinstance(operation, layers.DySample):
        gathered = 4 * made
    return macs(node) - gathered


def trainer(model, shape):
    """A function that says how many milliseconds a training step takes, of a few on one batch."""
    import keras

    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, *shape)).astype("float32")
    y = np.zeros((BATCH, *model.output_shape[1:]), "float32")
    model.compile(keras.optimizers.SGD(1e-6), "mse", jit_compile=False)
    task = types.SimpleNamespace(train=Batches(x, y, batch_size=BATCH))
    return lambda: cells.learn(model, task, STEPS)[1]


def step_ms(trainers):
    """Median milliseconds of each: they take turns, so that a slow minute is nobody's alone."""
    turns = []
    for turn in range(TURNS):
        turns.append([measure() for measure in trainers])
        print(f"turn {turn + 1} of {TURNS}: {sum(turns[-1]):.0f} ms in all", flush=True)
    return np.median(turns, axis=0).tolist()


def planned(options):
    """(predicted, planned) bytes of a training step with Adam of every net, in a process on JAX."""
    done = subprocess.run(
        [sys.executable, __file__, "--out", options.out, "--plans"],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def plan(options):
    from xla_plan import planned_bytes

    found = []
    for row in matched(options):
        model, shape = net(row)
        cost = analysis.complexity(model, shape, batch_size=BATCH)
        found.append((cost.training_bytes, planned_bytes(model, BATCH)))
    print(json.dumps(found))


def matched(options):
    """The study's nets of equal parameters: rows of task, operator and widths."""
    rows = table.read(Path(options.out).with_name("widths.csv"))
    return [row for row in rows if row["matched"] == "parameters"]


def fresh(make, size, depth, mean, deviation):
    """Mean power spectrum of what untrained layers make of white noise around a mean.

    In float64: behind bilinear resizing the checkerboard is below what float32 rounds.
    """
    import keras

    keras.config.set_dtype_policy("float64")
    rng, powers, inside = np.random.default_rng(0), [], slice(16, 16 + size)
    for seed in range(DRAWS):
        keras.utils.set_random_seed(seed)
        y = mean + deviation * rng.normal(size=(1, size // 2 + 16, size // 2 + 16, depth))
        for layer in make():
            y = layer(y)
        powers.append(analysis.power_spectrum(np.asarray(y)[:, inside, inside]))
    keras.config.set_dtype_policy("float32")
    return np.mean(powers, axis=0)


def checkerboard(operator):
    """(closed form, measured) of fresh layers, for a nearly even picture of eight channels."""

    def make():
        return OPERATORS[operator].make(32)

    picture = (64, 8, 1.0, 0.1)
    powers = analysis.spectrum(make(), *picture), fresh(make, *picture)
    return tuple(analysis.checkerboard(power=power) for power in powers)


def gradient(operator):
    """(predicted, measured) mean square of the gradient through a deep decoder with ReLU.

    The decoder's input and the gradient of its output are white, of variance 1.
    """
    import keras
    import tensorflow as tf

    def chain():
        return [
            layer
            for _ in range(DEEP)
            for layer in (*OPERATORS[operator].make(DEPTH), keras.layers.ReLU())
        ]

    rng, squares = np.random.default_rng(0), []
    for seed in range(DRAWS // 4):
        keras.utils.set_random_seed(seed)
        x = y = tf.convert_to_tensor(rng.normal(size=(1, 8, 8, DEPTH)).astype("float32"))
        with tf.GradientTape() as tape:
            tape.watch(x)
            for layer in chain():
                y = layer(y)
            loss = tf.reduce_sum(y * rng.normal(size=y.shape).astype("float32"))
        found = np.asarray(tape.gradient(loss, x))[:, 2:-2, 2:-2]
        squares.append((found**2).mean())
    gains = [back for _, back in propagation(chain(), DEPTH)]
    return float(np.prod(gains)), float(np.mean(squares))


def roofline(rows):
    """Predicted times: seconds a multiply-accumulate, a byte, and a step, fitted to all other rows."""
    from scipy.optimize import nnls

    features = np.array([[row["macs"], row["bytes"], 1.0] for row in rows], float)
    times = np.array([row["ms"] for row in rows])
    found = []
    for left_out in range(len(rows)):
        others = np.arange(len(rows)) != left_out
        # relative errors count, so that small nets do too
        weighed = features[others] / times[others, None]
        scale = np.abs(weighed).max(0)
        factors, _ = nnls(weighed / scale, np.ones(others.sum()))
        found.append(float(features[left_out] @ (factors / scale)))
    return found


class Rows:
    """The CSV, written again with each row."""

    def __init__(self, path):
        self.path, self.rows = path, []

    def add(self, what, task, operator, predicted, measured):
        self.rows.append(
            {
                "what": what,
                "task": task,
                "operator": operator,
                "predicted": f"{predicted:.6g}",
                "measured": f"{measured:.6g}",
                "error": f"{predicted / measured - 1:+.4f}" if measured else "",
                **environment(),
            }
        )
        print(*list(self.rows[-1].values())[:6], sep="  ", flush=True)
        table.write(self.path, self.rows)


def of_layers(rows):
    for what, function in (
        ("checkerboard at initialisation", checkerboard),
        ("gradient through four layers", gradient),
    ):
        for operator in OPERATORS:
            try:
                found = function(operator)
            except (TypeError, ValueError):  # no formula is known
                continue
            rows.add(what, "", operator, *found)


def main(options):
    if options.plans:
        plan(options)
        return
    rows, found, trainers = Rows(options.out), [], []
    of_layers(rows)
    for row, plans in zip(matched(options), planned(options)):
        where, (model, shape) = (row["task"], row["operator"]), net(row)
        rows.add("multiply-accumulates", *where, *products(model, shape))
        rows.add("bytes of a training step", *where, *plans)
        cost = analysis.complexity(model, shape)
        found.append({"where": where, "macs": cost.macs, "bytes": cost.activation_bytes})
        trainers.append(trainer(model, shape))
    times = step_ms(trainers)
    measured = [row | {"ms": ms} for row, ms in zip(found, times)]
    for row, guess in zip(measured, roofline(measured)):
        rows.add("milliseconds of a training step", *row["where"], guess, row["ms"])


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(tyro.cli(Options, description=__doc__))
