"""What XLA plans to hold in a training step: the measurement that estimates of memory are held to.

Needs Keras on JAX: KERAS_BACKEND=jax.
"""

import jax
import jax.numpy as jnp


def planned_bytes(model, batch):
    """Bytes of arguments and temporaries of a step with Adam, weights and slots written over."""
    trained = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]
    x, y = (
        jax.ShapeDtypeStruct((batch, *shape[1:]), "float32")
        for shape in (model.input_shape, model.output_shape)
    )
    slots = [(jnp.zeros_like(v), jnp.zeros_like(v)) for v in trained]

    def step(trained, others, slots, x, y):
        def loss(trained):
            made, rest = model.stateless_call(trained, others, x, training=True)
            return jnp.mean((made - y) ** 2), rest

        (_, rest), gradients = jax.value_and_grad(loss, has_aux=True)(trained)
        slots = [
            (0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g) for (m, s), g in zip(slots, gradients)
        ]
        news = [v - 1e-3 * m / (jnp.sqrt(s) + 1e-7) for v, (m, s) in zip(trained, slots)]
        return news, rest, slots

    lowered = jax.jit(step, donate_argnums=(0, 1, 2)).lower(trained, others, slots, x, y)
    plan = lowered.compile().memory_analysis()
    return plan.argument_size_in_bytes + plan.temp_size_in_bytes
