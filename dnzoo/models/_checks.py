"""What every builder checks of its arguments, and how its errors begin."""

import functools
from collections.abc import Callable
from numbers import Integral
from typing import Any, ParamSpec, TypeVar

Arguments, Built = ParamSpec("Arguments"), TypeVar("Built")
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def named(build: Callable[Arguments, Built]) -> Callable[Arguments, Built]:
    """A builder whose `ValueError`s begin with its name: "unet: classes must be ..."."""

    @functools.wraps(build)
    def builder(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Built:
        try:
            return build(*args, **kwargs)
        except ValueError as error:
            raise ValueError(f"{build.__name__}: {error}") from error

    return builder


def checked_input_shape(
    shape: Any, rank: int = 2, known: bool = False, argument: str = "input_shape"
) -> tuple[int | None, ...]:
    """The shape of a builder's images as a tuple: spatial sizes, then channels.

    Args:
        shape: what the builder was given.
        rank: spatial dimensions.
        known: whether every size must be; else the spatial ones may be None.
        argument: its name, for the error.

    Raises:
        ValueError: for another number of sizes, one below 1, or unknown channels.
    """
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else ()
    may_be_none = () if known else range(rank)
    legal = all(
        i in may_be_none if size is None else _is_size(size) for i, size in enumerate(sizes)
    )
    if len(sizes) != rank + 1 or not legal:
        free = "" if known else f"; {' and '.join(AXES[rank])} may be None"
        raise ValueError(
            f"{argument} must be ({', '.join(AXES[rank])}, channels), integers of at least 1{free}; "
            f"got {argument}={shape!r}."
        )
    return tuple(None if size is None else int(size) for size in sizes)


def _is_size(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1
