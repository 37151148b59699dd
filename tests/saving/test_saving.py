"""SavedModels: once each weight, nothing run, damage named, any encoder, any precision."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import dnzoo
from dnzoo import unet
from dnzoo.saving import allowed, card, saved_model
from dnzoo.storage import pretrained
from tests.conftest import child, slow
from tests.models.test_unet import small_encoder


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return unet(
        (None, None, 3), classes=3, filters=(8, 16), include_preprocessing=True, dropout=0.1
    )


@pytest.fixture(scope="module")
def original(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "mine"
    dnzoo.save(model, path, class_names="abc", palette=[(0, 0, 0), (9, 8, 7), (255, 0, 1)])
    return path


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "mine")


FRESH = """
import sys, numpy as np, tensorflow as tf
folder, of_keras, given, out = sys.argv[1:]
x = np.load(given)
served = tf.saved_model.load(folder).signatures["serving_default"](tf.constant(x))
assert "dnzoo" not in sys.modules
import keras, dnzoo.layers
keras.models.load_model(of_keras)
import dnzoo
model = dnzoo.load(folder)
np.savez(out, *model.get_weights(), y=model(x), **served)
"""


def test_fresh_process(model, folder, tmp_path):
    """Plain TensorFlow serves it, files of Keras need only the import, and it loads equal to the bit."""
    x = np.random.default_rng(0).uniform(0, 255, (2, 19, 22, 3)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    unet((8, 8, 1), filters=(2, 4)).save(tmp_path / "model.keras")
    child(FRESH, folder, *(tmp_path / name for name in ("model.keras", "x.npy", "out.npz")))
    out, expected = np.load(tmp_path / "out.npz"), np.asarray(model(x))
    assert np.array_equal(out["y"], expected)
    for i, weight in enumerate(model.get_weights()):
        assert np.array_equal(out[f"arr_{i}"], weight)
    assert {*out.files} - {f"arr_{i}" for i in range(len(model.weights))} == {
        "y",
        "classes",
        "logits",
    }
    assert out["classes"].dtype == "int32"
    assert np.allclose(out["logits"], expected, atol=1e-5)


def test_a_layer_of_keras_serves_it(folder):
    layer = keras.layers.TFSMLayer(str(folder), call_endpoint="serve")
    assert layer(tf.ones((1, 8, 8, 3)))["logits"].shape == (1, 8, 8, 3)


def test_each_weight_is_stored_once(model, folder):
    weights = sum(weight.numpy().nbytes for weight in model.weights)
    stored = (folder / "variables/variables.data-00000-of-00001").stat().st_size
    assert weights <= stored < weights + 100_000
    reader = tf.train.load_checkpoint(str(folder / "variables/variables"))
    values = [key for key in reader.get_variable_to_shape_map() if key.startswith("weights/")]
    assert len(values) == len(model.weights)


def test_meta_and_card(folder):
    meta = pretrained.read_meta(folder)
    assert meta["class_names"] == ["a", "b", "c"]
    assert meta["palette"][1] == [9, 8, 7]
    text = (folder / "assets.extra/README.md").read_text()
    assert text.startswith("# unet\n") and "| 1 | b | 9 8 7 |" in text


def test_trains_on(folder):
    loaded = dnzoo.load(folder)
    loaded.get_layer("encoder").trainable = False
    loaded.compile("adam", dnzoo.losses.CrossEntropy(), jit_compile=False)
    loaded.optimizer.build(loaded.trainable_variables)  # here, not in the graph
    x, y = np.ones((2, 8, 8, 3), "float32"), np.ones((2, 8, 8), "uint8")
    first = loaded.train_on_batch(x, y)
    assert [loaded.train_on_batch(x, y) for _ in range(5)][-1] < first


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_saved_in_float32(policy, tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        mixed = unet((16, 16, 1), filters=(4, 8))
        dnzoo.save(mixed, tmp_path / "saved")
        loaded = dnzoo.load(tmp_path / "saved")
    finally:
        keras.config.set_dtype_policy(before)
    again = dnzoo.load(tmp_path / "saved")
    x = np.random.default_rng(0).normal(0, 1, (1, 16, 16, 1)).astype("float32")
    assert np.array_equal(loaded(x), again(x))
    assert loaded.get_layer("decoder_1").compute_dtype == "float32"
    assert all(np.array_equal(a, b) for a, b in zip(mixed.get_weights(), loaded.get_weights()))
    again = dnzoo.load(tmp_path / "saved", dtype=policy)
    assert again.get_layer("decoder_1").compute_dtype == policy.removeprefix("mixed_")
    assert again.get_layer("head").compute_dtype == "float32"


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(
            lambda: unet((None, None, 3), filters=(4,) * 5, encoder="mobilenetv3small"), marks=slow
        ),
        lambda: unet((None, None, 3), filters=(4, 8, 8), encoder=small_encoder()),
        lambda: unet((16, 16, 3), filters=(4, 8), classes=1, activation="sigmoid"),
    ],
)
def test_other_models(build, tmp_path):
    model = build()
    dnzoo.save(model, tmp_path / "saved")
    x = np.random.default_rng(0).uniform(0, 255, (1, *(model.input_shape[1] or 40,) * 2, 3))
    expected = np.asarray(model(x.astype("float32")))
    assert np.array_equal(dnzoo.load(tmp_path / "saved")(x.astype("float32")), expected)
    module = tf.saved_model.load(str(tmp_path / "saved"))
    served = module.serve(x.astype("float32"))
    key = "probabilities" if model.output_shape[-1] == 1 else "logits"
    assert np.abs(served[key] - expected).max() < 1e-5
    if key == "probabilities":
        assert np.array_equal(served["classes"], expected[..., 0] > 0.5)


def test_nothing_is_overwritten_unasked(model, folder):
    before = (folder / "saved_model.pb").read_bytes()
    with pytest.raises(FileExistsError, match="exists already"):
        dnzoo.save(model, folder)
    assert (folder / "saved_model.pb").read_bytes() == before
    dnzoo.save(model, folder, overwrite=True)
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_a_failure_leaves_nothing(model, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        dnzoo.save(model, tmp_path / "saved")
    assert not list(tmp_path.iterdir())


DAMAGES = [
    *((file, damage) for file in saved_model.CHECKED for damage in ("cut", "gone", "changed")),
    *(
        (saved_model.EXTRA, damage) for damage in ("cut", "gone")
    ),  # a changed one: test_names_and_places
]


@pytest.mark.parametrize(("file", "damage"), DAMAGES)
def test_damage_is_named(folder, file, damage):
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / file).unlink()
    if damage != "gone":
        (folder / file).write_bytes(data if damage == "changed" else data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"damaged|can't be read|is no SavedModel of dnzoo's"):
        dnzoo.load(folder)


def edit(folder, change):
    path = folder / "assets.extra/dnzoo.json"
    meta = json.loads(path.read_text())
    change(meta["architecture"]["config"]["layers"][1])
    path.write_text(json.dumps(meta))


EVIL = {
    "Lambda": {"module": "keras.layers", "class_name": "Lambda", "config": {}},
    "function": {"module": "os", "class_name": "function", "config": "system"},
    "module": {"module": "subprocess", "class_name": "Popen", "config": {}},
    "TFSMLayer": {"module": "keras.layers", "class_name": "TFSMLayer", "config": {}},
    "impostor": {"module": "dnzoo.saving", "class_name": "ConvBlock", "config": {}},
    "lambda mark": {"class_name": "__lambda__", "config": {"value": "x"}},
    "unsafe": {
        "module": "keras.config",
        "class_name": "enable_unsafe_deserialization",
        "config": {},
    },
    "file": {"module": "keras.utils", "class_name": "get_file", "config": {}},
}


@pytest.mark.parametrize("name", EVIL)
def test_only_listed_classes_are_built(folder, name, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("something was built")

    monkeypatch.setattr(keras.saving, "deserialize_keras_object", never)
    edit(folder, lambda layer: layer["config"].update(activity_regularizer=EVIL[name]))
    with pytest.raises(ValueError, match="which dnzoo does not save or load"):
        dnzoo.load(folder)


def test_own_classes_are_refused_when_saving(tmp_path):
    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    image = keras.Input((4, 4, 1))
    with pytest.raises(ValueError, match=r"the model holds .*Mine"):
        dnzoo.save(keras.Model(image, Mine()(image)), tmp_path / "saved")
    with pytest.raises(ValueError, match="only a functional"):
        dnzoo.save("model", tmp_path / "saved")


def test_layers_of_every_rank_are_on_the_list():
    layers = keras.layers
    for rank in (1, 3):
        x = image = keras.Input((*[16] * rank, 2))
        for name in ("Conv{}D", "MaxPooling{}D", "UpSampling{}D", "ZeroPadding{}D", "Cropping{}D"):
            arguments = (2, 1) if name == "Conv{}D" else ()
            x = getattr(layers, name.format(rank))(*arguments)(x)
        x = getattr(layers, f"Conv{rank}DTranspose")(2, 2)(x)
        x = getattr(layers, f"GlobalAveragePooling{rank}D")()(x)
        saved_model.check(keras.Model(image, x))
    assert all(hasattr(layers, name) for name in allowed.LAYERS)


def test_the_card_names_the_axes_of_volumes():
    call = card._call("serve", [["image", "float32", [None, None, None, None, 1]]])
    assert call == "outputs = module.serve(image)  # image: float32 (N, D, H, W, 1)"


def test_names_and_places(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DNZOO_HOME", str(folder.parent))
    assert "mine" in dnzoo.list_pretrained()
    assert dnzoo.load("mine").count_params() == dnzoo.load(folder).count_params()
    with pytest.raises(FileNotFoundError, match=r"no model 'yours' here: name one of .*mine"):
        dnzoo.load("yours")
    (tmp_path / "foreign").mkdir()
    with pytest.raises(ValueError, match="is no SavedModel of dnzoo's"):
        dnzoo.load(tmp_path / "foreign")
    monkeypatch.setattr(pretrained, "CHECKOUT", tmp_path / "nowhere")
    name = next(iter(pretrained.read_index()))
    assert pretrained.locate(name) is None
    shutil.copytree(folder, folder.parent / name)
    with pytest.raises(ValueError, match="is not the"):
        dnzoo.load(name)


def test_index_lists_the_checkout():
    """`make index` was run after the last change of saved_models/; test_kinds loads them all."""
    index = pretrained.read_index()
    assert sorted(index) == sorted(
        path.name for path in pretrained.CHECKOUT.iterdir() if path.is_dir()
    )
    for name, entry in index.items():
        files = [path for path in (pretrained.CHECKOUT / name).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) == entry["size"] < 25e6


@pytest.mark.parametrize(
    "first",
    [
        "import keras, dnzoo",
        pytest.param("import dnzoo; dnzoo.unet; import keras", marks=slow),
    ],
)
def test_a_keras_file_loads_with_dnzoo_imported_alone(tmp_path, first):
    """Layers, losses, metrics and the optimiser of a compiled model, in a fresh process."""
    model = dnzoo.unet((16, 16, 3), filters=(2, 4))
    loss, metric = dnzoo.losses.get("cross_entropy+dice"), dnzoo.metrics.MeanIoU(2)
    model.compile(dnzoo.training.Adam(), loss, metrics=[metric])
    model.fit(np.zeros((2, 16, 16, 3)), np.zeros((2, 16, 16), "uint8"), verbose=0)
    model.save(tmp_path / "net.keras")
    code = f"import sys; {first}; keras.models.load_model(sys.argv[1])"
    assert not child(code, tmp_path / "net.keras").stdout
