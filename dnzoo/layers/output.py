"""The last layer of a model: it says what comes out."""

from typing import Any

import keras
from keras import ops

from dnzoo.layers.rules import RowByRow


@keras.saving.register_keras_serializable("dnzoo")
class Output(RowByRow, keras.layers.Layer):
    """What a model puts out, said by its last layer, for those who save, serve, draw or fine-tune it.

    It has no weights and computes nothing but a cast to float32. It goes wherever the model goes:
    `.keras` files, SavedModels, `deploy`, clones. `dnzoo.inference.kinds.of` reads it.

    Args:
        kind: name of a kind that `dnzoo.inference.kinds` knows: "classes" (scores of each pixel),
            "image", "masks" (of objects in boxes), "labels" (scores of a whole image), or one of
            your own.
        name, dtype, trainable: as of every layer; the precision is float32 unless given.
        **facts: what a user of the numbers must know, which JSON can hold. Of "classes", "masks" and
            "labels": `logits` (True: no activation follows the scores; False: probabilities). Of
            "image": `scale` (output rows for each input row) and `range` ((low, high) of pixels;
            None: that of the input). Of all: `pixels`, the values of 16-bit or float image files that
            become 0 and 255, as `training.run` saw to it; files of 8 bits are read as they are.

    Input and output: a tensor of any shape.

    Raises:
        ValueError: when `kind` is no name.

    Example:
        >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(1, 3)])
        >>> model.add(Output("depth", unit="m"))
        >>> model.layers[-1].facts
        {'unit': 'm'}
    """

    def __init__(
        self,
        kind: str,
        *,
        name: str | None = "output",
        dtype: Any = "float32",
        trainable: bool = True,
        **facts: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        if not isinstance(kind, str) or not kind.isidentifier():
            raise ValueError(f'Output: kind must be a name such as "classes"; got kind={kind!r}.')
        self.kind: str = kind
        self.facts: dict[str, Any] = facts

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Nothing is made."""
        self.built = True

    def call(self, x: Any) -> Any:
        """The input, float32."""
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "kind": self.kind, **self.facts}
