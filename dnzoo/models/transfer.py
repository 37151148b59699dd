"""From a trained model to one for other classes."""

from collections.abc import Sequence

import keras


def new_head(
    model: keras.Model,
    classes: int,
    keep: Sequence[int | None] = (),
    normalization_momentum: float | None = None,
) -> keras.Model:
    """The model with a new last layer; every other weight is kept.

    Train the new layer first, with the rest frozen, then all at a lower rate: at first the new
    layer's gradients are noise, and would spoil what the others know.

    Args:
        model: a functional model that ends in a convolution or dense layer, as dnzoo's do; it is
            left as it is.
        classes: channels out of the new layer, which has the old one's settings.
        keep: for each of the new channels the old channel whose weights it starts from, or None
            for random ones: a class that both know need not be learned again. (): all random.
        normalization_momentum: of every batch normalisation: how much of the moving statistics a
            step keeps. None: as they were. After n steps the old data's share is momentum^n: with
            0.99 and 100 steps, 37 %; with 0.9, 0.003 %.

    Returns:
        `keras.Model` with the names, precision and sizes of the old one.

    Raises:
        ValueError: when the model does not end in such a layer, or `keep` does not fit.

    Example:
        >>> from dnzoo import unet
        >>> new_head(unet((32, 32, 3), classes=2, filters=(4, 8)), classes=5).output_shape
        (None, 32, 32, 5)
    """
    old = model.layers[-1]
    width = next((key for key in ("filters", "units") if key in old.get_config()), None)
    if width is None or old.output is not model.output:
        raise ValueError(
            f"{model.name} does not end in a convolution or dense layer, but in {old.name} "
            f"({type(old).__name__}): there is no head to replace."
        )

    outputs = old.get_config()[width]
    if keep and (len(keep) != classes or not {*keep} <= {None, *range(outputs)}):
        raise ValueError(
            f"keep must be {classes} numbers of the {outputs} old channels, or None; got {keep}."
        )

    def copy(layer):
        config = layer.get_config()
        for key in ("normalization_momentum", "momentum"):
            if normalization_momentum is not None and key in config:
                config[key] = normalization_momentum
        return type(layer).from_config(config)

    body = keras.models.clone_model(model, clone_function=copy, recursive=True)
    body.set_weights(model.get_weights())
    head = type(old).from_config({**old.get_config(), width: classes})
    new = keras.Model(body.input, head(body.layers[-1].input), name=model.name)
    places = [(i, j) for i, j in enumerate(keep) if j is not None]
    values = head.get_weights()  # kernel and bias, channels last
    for value, source in zip(values, old.get_weights()):
        for i, j in places:
            value[..., i] = source[..., j]
    head.set_weights(values)
    return new


def take_weights(model: keras.Model, source: keras.Model) -> list[str]:
    """Give a model the weights of another's layers of the same names, where their shapes agree.

    FCN-16s starts from FCN-32s that way (Long et al. 2015), and EDSR for x4 from that for x2 (Lim
    et al. 2017). Models inside a model, such as "encoder", are taken whole or not at all.

    Args:
        model: what gets the weights.
        source: what has them; it is left as it is.

    Returns:
        Names of the layers that took weights, in order.

    Raises:
        ValueError: when no layer could.

    Example:
        >>> from dnzoo import unet
        >>> small = {"input_shape": (16, 16, 1), "filters": (4, 8)}
        >>> take_weights(unet(classes=3, **small), unet(classes=2, **small))
        ['encoder', 'up_1', 'decoder_1']
    """
    weights = {layer.name: layer.get_weights() for layer in source.layers}
    taken = []
    for layer in model.layers:
        given = weights.get(layer.name, [])
        if given and [w.shape for w in given] == [tuple(w.shape) for w in layer.weights]:
            layer.set_weights(given)
            taken.append(layer.name)
    if not taken:
        raise ValueError(
            f"{model.name} and {source.name} have no layer of the same name and shapes: one can't "
            "start from the other."
        )
    return taken
