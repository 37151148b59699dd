"""Export of every kind of model to ONNX, LiteRT and OpenVINO: outputs are compared by `export`."""

import functools
import json
from itertools import product

import keras
import numpy as np
import pytest

import dnzoo
from dnzoo import models
from dnzoo.deployment import conversion, formats, polyphase
from dnzoo.inference import kinds
from dnzoo.storage import information
from tests.conftest import child, slow
from tests.models import test_fcn, test_unet

MODELS = {
    "unet": functools.partial(dnzoo.unet, (None, None, 3), filters=(4, 8)),
    "fcn8s": test_fcn.build,
    "mask_branch": lambda: models.mask_branch(
        encoder=test_unet.small_encoder(), stride=2, classes=2, filters=4
    ),
    "espcn": functools.partial(models.espcn, (None, None, 1), filters=(4, 4)),
    "edsr": functools.partial(models.edsr, filters=4, blocks=1, include_preprocessing=True),
    "vae": functools.partial(models.vae, (8, 8, 1), filters=(4,), hidden=None),
    "dcgan": functools.partial(models.dcgan, (16, 16, 1), filters=4, classes=3),
}


ENDINGS = (".onnx", ".tflite", ".xml")
# each format for two models at least; the rest is slow
QUICK = [
    ("unet", ".onnx"),
    ("unet", ".tflite"),
    ("vae", ".onnx"),
    ("vae", ".tflite"),
    ("fcn8s", ".tflite"),
]
QUICK += [("mask_branch", ".onnx"), ("espcn", ".xml"), ("dcgan", ".onnx"), ("mask_branch", ".xml")]


@pytest.mark.parametrize(
    ("name", "ending"),
    [pytest.param(*case, marks=[] if case in QUICK else slow) for case in product(MODELS, ENDINGS)],
)
def test_export(tmp_path, name, ending):
    off = dnzoo.export(MODELS[name](), tmp_path / f"model{ending}")
    assert off < 1e-4
    files = {f"model{ending}", *(["model.bin"] if ending == ".xml" else [])}
    assert {path.name for path in tmp_path.iterdir()} == files


def test_an_output_of_one_channel_keeps_its_rank():
    """tf2onnx gave one export of an ESPCN in ten an axis more, by the order of names in a set."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
    from tf2onnx.graph import GraphUtil
    from tf2onnx.optimizer import identity_optimizer, optimize_graph, reshape_optimizer

    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Gather", ["shape", "order"], ["target"]),
            helper.make_node("Reshape", ["x", "target"], ["y"]),
        ],
        "channels_last",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "h", "w", 1])],
        [onnx.numpy_helper.from_array(np.array([0, 2, 3, 1]), "order")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    with conversion._outputs_keep_their_rank():
        found = optimize_graph(
            GraphUtil.create_graph_from_onnx_model(model),
            optimizers={
                "remove_identity": identity_optimizer.IdentityOptimizer,
                "reshape_optimizer": reshape_optimizer.ReshapeOptimizer,
            },
        )
    written = found.make_model("channels_last").SerializeToString()
    x = np.zeros((2, 1, 4, 5), "float32")
    (y,) = onnxruntime.InferenceSession(written).run(None, {"x": x})
    assert y.shape == (2, 4, 5, 1)


@pytest.mark.parametrize("kernel", range(1, 6))
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_transposed_convolutions_by_phases(kernel, stride):
    image = keras.Input((None, None, 3))
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    for padding, extra in (("same", None), ("valid", None), (0, None), (1, None), (1, 1), (2, 1)):
        if kernel + 4 * stride <= 2 * (padding if isinstance(padding, int) else 0):
            continue
        if extra and extra >= stride:
            continue
        layer = dnzoo.layers.Conv2DTranspose(
            4, kernel, stride, padding, extra, activation="relu", bias_initializer="normal"
        )
        model = keras.Model(image, layer(image))
        changed = polyphase.without_transposed(model)
        assert not any(isinstance(found, type(layer)) for found in changed.layers)
        found, expected = (keras.ops.convert_to_numpy(net(x)) for net in (changed, model))
        assert np.allclose(found, expected, atol=1e-5)


def test_weights_in_a_byte(tmp_path):
    model = dnzoo.unet((None, None, 3), filters=(16, 32))
    dnzoo.export(model, tmp_path / "a.tflite")
    off = dnzoo.export(model, tmp_path / "b.tflite", weights="int8")
    sizes = [(tmp_path / name).stat().st_size for name in ("a.tflite", "b.tflite")]
    assert 1e-4 < off < 0.1 and sizes[1] < 0.5 * sizes[0]
    with pytest.raises(ValueError, match=r'or "int8" for LiteRT; got weights=.int8. for .onnx'):
        dnzoo.export(model, tmp_path / "a.onnx", weights="int8")


def test_half_the_bytes_and_fixed_sizes(tmp_path):
    """As LiteRT.js wants them."""
    from ai_edge_litert.interpreter import Interpreter

    model = dnzoo.unet((None, None, 3), filters=(16, 32))
    path = tmp_path / "a.tflite"
    off = dnzoo.export(model, path, weights="float16", batch=2, size=(16, 24))
    assert 1e-6 < off < 1e-2 and path.stat().st_size < 0.7 * 4 * model.count_params()
    net = Interpreter(str(path))
    (given,), (made,) = net.get_input_details(), net.get_output_details()
    assert [*given["shape_signature"]] == [2, 16, 24, 3]
    assert [*made["shape_signature"]] == [2, 16, 24, 2]
    names = {"inputs": ["image"], "outputs": ["logits"]}
    assert net.get_signature_list() == {"serving_default": names}


ABOUT = {
    "name": "mine",
    "class_names": ["nothing", "été"],
    "palette": [[0, 0, 0], [1, 2, 3]],
    "licence": "CC BY 4.0",
}
NAMED = {  # input axes, output axes, and what the metadata says of the numbers
    "unet": ("batch height width 3", "logits: batch height width 2", {"logits": "true"}),
    "espcn": (
        "batch height width 1",
        "output_image: batch output_height output_width 1",
        {"scale": "3", "input_range": "[16, 235]"},
    ),
    "edsr": (
        "batch height width 3",
        "output_image: batch output_height output_width 3",
        {"scale": "2", "input_range": "[0, 255]", "range": "[0, 255]"},
    ),
    "mask_branch": ("batch height width 3", "masks: batch boxes 28 28 2", {"kind": "masks"}),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "unet" else slow) for name in NAMED]
)
def test_an_onnx_file_says_what_its_numbers_mean(tmp_path, name):
    import onnxruntime

    model = MODELS[name]()
    information.remember(model, information.Info(**ABOUT))
    dnzoo.export(model, tmp_path / "a.onnx")
    net = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    given, (made,) = net.get_inputs(), net.get_outputs()
    axes, output, facts = NAMED[name]
    assert given[0].name == "image" and " ".join(map(str, given[0].shape)) == axes
    assert f"{made.name}: {' '.join(map(str, made.shape))}" == output
    said = net.get_modelmeta().custom_metadata_map
    texts = {"name": "mine", "licence": "CC BY 4.0", "dnzoo_version": dnzoo.__version__}
    assert {**texts, **facts}.items() <= said.items()
    assert json.loads(said["class_names"]) == ABOUT["class_names"]
    assert json.loads(said["palette"]) == ABOUT["palette"]
    if name == "unet":  # raw or not: it has no normalisation that would say it
        assert "input_range" not in said
        (logits,) = net.run(None, {"image": np.zeros((2, 7, 9, 3), "float32")})
        assert logits.shape == (2, 7, 9, 2)


@slow
def test_a_fixed_batch_in_other_formats(tmp_path):
    import onnxruntime

    dnzoo.export(MODELS["espcn"](), tmp_path / "a.onnx", batch=3, size=(5, 6))
    net = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    shapes = [net.get_inputs()[0].shape, net.get_outputs()[0].shape]
    assert shapes == [[3, 5, 6, 1], [3, 15, 18, 1]]


def test_the_decoder_alone(tmp_path):
    model = MODELS["vae"]()
    assert dnzoo.export(model, tmp_path / "decoder.onnx", signature="decode") < 1e-4
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tmp_path / "decoder.onnx"))
    latent = np.random.default_rng(0).normal(size=(2, 20)).astype("float32")
    (found,) = session.run(None, {session.get_inputs()[0].name: latent})
    assert np.allclose(found, model.decode(latent), atol=1e-5)


def test_what_differs_is_not_written(tmp_path, monkeypatch):
    model = MODELS["espcn"]()
    (tmp_path / "a.onnx").write_text("old")
    run = formats._onnx
    monkeypatch.setattr(formats, "_onnx", lambda *a: [out + 1 for out in run(*a)])
    with pytest.raises(RuntimeError, match="Nothing was written"):
        dnzoo.export(model, tmp_path / "a.onnx", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert (tmp_path / "a.onnx").read_text() == "old"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([np.zeros((1, 2))], r"shapes \[\[1, 2\]\], Keras of \[\[1, 3\]\]"),
        ([np.zeros((1, 3)), np.zeros((1, 3))], "shapes"),
        ([np.full((1, 3), np.nan)], "the runtime gives outputs that are not finite"),
    ],
)
def test_what_can_not_be_compared_is_named(found, message):
    with pytest.raises(RuntimeError, match=message):
        formats._difference(found, [np.ones((1, 3))])
    with pytest.raises(RuntimeError, match="Keras gives outputs that are not finite"):
        formats._difference([np.ones((1, 3))], [np.full((1, 3), np.inf)])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"path": "a.pb"}, "'onnx' writes .onnx, 'litert' writes .tflite"),
        ({"path": "a.onnx", "format": "litert"}, "got format='litert' and the path a.onnx"),
        ({"path": "a.onnx", "signature": "encode"}, "signature must be one of serve; got 'encode'"),
        ({"path": "a.onnx", "weights": "float16"}, "weights='float16' for 'onnx'"),
        ({"path": "a.onnx", "weights": "half"}, "weights='half' for 'onnx'"),
        ({"path": "a.onnx", "batch": 0}, "1 or more images; got batch=0"),
        ({"path": "a.onnx", "size": (8,)}, r"reads images of \(None, None\) .* got size=\(8,\)"),
        ({"path": "a.onnx", "version": 2}, "version=2 is for TensorFlow Serving alone; 'onnx'"),
    ],
)
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        dnzoo.export(MODELS["espcn"](), **kwargs)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    import sys

    model = MODELS["espcn"]()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'pip install "dnzoo\[export\]"'):
        dnzoo.export(model, tmp_path / "a.onnx")


SERVE = """
import sys, json
sys.modules["keras"] = sys.modules["dnzoo"] = None
import numpy as np, tensorflow as tf
module = tf.saved_model.load(sys.argv[1])
with np.load(sys.argv[2]) as file:
    inputs = [file[f"arr_{i}"] for i in range(len(file.files))]
outputs = module.serve(*inputs)
np.savez(sys.argv[3], **{k: v.numpy() for k, v in outputs.items()})
"""


@slow
@pytest.mark.parametrize("name", dnzoo.list_pretrained())
def test_pretrained_are_served_without_keras(tmp_path, name):
    """By a program that can import neither Keras nor dnzoo; exports: benchmarks/exports.py."""
    model = dnzoo.load(name)
    parts = dnzoo.saving.served(model)
    kind, rng = kinds.of(model), np.random.default_rng(0)
    inputs = [kind.example(tensor, formats.SIZE, rng) for tensor in parts["serve"].inputs]
    np.savez(tmp_path / "in.npz", *inputs)
    folder = dnzoo.storage.pretrained.find(name)
    child(SERVE, folder, tmp_path / "in.npz", tmp_path / "out.npz", cwd=tmp_path)
    expected = parts["serve"](inputs if len(inputs) > 1 else inputs[0])
    expected = expected if isinstance(expected, dict) else {"only": expected}
    with np.load(tmp_path / "out.npz") as found:
        for key, value in expected.items():
            key = (
                key
                if key in found.files
                else ("logits" if "logits" in found.files else found.files[0])
            )
            scale = max(float(keras.ops.max(keras.ops.abs(value))), 1e-6)
            assert np.abs(found[key] - np.asarray(value)).max() < 1e-4 * scale


def test_what_litert_can_not_resize_says_what_to_do(tmp_path):
    image = keras.Input((None, None, 3))
    resized = dnzoo.layers.Resize2D(2, interpolation="bicubic")(keras.layers.Conv2D(1, 1)(image))
    with pytest.raises(RuntimeError, match=r"fix it, size=\(H, W\)"):
        dnzoo.export(
            keras.Model(image, dnzoo.layers.Output("image")(resized)), tmp_path / "a.tflite"
        )
