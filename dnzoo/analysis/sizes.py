"""Input and output sizes of layers and models."""

from collections.abc import Sequence

import keras


def output_size(model: keras.Layer, size: Sequence[int | None]) -> tuple[int, ...]:
    """Height and width (or length, or depth, height, width) that a layer or model puts out.

    Args:
        model: a layer or model with one image in and one out, channels last.
        size: of the input, without channels: a tuple.

    Raises:
        ValueError: when the model can't take that size.

    Example:
        >>> from dnzoo.layers import Conv2DTranspose
        >>> output_size(Conv2DTranspose(8, 4, strides=2, padding=1), (5, 7))
        (10, 14)
    """
    shape = model.compute_output_shape((1, *size, _channels(model)))
    sizes = tuple(shape[1:-1])
    if any(rows is not None and rows < 1 for rows in sizes):
        raise ValueError(f"{model.name}: an input of {tuple(size)} leaves {sizes} rows.")
    return sizes


def valid_sizes(model: keras.Layer, low: int, high: int) -> list[int]:
    """The square sizes from `low` to `high` that a layer or model can take.

    Args:
        model: as for `output_size`, of any number of spatial dimensions, all of one size.
        low, high: of rows, both included.

    Example:
        >>> from dnzoo.layers import PixelUnshuffle2D
        >>> valid_sizes(PixelUnshuffle2D(4), 1, 12)
        [4, 8, 12]
    """
    return [size for size in range(low, high + 1) if _tried(model, size) is not None]


def input_size(model: keras.Layer, size: int, largest: int = 4096) -> list[int]:
    """The square input sizes for which a layer or model puts out `size`; empty when there is none.

    Args:
        model: as for `valid_sizes`.
        size: rows and columns wanted.
        largest: where the search ends.

    Raises:
        ValueError: when the search ends before it could find one.

    Example:
        >>> import keras
        >>> input_size(keras.layers.MaxPooling2D(2), 3)
        [6, 7]
    """
    found = []
    for given in range(1, largest + 1):
        made = _tried(model, given)
        if made == size:
            found.append(given)
        # sizes grow with the input, but for what rounding takes back
        if made is not None and made > size + 64:
            return found
    if made is not None and made < size and not found:
        raise ValueError(
            f"input_size: {largest} rows give {made}, fewer than {size}: raise largest."
        )
    return found


def _tried(model: keras.Layer, size: int) -> int | None:
    try:
        return output_size(model, (size,) * _rank(model))[0]
    except ValueError:
        return None


def _rank(model: keras.layers.Layer) -> int:
    shape = getattr(model, "input_shape", None) if isinstance(model, keras.Model) else None
    if shape is not None:
        return len(shape) - 2
    if getattr(model, "rank", None):  # none yet for a layer of any rank that was not built
        return model.rank
    axes = (getattr(model, name, None) for name in ("kernel_size", "pool_size", "size"))
    return next((len(numbers) for numbers in axes if isinstance(numbers, tuple)), 2)


def _channels(model: keras.Layer) -> int:
    shape = getattr(model, "input_shape", None) if isinstance(model, keras.Model) else None
    if shape is not None:
        return shape[-1]
    spec = getattr(model, "input_spec", None)
    axes = getattr(spec, "axes", None) or {}
    return axes.get(-1) or 2**6 * 3**3  # what pixel shuffles and groups divide
