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
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, keras.Model):
            return head(inner)
        makes = {"filters", "units"} & {*layer.get_config()}
        if makes or not layer.weights:
            found.append(layer)
        if enlarges(layer, classes) or (not makes and not layer.weights):
            waiting += [makers.get(id(tensor)) for tensor in keras.tree.flatten(layer.input)]
    return [layer for layer in found if layer.weights]


def enlarges(layer, classes):
    """Whether a layer only brings the scores of classes to another size."""
    return "Transpose" in type(layer).__name__ and layer.input.shape[-1] == classes


def train_all(model):
    """Undo `train_only_head`: a model's own switch does not reach the layers inside."""
    model.trainable = True
    for layer in model.layers:
        layer.trainable = True
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, keras.Model):
            train_all(inner)


def train_only_head(model):
    """Freeze every layer but the head's."""
    keep = head(model)
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, keras.Model) and {*map(id, head(inner))} & {*map(id, keep)}:
            train_only_head(inner)
        else:
            layer.trainable = layer in keep


def has_logits(model):
    """Whether no activation follows a model's scores; classes are cut at 0 then, else at 0.5."""
    layers = head(model)
    return not layers or layers[0].activation is keras.activations.linear


def labels_pixels(model: keras.Model) -> bool:
    """Whether a model gives every pixel of one image scores of classes, or every voxel of a volume."""
    if len(model.inputs) != 1 or len(model.outputs) != 1 or isinstance(model.output, dict):
        return False
    given, out = (tuple(tensors[0].shape) for tensors in (model.inputs, model.outputs))
    if len(given) != len(out) or len(given) not in (3, 4, 5):
        return False
    if type(model.layers[-1]).__name__ == "Preprocessing":  # it puts out pixels
        return False
    sizes = [size or SIZE for size in given[1:-1]]
    out = model.compute_output_shape((1, *sizes, given[-1]))[1:-1]
    return all(size <= wanted for size, wanted in zip(out, sizes))
