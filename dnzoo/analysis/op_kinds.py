"""Kinds of Keras's layers and operations; dnzoo's own layers say themselves what they are."""

from typing import Any

import keras

K = keras.layers
CONVOLUTIONS: tuple[type[Any], ...] = (
    K.Conv1D,
    K.Conv2D,
    K.Conv3D,
    K.DepthwiseConv1D,
    K.DepthwiseConv2D,
    K.SeparableConv1D,
    K.SeparableConv2D,
)
TRANSPOSED: tuple[type[Any], ...] = (K.Conv1DTranspose, K.Conv2DTranspose, K.Conv3DTranspose)
POOLINGS: tuple[type[Any], ...] = (
    K.MaxPooling1D,
    K.MaxPooling2D,
    K.MaxPooling3D,
    K.AveragePooling1D,
    K.AveragePooling2D,
    K.AveragePooling3D,
)
UPSAMPLINGS: tuple[type[Any], ...] = (K.UpSampling1D, K.UpSampling2D, K.UpSampling3D)
PADDINGS: tuple[type[Any], ...] = (K.ZeroPadding1D, K.ZeroPadding2D, K.ZeroPadding3D)
CROPPINGS: tuple[type[Any], ...] = (K.Cropping1D, K.Cropping2D, K.Cropping3D)
ROW_BY_ROW: tuple[type[Any], ...] = (
    K.Activation,
    K.ActivityRegularization,
    K.Add,
    K.AlphaDropout,
    K.Average,
    K.BatchNormalization,
    K.Concatenate,
    K.Dense,
    K.Dropout,
    K.ELU,
    K.GaussianDropout,
    K.GaussianNoise,
    K.Identity,
    K.LayerNormalization,
    K.LeakyReLU,
    K.Maximum,
    K.Minimum,
    K.Multiply,
    K.Normalization,
    K.PReLU,
    K.ReLU,
    K.Rescaling,
    K.Softmax,
    K.SpatialDropout1D,
    K.SpatialDropout2D,
    K.SpatialDropout3D,
    K.Subtract,
)
SEES_ALL: tuple[type[Any], ...] = (
    K.Dot,
    K.Embedding,
    K.Flatten,
    K.GlobalAveragePooling1D,
    K.GlobalAveragePooling2D,
    K.GlobalAveragePooling3D,
    K.GlobalMaxPooling1D,
    K.GlobalMaxPooling2D,
    K.GlobalMaxPooling3D,
    K.GroupNormalization,
    K.Reshape,
)
# Operations of keras.ops that layers call, by the name of their class.
OPERATIONS_ROW_BY_ROW: set[str] = set(
    """absolute add cast clip concatenate converttotensor divide elu exp gelu hardsigmoid hardsilu
    identity leakyrelu log maximum minimum multiply negative power relu relu6 rsqrt selu sigmoid
    silu softmax softplus softsign sqrt square subtract tanh where""".split()
)
# What else keras.ops does without a product: moved, chosen or made anew.
OPERATIONS_MOVE: set[str] = set(
    """argmax broadcastto depthtospace expanddims flip floor getitem ones oneslike pad repeat roll
    round spacetodepth split squeeze stack take tile zeros zeroslike""".split()
)
OPERATIONS_SEE_ALL: set[str] = {
    "mean",
    "max",
    "min",
    "sum",
    "reshape",
    "matmul",
    "transpose",
    "var",
}
