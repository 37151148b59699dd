"""The arithmetic of sizes, against numbers by hand and brute force."""

import keras
import numpy as np
import pytest

from dnzoo.layers import geometry

LAST, FIRST = "channels_last", "channels_first"


def test_as_tuple():
    assert geometry.as_tuple(3, 2, "size") == (3, 3)
    assert geometry.as_tuple([3, 4], 2, "size") == (3, 4)
    assert geometry.as_tuple((np.int64(3),), 1, "size") == (3,)
    assert type(geometry.as_tuple(np.int64(3), 1, "size")[0]) is int
    assert geometry.as_tuple(0, 1, "size") == (0,)
    assert geometry.as_tuple(1, 1, "size", 1) == (1,)
    for value in (-1, (1, -1), 1.0, "1", None, True, (1, False), (1,), (1, 2, 3)):
        with pytest.raises(ValueError) as error:
            geometry.as_tuple(value, 2, "size")
        expected = f"size must be an integer or 2 integers, each at least 0; got size={value!r}."
        assert str(error.value) == expected
    with pytest.raises(ValueError) as error:
        geometry.as_tuple(0, 1, "size", 1, "Layer")
    assert str(error.value) == "Layer: size must be an integer, at least 1; got size=0."


def test_axes_and_shapes():
    assert geometry.DATA_FORMATS == (LAST, FIRST)
    assert geometry.spatial_axes(2, LAST) == (1, 2) and geometry.spatial_axes(3, FIRST) == (2, 3, 4)
    assert geometry.spatial_shape((9, 5, 6, 3), LAST) == (5, 6)
    assert geometry.spatial_shape((9, 3, 5, 6), FIRST) == (5, 6)
    assert geometry.channels((9, 5, 6, 3), LAST) == geometry.channels((9, 3, 5, 6), FIRST) == 3
    assert geometry.batch_shape(9, (5, 6), 3, LAST) == (9, 5, 6, 3)
    assert geometry.batch_shape(9, (5, 6), 3, FIRST) == (9, 3, 5, 6)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_convolution_sizes(kernel, stride, dilation):
    """By counting the places where the kernel fits."""
    assert geometry.reach(kernel, dilation) == len(range(0, kernel * dilation, 1)) - dilation + 1
    for size in range(1, 12):
        for padding in (0, 1, 2):
            rows = size + 2 * padding
            fits = len(range(0, rows - geometry.reach(kernel, dilation) + 1, stride))
            found = geometry.conv_size(size, kernel, stride, padding, dilation)
            assert max(found, 0) == fits
            if not padding:
                assert found == geometry.conv_size(size, kernel, stride, dilation=dilation)
        same = geometry.conv_size(size, kernel, stride, "same", dilation)
        assert same == len(range(0, size, stride))
    assert geometry.conv_size(None, kernel) is None
    assert geometry.conv_size(7, 3) == 5 and geometry.conv_size(7, 3, 2, dilation=2) == 2


def test_transposed_windows():
    """Integer padding by the formula; strings as Keras has them."""
    window = geometry.conv_transpose_window
    assert window(4, 2, 1) == (1, 2) and window(3, 2, 1, 1) == (1, 2)
    assert window(3, 2, 2, 0, dilation=3) == (2, 3) and window(2, 3, 0) == (0, 2)
    assert window(4, 2, "valid") == (0, 4) and window(2, 3, "valid") == (0, 3)
    assert window(3, 2, "valid", 0) == (0, 3) and window(3, 2, "valid", 1) == (0, 4)
    assert window(3, 2, "valid", dilation=2) == (0, 5)
    assert window(4, 2, "same") == (1, 2) and window(5, 2, "same") == (1, 2)
    assert window(2, 3, "same") == (0, 3) and window(3, 1, "same") == (1, 1)
    assert window(4, 2, "same", 0) == (2, 0) and window(4, 2, "same", 1) == (1, 1)
    assert window(3, 2, "same", 0) == (1, 1) and window(3, 2, "same", 1) == (0, 2)
    assert window(1, 2, "same", 1) == (0, 2)


def test_transposed_sizes():
    size = geometry.conv_transpose_size
    assert size(None, 4, 2, 1) is None
    assert (
        size(5, 4, 2, 1) == 10 and size(5, 3, 2, 1, 1) == 10 and size(5, 3, 1, 0, dilation=2) == 9
    )
    assert size(4, 2, 3, "valid") == 12 and size(4, 2, 3, 0) == 11  # Keras's and the formula
    assert size(4, 3, 2, "same") == 8 and size(4, 3, 2, "same", 0) == 7


def array(*shape):
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


def values(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize("data_format", [LAST, FIRST])
def test_crop(data_format):
    x = array(2, 6, 7, 3)
    expected = x[:, 1:5, 2:7]
    given = x if data_format == LAST else np.moveaxis(x, -1, 1)
    found = values(geometry.crop(keras.ops.convert_to_tensor(given), (1, 2), (4, 5), data_format))
    assert np.array_equal(found if data_format == LAST else np.moveaxis(found, 1, -1), expected)


def test_crop_of_nothing_is_the_input_itself():
    x = keras.ops.convert_to_tensor(array(1, 4, 5, 1))
    assert geometry.crop(x, (0, 0), (4, 5), LAST) is x
    assert geometry.crop(x, (0, 0), (4, 4), LAST) is not x
    sizes = (keras.ops.convert_to_tensor(3), 5)
    assert geometry.crop(x, (1, 0), sizes, LAST).shape == (1, 3, 5, 1)


@pytest.mark.parametrize("data_format", [LAST, FIRST])
def test_pad_or_crop(data_format):
    x = array(2, 6, 7, 3) + 1
    expected = np.pad(x[:, 1:], [(0, 0), (0, 2), (3, 0), (0, 0)])[:, :, :-1]
    given = x if data_format == LAST else np.moveaxis(x, -1, 1)
    given = keras.ops.convert_to_tensor(given)
    found = values(geometry.pad_or_crop(given, (-1, 3), (2, -1), data_format))
    assert np.array_equal(found if data_format == LAST else np.moveaxis(found, 1, -1), expected)
    assert geometry.pad_or_crop(given, (0, 0), (0, 0), data_format) is given


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_per_axis(axis):
    x = array(2, 3, 4, 5)
    seen = []

    def first_and_last(rows):
        seen.append(rows.shape)
        return keras.ops.concatenate([rows[:, :1], rows[:, -1:]], axis=1)

    found = values(geometry.per_axis(keras.ops.convert_to_tensor(x), axis, first_and_last))
    assert np.array_equal(found, np.take(x, [0, x.shape[axis] - 1], axis))
    lead, trail = np.prod(x.shape[:axis]), np.prod(x.shape[axis + 1 :])
    assert tuple(seen[0]) == (lead, x.shape[axis], trail)
