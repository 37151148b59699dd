"""Losses missing from Keras: for masks, images and generative models."""

from dnzoo.losses.generative import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    input_gradient,
    kl_divergence,
)
from dnzoo.losses.names import Sum, get
from dnzoo.losses.reconstruction import (
    Charbonnier,
    Perceptual,
    StructuralSimilarity,
    TotalVariation,
)
from dnzoo.losses.segmentation import (
    CrossEntropy,
    Dice,
    Focal,
    Lovasz,
    MaskLoss,
    SegmentationLoss,
    Tversky,
)

__all__ = [
    "Charbonnier",
    "CrossEntropy",
    "Dice",
    "Focal",
    "Lovasz",
    "MaskLoss",
    "Perceptual",
    "SegmentationLoss",
    "StructuralSimilarity",
    "Sum",
    "TotalVariation",
    "Tversky",
    "discriminator_loss",
    "generator_loss",
    "get",
    "gradient_penalty",
    "input_gradient",
    "kl_divergence",
]
