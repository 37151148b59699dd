"""RoIAlign against ONNX Runtime's and finite differences; layers applied to each region."""

import keras
import numpy as np
import pytest

from dnzoo.layers import PerRoI, RoIAlign, roi_align
from tests.backends import gradients
from tests.layer_conformance import LayerConformance


class TestRoIAlign(LayerConformance):
    @staticmethod
    def build(**kwargs):
        return RoIAlign(3, stride=2, **kwargs)

    shapes = [(2, 6, 7, 4), (2, 5, 4)]
    sizes_follow_inputs = False

    def inputs(self):
        rng = np.random.default_rng(0)
        features = rng.uniform(-1, 1, self.shapes[0]).astype("float32")
        corners = np.sort(rng.uniform(0, 12, (2, 5, 2, 2)), axis=2)
        return [features, corners.reshape(2, 5, 4).astype("float32")]


class TestPerRoI(LayerConformance):
    @staticmethod
    def build(**kwargs):
        return PerRoI(keras.layers.Conv2D(3, 3, padding="same", name="conv", **kwargs), **kwargs)

    shapes = (2, 3, 5, 4, 2)

    def test_dynamic_sizes(self):
        """The number of regions may be free."""
        x = keras.Input((None, 5, 4, 2))
        layer = self.build()
        model = keras.Model(x, layer(x))
        assert model.output_shape == (None, None, 5, 4, 3)
        assert np.allclose(model(self.inputs()), layer(self.inputs()), atol=1e-6)


def boxes_and_features(seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2, 13, 17, 5)).astype("float32")
    corners = np.sort(rng.uniform(-6, 60, (2, 7, 2, 2)), axis=2)  # some lie outside
    return features, corners.reshape(2, 7, 4).astype("float32")


@pytest.mark.parametrize(("size", "stride", "samples"), [(7, 4, 2), (3, 2, 1), (14, 1, 3)])
def test_equals_onnx_runtime(size, stride, samples):
    import onnxruntime
    from onnx import helper

    features, boxes = boxes_and_features()
    node = helper.make_node(
        "RoiAlign",
        ["x", "rois", "image"],
        ["y"],
        coordinate_transformation_mode="half_pixel",
        mode="avg",
        output_height=size,
        output_width=size,
        sampling_ratio=samples,
        spatial_scale=1 / stride,
    )
    values = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in (
            ("x", 1, [2, 5, 13, 17]),
            ("rois", 1, [14, 4]),
            ("image", 7, [14]),
        )
    ]
    graph = helper.make_graph([node], "g", values, [helper.make_tensor_value_info("y", 1, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    given = {
        "x": features.transpose(0, 3, 1, 2),
        "rois": boxes.reshape(14, 4),
        "image": np.repeat([0, 1], 7),
    }
    expected = session.run(None, given)[0].transpose(0, 2, 3, 1).reshape(2, 7, size, size, 5)
    found = roi_align(features, boxes, size, stride, samples)
    assert np.abs(np.asarray(found) - expected).max() < 1e-5


def test_gradients_equal_finite_differences():
    """With respect to the features, in which it is linear, and to the boxes."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(1, 6, 7, 2)).astype("float32")
    boxes = np.array([[[1.3, 2.2, 9.1, 8.7], [3.4, 1.1, 12.6, 11.3]]], "float32")
    layer = RoIAlign(3, stride=2)
    weights = rng.normal(size=(1, 2, 3, 3, 2)).astype("float32")
    found = gradients(layer, [features, boxes], lambda shape: weights)["inputs"]

    def total(features, boxes):
        return float((np.asarray(layer([features, boxes]), "float64") * weights).sum())

    for number, step in ((0, 0.5), (1, 2e-3)):
        arrays = [features, boxes]
        for place in list(np.ndindex(arrays[number].shape))[:: 5 if number == 0 else 1]:
            moved = []
            for sign in (1, -1):
                shifted = [array.copy() for array in arrays]
                shifted[number][place] += sign * step
                moved.append(total(*shifted))
            expected = (moved[0] - moved[1]) / (2 * step)
            assert abs(found[number][place] - expected) < 2e-2 * max(1, abs(expected))


def test_a_whole_image_of_bins_is_the_image():
    features = np.random.default_rng(0).normal(size=(1, 6, 6, 3)).astype("float32")
    found = roi_align(features, [[[0.0, 0.0, 6.0, 6.0]]], 6, 1, 1)
    assert np.allclose(found[0, 0], features[0], atol=1e-6)
