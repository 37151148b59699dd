"""What theory says of the study's nets, beside what is measured: a row a prediction.

Multiply-accumulates against TensorFlow's profiler; memory of a training step against XLA's plan; the time
of a training step by a roofline that is fitted to the other nets; the checkerboard of fresh layers against
its closed form. Half an hour on 2 cores, when nothing else runs:
    python benchmarks/upsampling/predictions.py --out benchmarks/upsampling/predictions.csv
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tyro

sys.path.append(str(Path(__file__).parent.parent))

import nets
import table
from operators import OPERATORS
from study import operators

from dnzoo import analysis
from dnzoo.analysis import complexity as counting
from dnzoo.analysis.graph import trace
from dnzoo.analysis.kinds import ATOMS
from dnzoo.training.environment import environment

BATCH, DRAWS, TURNS = 16, 64, 5
NOT_IN_PROFILE = ("Resize2D", "CARAFE", "DySample", "Blur")  # gathers, sums and resizes
WITHOUT_FORMULA = ("residual", "carafe", "dysample", "unpooling")


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write; the study's widths.csv lies beside it."""
    child: str = ""
    """A net, as task/operator/widths: print what XLA plans for a training step of it."""


def products(model, shape):
    """(predicted, measured) multiply-accumulates of all that the profiler knows."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    nodes = trace(model, shape, ATOMS).nodes
    known = [node for node in nodes if type(node.operation).__name__ not in NOT_IN_PROFILE]
    function = tf.function(model, input_signature=[tf.TensorSpec((1, *shape))])
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    kinds = ["Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul", "BatchMatMulV2"]
    settings = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    settings = {**settings, "output": "none", "account_type_regexes": kinds}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen.graph.as_graph_def(), name="")
        found = tf.compat.v1.profiler.profile(graph, options=settings)
    return sum(map(counting.macs, known)), found.total_float_ops / 2


def step_ms(model, shape):
    """Median milliseconds of a training step on a batch."""
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, *shape)).astype("float32")
    y = np.zeros(model.compute_output_shape(x.shape), "float32")
    model.compile(keras.optimizers.SGD(1e-6), "mse", jit_compile=False)
    data = tf.data.Dataset.from_tensors((x, y)).repeat()
    times = []
    for turn in range(TURNS + 1):
        steps = 3 if turn == 0 else 20
        started = time.perf_counter()
        model.fit(data, steps_per_epoch=steps, verbose=0, shuffle=False)
        times.append(1000 * (time.perf_counter() - started) / steps)
    return statistics.median(times[1:])


def planned(task, operator, widths):
    """Bytes of a training step with Adam that XLA plans, on JAX in a process of its own."""
    name = "/".join((task, operator, " ".join(map(str, widths))))
    done = subprocess.run(
        [sys.executable, __file__, "--out", "", "--child", name],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def child(name):
    import jax
    import jax.numpy as jnp

    task, operator, widths = name.split("/")
    build, _, shape = nets.NETS[task]
    model = nets.decoder(build(operator, tuple(map(int, widths.split()))))
    trained = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]
    x = jax.ShapeDtypeStruct((BATCH, *shape), "float32")
    y = jax.ShapeDtypeStruct(model.compute_output_shape(x.shape), "float32")
    slots = [(jnp.zeros_like(v), jnp.zeros_like(v)) for v in trained]

    def step(trained, others, slots, x, y):
        def loss(trained):
            made, rest = model.stateless_call(trained, others, x, training=True)
            return jnp.mean((made - y) ** 2), rest

        (_, rest), gradients = jax.value_and_grad(loss, has_aux=True)(trained)
        slots = [
            (0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g) for (m, s), g in zip(slots, gradients)
        ]
        news = [v - 1e-3 * m / (jnp.sqrt(s) + 1e-7) for v, (m, s) in zip(trained, slots)]
        return news, rest, slots

    lowered = jax.jit(step, donate_argnums=(0, 1, 2)).lower(trained, others, slots, x, y)
    plan = lowered.compile().memory_analysis()
    print(json.dumps(plan.argument_size_in_bytes + plan.temp_size_in_bytes))


def checkerboard(operator):
    """(closed form, measured) of fresh layers, for a nearly even picture of eight channels."""
    import keras

    depth, filters, size = 8, 32, 64
    predicted = analysis.spectrum(OPERATORS[operator].make(filters), size, depth, 1.0, 0.1)
    rng, powers = np.random.default_rng(0), []
    for seed in range(DRAWS):
        keras.utils.set_random_seed(seed)
        y = (1 + 0.1 * rng.normal(size=(1, 48, 48, depth))).astype("float32")
        for layer in OPERATORS[operator].make(filters):
            y = layer(y)
        powers.append(analysis.power_spectrum(np.asarray(y)[:, 16 : 16 + size, 16 : 16 + size]))
    return (
        analysis.checkerboard(power=predicted),
        analysis.checkerboard(power=np.mean(powers, 0)),
    )


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


def main(options):
    if options.child:
        child(options.child)
        return
    widths = {
        (row["task"], row["operator"]): tuple(map(int, row["widths"].split()))
        for row in table.read(Path(options.out).with_name("widths.csv"))
        if row["matched"] == "parameters"
    }
    rows, timed = [], []

    def add(what, task, operator, predicted, measured):
        error = predicted / measured - 1
        rows.append(
            {
                "what": what,
                "task": task,
                "operator": operator,
                "predicted": f"{predicted:.6g}",
                "measured": f"{measured:.6g}",
                "error": f"{error:+.4f}",
                **environment(),
            }
        )
        print(*list(rows[-1].values())[:6], sep="  ", flush=True)

    for operator in OPERATORS:
        if operator not in WITHOUT_FORMULA:
            add("checkerboard at initialisation", "", operator, *checkerboard(operator))
    for task in nets.NETS:
        for operator in operators(task):
            build, _, shape = nets.NETS[task]
            model = nets.decoder(build(operator, widths[task, operator]))
            add("multiply-accumulates", task, operator, *products(model, shape))
            cost = analysis.complexity(model, shape, batch_size=BATCH)
            plan = planned(task, operator, widths[task, operator])
            add("bytes of a training step", task, operator, cost.training_bytes, plan)
            ms = step_ms(model, shape)
            timed.append(
                {
                    "task": task,
                    "operator": operator,
                    "macs": cost.macs,
                    "bytes": cost.activation_bytes,
                    "ms": ms,
                }
            )
            table.write(options.out, rows)
    for row, predicted in zip(timed, roofline(timed)):
        add("milliseconds of a training step", row["task"], row["operator"], predicted, row["ms"])
    table.write(options.out, rows)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(tyro.cli(Options, description=__doc__))
