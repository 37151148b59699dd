"""One contestant of speed.py, a process of its own: it sets itself up, then runs when it is told to.

Reads JSON lines: {"steps": n} runs n steps and answers {"ms": of each on average}; an empty line ends it.
"""

import json
import os
import sys
import time
from pathlib import Path


def dnzoo_train(work, precision, folder, plain=False):
    """Steps of `fit`, with the optimiser and loss that a user names."""
    import keras

    keras.config.set_dtype_policy({"bf16": "mixed_bfloat16"}.get(precision, precision))
    model, x, y = _keras_model(work, folder, plain), *work.batch()
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


def _keras_model(work, folder, plain):
    import speed_works

    weights = _weights(folder)
    if plain:
        import speed_keras

        model = getattr(speed_keras, work.peer[1])()
        speed_keras.take(speed_works.variables(model), weights)
        return model
    model = work.build()
    for weight, (_, value) in zip(speed_works.variables(model), weights, strict=True):
        weight.assign(value)
    return model


def _weights(folder):
    import numpy as np

    with np.load(Path(folder, "weights.npz")) as file:
        return [(key.split(":")[1], file[key]) for key in file.files]


def keras_infer(work, precision, folder, plain=False):
    """Calls of a compiled function, as a server makes; dnzoo's model is deployed."""
    import keras
    import speed_works

    policy = {"bf16": "mixed_bfloat16"}.get(precision, precision)
    keras.config.set_dtype_policy(policy if plain else "float32")
    model = speed_works.predictor(_keras_model(work, folder, plain))
    x = work.inference_input()
    if not plain:
        import dnzoo

        model = dnzoo.deploy(model, {"bf16": "bfloat16"}.get(precision, precision), x.shape[1:])
    if keras.backend.backend() == "jax":
        import jax

        call = jax.jit(lambda images: model(images, training=False))
        image = jax.device_put(x)
        return _caller(call, image, lambda y: jax.block_until_ready(y))
    import tensorflow as tf

    call = tf.function(lambda images: model(images, training=False), jit_compile=False)
    return _caller(call, tf.constant(x), lambda y: y.numpy())


def _caller(call, image, finish):
    def run(steps):
        for _ in range(steps):
            made = call(image)
        return finish(made)

    return run


def pytorch_train(work, precision, folder, compiled=False):
    import torch
    from torch.nn import functional as F

    net, device = _pytorch_net(work, folder)
    x, y = _to_torch(work.batch(), device)
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


def _pytorch_net(work, folder):
    import speed_pytorch
    import torch

    torch.manual_seed(0)
    device = "cuda" if os.environ["SPEED_DEVICE"] == "gpu" else "cpu"
    net = getattr(speed_pytorch, work.peer[0])()
    speed_pytorch.take(net, [value for _, value in _weights(folder)])
    return net.to(device, memory_format=torch.channels_last), device


def _to_torch(arrays, device):
    import torch

    found = []
    for array in arrays:
        tensor = None if array is None else torch.from_numpy(array).to(device)
        if tensor is not None and tensor.ndim == 4:
            tensor = tensor.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        found.append(tensor)
    return found


def pytorch_infer(work, precision, folder, compiled=False):
    """With weights in bfloat16; compiled with them frozen, which folds batch normalisation."""
    import torch

    net, device = _pytorch_net(work, folder)
    net = getattr(net, "generator", net).eval()
    [x] = _to_torch([work.inference_input()], device)
    if precision == "bf16":
        net, x = net.to(torch.bfloat16), x.to(torch.bfloat16)
    if compiled:
        import torch._inductor.config

        torch._inductor.config.freezing = True
        net = torch.compile(net)

    def run(steps):
        with torch.inference_mode() if not compiled else torch.no_grad():
            for _ in range(steps):
                made = net(x)
            made = made.float().cpu().numpy()
        return made.transpose(0, 2, 3, 1) if made.ndim == 4 else made

    return run


def openvino_infer(work, precision, folder, ours=False):
    """OpenVINO's own conversion of the PyTorch net, or dnzoo's export."""
    import numpy as np
    import openvino

    x = work.inference_input()
    if ours:
        net = Path(folder, "model.xml")
    else:
        import torch

        module, _ = _pytorch_net(work, folder)
        module = getattr(module, "generator", module).eval()
        x = np.moveaxis(x, -1, 1).copy() if x.ndim == 4 else x
        with torch.no_grad():
            net = openvino.convert_model(module, example_input=torch.from_numpy(x), input=x.shape)
    hint = {"INFERENCE_PRECISION_HINT": {"bf16": "bf16"}.get(precision, "f32")}
    request = openvino.Core().compile_model(net, "CPU", hint).create_infer_request()

    def run(steps):
        for _ in range(steps):
            made = request.infer([x], share_inputs=True)
        made = next(iter(made.values()))
        return made if ours or made.ndim < 4 else np.moveaxis(made, 1, -1)

    return run


def onnx_infer(work, precision, folder):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(Path(folder, "model.onnx")), providers=["CPUExecutionProvider"]
    )
    feed = {session.get_inputs()[0].name: work.inference_input()}

    def run(steps):
        for _ in range(steps):
            (made,) = session.run(None, feed)
        return made

    return run


def litert_infer(work, precision, folder):
    from ai_edge_litert.interpreter import Interpreter

    file = "int8.tflite" if precision == "int8" else "model.tflite"
    net = Interpreter(str(Path(folder, file)), num_threads=os.cpu_count())
    x = work.inference_input()
    index = net.get_input_details()[0]["index"]
    net.resize_tensor_input(index, x.shape)
    net.allocate_tensors()

    def run(steps):
        for _ in range(steps):
            net.set_tensor(index, x)
            net.invoke()
        return net.get_tensor(net.get_output_details()[0]["index"])

    return run


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
        if "moving" in weight.name:  # a net that has been trained has moved them
            weight.assign(weight + rng.uniform(0, 0.2, weight.shape))
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
