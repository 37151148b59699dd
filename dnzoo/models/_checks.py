"""What every builder checks of its arguments, and how its errors begin."""

import functools
from collections.abc import Callable
from numbers import Integral
from typing import Any, ParamSpec, TypeVar

import keras

Arguments, Built = ParamSpec("Arguments"), TypeVar("Built")
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def named(build: Callable[Arguments, Built]) -> Callable[Arguments, Built]:
    """A builder whose `ValueError`s begin with its name: "unet: classes must be ...".

    Models are channels last, whatever Keras's setting: their layers would take it one by one.
    """

    @functools.wraps(build)
    def builder(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Built:
        setting = keras.config.image_data_format()
        keras.config.set_image_data_format("channels_last")
        try:
            return build(*args, **kwargs)
        except ValueError as error:
            raise ValueError(f"{build.__name__}: {error}") from error
        finally:
            keras.config.set_image_data_format(setting)

    return builder


def checked_input_shape(
    shape: Any, rank: int | tuple[int, ...] = 2, known: bool = False, argument: str = "input_shape"
) -> tuple[int | None, ...]:
    """The shape of a builder's images as a tuple: spatial sizes, then channels.

    Args:
        shape: what the builder was given.
        rank: spatial dimensions; of several numbers one.
        known: whether every size must be; else the spatial ones may be None.
        argument: its name, for the error.

    Raises:
        ValueError: for another number of sizes, one below 1, unknown channels, or channels first.
    """
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else ()
    ranks = rank if isinstance(rank, tuple) else (rank,)
    rank = len(sizes) - 1 if len(sizes) - 1 in ranks else ranks[-1]
    may_be_none = () if known else range(rank)
    legal = all(
        i in may_be_none if size is None else _is_size(size) for i, size in enumerate(sizes)
    )
    if len(sizes) != rank + 1 or not legal:
        free = "" if known else f"; {' and '.join(AXES[rank])} may be None"
        axes = " or ".join(f"({', '.join(AXES[rank])}, channels)" for rank in ranks)
        raise ValueError(
            f"{argument} must be {axes}, integers of at least 1{free}; got {argument}={shape!r}."
        )
    _check_order(sizes, argument)
    return tuple(None if size is None else int(size) for size in sizes)


def _check_order(sizes: tuple[int | None, ...], argument: str) -> None:
    """Raise ValueError for a square image whose channels come first, or are missing."""
    *first, rows, columns = sizes
    if rows is None or rows != columns or rows < 32 or first not in ([], [1], [3]):
        return
    right = (rows, columns, *(first or [1]))
    why = "channels come last" if first else "an image has channels too"
    raise ValueError(f"{argument}={sizes}: {why}, as in {right}.")


def _is_size(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1
