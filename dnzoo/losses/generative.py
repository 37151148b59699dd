"""Losses of generative models: what a discriminator says, and how far a latent is from normal."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import keras
from keras import ops

from dnzoo.layers.geometry import one_of

Adversarial = Literal["bce", "hinge", "wgan-gp"]


def kl_divergence(mean: Any, log_variance: Any) -> Any:
    """KL divergence of N(mean, exp(log_variance)) from N(0, 1) per latent unit, in nats, float32.

    Args:
        mean, log_variance: (N, d), or any one shape; it is that of the result.

    Source: Kingma and Welling 2013, arXiv:1312.6114, appendix B.

    Example:
        >>> kl_divergence(ops.ones((1, 1)), ops.zeros((1, 1))).numpy().item()
        0.5
    """
    mean, log_variance = ops.cast(mean, "float32"), ops.cast(log_variance, "float32")
    return 0.5 * (mean**2 + ops.exp(log_variance) - 1.0 - log_variance)


def discriminator_loss(
    kind: Adversarial, real: Any, fake: Any, label_smoothing: float = 0.0
) -> Any:
    """What the discriminator minimises, from its logits for real and for generated images.

    Args:
        kind: "bce" (Goodfellow et al. 2014), "hinge" (Lim and Ye 2017) or "wgan-gp" (Arjovsky et al.
            2017; without the penalty, which is `gradient_penalty`).
        real, fake: logits, any shape.
        label_smoothing: for "bce": real images count as 1 - label_smoothing.

    Returns:
        A number.

    Raises:
        ValueError: for another kind, or a label smoothing that is not in [0, 1), or not for "bce".

    Example:
        >>> float(discriminator_loss("hinge", ops.ones((2, 1)), -ops.ones((2, 1))))
        0.0
    """
    check_adversarial(kind, label_smoothing)
    real, fake = ops.cast(real, "float32"), ops.cast(fake, "float32")
    if kind == "bce":
        on_real = ops.softplus(-real) + label_smoothing * real
        return ops.mean(on_real) + ops.mean(ops.softplus(fake))
    if kind == "hinge":
        return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake))
    return ops.mean(fake) - ops.mean(real)


def generator_loss(kind: Adversarial, fake: Any) -> Any:
    """What the generator minimises; arguments as for `discriminator_loss`.

    "bce" is the non-saturating one, -log D.

    Example:
        >>> float(generator_loss("bce", ops.zeros((2, 1))))  # log(2)
        0.693...
    """
    check_adversarial(kind)
    fake = ops.cast(fake, "float32")
    return ops.mean(ops.softplus(-fake)) if kind == "bce" else -ops.mean(fake)


def gradient_penalty(gradient: Any) -> Any:
    """`mean((|gradient| - 1)^2)`, the norm over each image (Gulrajani et al. 2017, arXiv:1704.00028).

    Args:
        gradient: of the critic's logit with respect to its input, (N, ...).

    Example:
        >>> float(gradient_penalty(ops.ones((1, 2, 2, 1))))
        1.0
    """
    squared = ops.sum(ops.cast(gradient, "float32") ** 2, axis=tuple(range(1, len(gradient.shape))))
    return ops.mean((ops.sqrt(squared + 1e-12) - 1.0) ** 2)


def check_adversarial(kind: Adversarial, label_smoothing: float = 0.0) -> None:
    """Raise ValueError for another loss, or a label smoothing that it can't have."""
    one_of(kind, get_args(Adversarial), "loss")
    if not 0 <= label_smoothing < 1 or (label_smoothing and kind != "bce"):
        raise ValueError(
            f'label_smoothing is for "bce", at least 0 and below 1; got {label_smoothing} '
            f"for {kind!r}."
        )


def input_gradient(function: Callable[[Any], Any], x: Any) -> Any:
    """The gradient of `sum(function(x))` with respect to `x`, to be learned through.

    Keras has no public gradient: one branch per backend. On JAX the function must not change
    variables (use `stateless_call`).

    Args:
        function: x -> logits, any shape.
        x: (N, ...).

    Returns:
        As `x`.

    Example:
        >>> input_gradient(lambda x: x**2, ops.full((1, 1), 3.0)).numpy().item()
        6.0
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(function(x))
        return tape.gradient(total, x)
    if backend == "jax":
        import jax

        return jax.grad(lambda x: function(x).sum())(x)
    import torch

    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_()
        return torch.autograd.grad(function(x).sum(), x, create_graph=True)[0]
