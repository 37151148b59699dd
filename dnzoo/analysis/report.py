"""A model's cost as a table for the terminal."""

import keras

from dnzoo.analysis.complexity import complexity
from dnzoo.layers.base import Shape


def summary(
    model: keras.Layer, input_shape: Shape | list[Shape] | None = None, batch_size: int = 1
) -> None:
    """Print what each layer costs: output, parameters, multiply-accumulates, activations.

    Args:
        model, input_shape, batch_size: as in `complexity`.

    Raises:
        ValueError: as `complexity` does.
    """
    from rich.console import Console
    from rich.table import Table

    cost = complexity(model, input_shape, batch_size)
    table = Table(title=f"{model.name}, one image", title_justify="left")
    table.add_column("layer")
    table.add_column("kind")
    for column in ("output", "parameters", "MAC", "activations"):
        table.add_column(column, justify="right")
    for row in cost.layers:
        shape = " x ".join(map(str, row.output_shape[1:]))
        table.add_row(
            row.name,
            row.kind,
            shape,
            f"{row.parameters:,}",
            *_readable(row.macs, row.activation_bytes),
        )
    table.add_section()
    table.add_row(
        "total", "", "", f"{cost.parameters:,}", *_readable(cost.macs, cost.activation_bytes)
    )
    console = Console()
    console.print(table)
    console.print(
        f"trainable parameters: {cost.trainable_parameters:,}; a training step on "
        f"{batch_size} image{'s' if batch_size > 1 else ''} with Adam holds "
        f"{_readable(0, cost.training_bytes)[1]}."
    )


def _readable(macs: int, size: int) -> tuple[str, str]:
    return _scaled(macs, 1000, ["", " K", " M", " G", " T"]), _scaled(
        size, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]
    )


def _scaled(value: float, base: int, units: list[str]) -> str:
    for unit in units[:-1]:
        if value < base:
            break
        value, unit = value / base, units[units.index(unit) + 1]
    return f"{value:,.4g}{unit}" if value else "0"
