"""Predicting contestants of speed.py: each gives `run(steps)`, which returns the output."""

import os
from pathlib import Path

from speed_works import keras_model, pytorch_net, to_torch


def keras_infer(work, precision, folder, plain=False):
    """Calls of a compiled function, as a server makes; dnzoo's model is deployed."""
    import keras
    import speed_works

    policy = {"bf16": "mixed_bfloat16"}.get(precision, precision)
    keras.config.set_dtype_policy(policy if plain else "float32")
    model = speed_works.predictor(keras_model(work, folder, plain))
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


def pytorch_infer(work, precision, folder, compiled=False):
    """With weights in bfloat16; compiled with them frozen, which folds batch normalisation."""
    import torch

    net, device = pytorch_net(work, folder)
    net = getattr(net, "generator", net).eval()
    [x] = to_torch([work.inference_input()], device)
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
    core = openvino.Core()
    if ours:
        net = core.read_model(Path(folder, "model.xml"))
        net.reshape(x.shape)  # the batch is free in the file, and not in the peer
    else:
        import torch

        module, _ = pytorch_net(work, folder)
        module = getattr(module, "generator", module).eval()
        x = np.moveaxis(x, -1, 1).copy() if x.ndim == 4 else x
        with torch.no_grad():
            net = openvino.convert_model(module, example_input=torch.from_numpy(x), input=x.shape)
    hint = {"INFERENCE_PRECISION_HINT": {"bf16": "bf16"}.get(precision, "f32")}
    request = core.compile_model(net, "CPU", hint).create_infer_request()

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
