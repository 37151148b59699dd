"""The end of a model: which layers make its classes, and what they mean."""

import keras

SIZE = 64  # that every model takes


def head(model):
    """The layers that put out a model's classes, from the output back; [] where there are none.

    The last convolution or dense layer, and before it what only brings class scores to another
    size: FCN's transposed convolutions, its sums, and the scores themselves.
    """
    makers = {}
    for layer in model.layers:
        for tensor in keras.tree.flatten(layer.output):
            makers[id(tensor)] = layer
    classes = model.outputs[0].shape[-1]
    found, waiting = [], [makers.get(id(tensor)) for tensor in model.outputs]
    while waiting:
        layer = waiting.pop(0)
        if layer is None or layer in found or isinstance(layer, keras.layers.InputLayer):
            continue
        if keras.tree.flatten(layer.output)[0].shape[-1] != classes:
            continue
        width = width_argument(layer)
        inputs = keras.tree.flatten(layer.input)
        enlarges = "Transpose" in type(layer).__name__ and inputs[0].shape[-1] == classes
        if width or not layer.weights:
            found.append(layer)
        if enlarges or (not width and not layer.weights):
            waiting += [makers.get(id(tensor)) for tensor in inputs]
    return [layer for layer in found if width_argument(layer)]


def width_argument(layer):
    """The name of the argument that says how many channels a layer puts out, or None."""
    return next((key for key in ("filters", "units") if key in layer.get_config()), None)


def has_logits(model):
    """Whether no activation follows a model's scores; classes are cut at 0 then, else at 0.5."""
    layers = head(model)
    return not layers or layers[0].activation is keras.activations.linear


def labels_pixels(model):
    """Whether a model gives every pixel of one image scores of classes."""
    if len(model.inputs) != 1 or len(model.outputs) != 1 or isinstance(model.output, dict):
        return False
    if len(model.inputs[0].shape) != 4 or len(model.outputs[0].shape) != 4:
        return False
    if type(model.layers[-1]).__name__ == "Preprocessing":  # it puts out pixels
        return False
    given = [size or SIZE for size in model.inputs[0].shape[1:3]]
    out = model.compute_output_shape((1, *given, model.inputs[0].shape[-1]))[1:3]
    return all(size <= wanted for size, wanted in zip(out, given))
