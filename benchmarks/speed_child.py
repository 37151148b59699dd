"""One contestant of speed.py, a process of its own: it sets itself up, then runs when it is told to.

Reads JSON lines: {"steps": n} runs n steps and answers {"ms": of each on average}; an empty line ends it.
"""

import json
import os
import sys
import time
from pathlib import Path

from speed_infer import keras_infer, litert_infer, onnx_infer, openvino_infer, pytorch_infer
from speed_train import dnzoo_train, pytorch_train

CONTESTANTS = {
    ("train", "dnzoo"): dnzoo_train,
    ("train", "Keras"): lambda *job: dnzoo_train(*job, plain=True),
    ("train", "PyTorch"): pytorch_train,
    ("train", "PyTorch compiled"): lambda *job: pytorch_train(*job, compiled=True),
    ("infer", "dnzoo"): keras_infer,
    ("infer", "Keras"): lambda *job: keras_infer(*job, plain=True),
    ("infer", "PyTorch"): pytorch_infer,
    ("infer", "PyTorch compiled"): lambda *job: pytorch_infer(*job, compiled=True),
    ("infer", "OpenVINO"): openvino_infer,
    ("infer", "dnzoo to OpenVINO"): lambda *job: openvino_infer(*job, ours=True),
    ("infer", "dnzoo to ONNX Runtime"): onnx_infer,
    ("infer", "dnzoo to LiteRT"): litert_infer,
}


def prepare(work, folder):
    """Weights for all, and dnzoo's exports of the net that predicts."""
    import keras
    import numpy as np
    import speed_works

    import dnzoo

    keras.utils.set_random_seed(0)
    model = work.build()
    rng = np.random.default_rng(0)
    for weight in speed_works.variables(model):
        value = keras.ops.convert_to_numpy(weight)
        if not value.any():  # biases, means, scores: a net that has been trained has moved them
            weight.assign(rng.normal(0, 0.05, weight.shape))
        elif "moving_variance" in weight.name and (value == 1).all():
            weight.assign(rng.uniform(1, 1.2, weight.shape))
    listed = [(w.name, keras.ops.convert_to_numpy(w)) for w in speed_works.variables(model)]
    np.savez(
        Path(folder, "weights.npz"),
        **{f"{i}:{name}": value for i, (name, value) in enumerate(listed)},
    )
    if os.environ["SPEED_DEVICE"] == "gpu":
        return
    x, net = work.inference_input(), speed_works.predictor(model)
    fixed = dnzoo.deploy(net, "float32", x.shape[1:])
    for file, kwargs in (
        ("model.xml", {}),
        ("model.onnx", {}),
        ("model.tflite", {}),
        ("int8.tflite", {"weights": "int8"}),
    ):
        dnzoo.export(fixed, Path(folder, file), **kwargs)


def main(name, action, framework, precision, folder):
    from speed_works import WORKS

    work = WORKS[name]
    if action == "prepare":
        prepare(work, folder)
        return
    run = CONTESTANTS[action, framework](work, precision, folder)
    first = run(1)
    ready = {"start_s": time.time() - float(os.environ["SPEED_STARTED"])}
    if action == "train":
        ready["loss"] = float(first)
    else:
        import numpy as np

        np.save(Path(folder, f"{framework}-{precision}.npy"), np.asarray(first, "float32"))
    serve(run, ready, framework)


def serve(run, ready, framework="dnzoo"):
    """Say that the contestant is ready, and run steps whenever that is asked for."""
    run(1)
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        if not line.strip():
            break
        steps = json.loads(line)["steps"]
        started = time.perf_counter()
        run(steps)
        ms = 1000 * getattr(run, "seconds", time.perf_counter() - started) / steps
        print(json.dumps({"ms": ms}), flush=True)
    print(json.dumps({"memory_mb": _peak(framework)}), flush=True)


def _peak(framework):
    if os.environ["SPEED_DEVICE"] != "gpu":
        status = Path("/proc/self/status").read_text()  # ru_maxrss knows what was before exec
        return int(status.split("VmHWM:")[1].split()[0]) / 1000
    if "PyTorch" in framework:
        import torch

        return torch.cuda.max_memory_allocated() / 1e6
    import jax

    return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"] / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
