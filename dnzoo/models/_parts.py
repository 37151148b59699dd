"""Training in parts: an optimiser, a pace and a moving average per part of a model, in plain `fit`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.layers.base import Tensor

Optimizers = keras.optimizers.Optimizer | Mapping[str, keras.optimizers.Optimizer]


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a model, trained by an optimiser of its own.

    Attributes:
        net: the part, a `keras.Model` or layer: its trainable variables.
        turns: the steps of a cycle in which it is updated, for all steps: (True, False) is every other
            one, from the first. In the others its weights and its optimiser stand still.
        average: a net of the same architecture, which gets the moving average of the weights at the
            end of each `fit`, and the moving statistics as they are; None: there is no average.
        momentum: how much of the average an update keeps: Keras's `ema_momentum`.
    """

    net: keras.layers.Layer
    turns: tuple[bool, ...] = (True,)
    average: keras.layers.Layer | None = None
    momentum: float = 0.999

    def optimizer(self, given: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """An optimiser of this part alone: a new one, with the settings of `given`."""
        config = given.get_config()
        if self.average is not None:
            config |= {"use_ema": True, "ema_momentum": self.momentum}
        if isinstance(config["learning_rate"], dict) and not all(self.turns):
            schedule = keras.saving.deserialize_keras_object(config["learning_rate"])
            paced = keras.saving.serialize_keras_object(Paced(schedule, self.turns))
            config["learning_rate"] = paced
        return type(given).from_config(config)

    def finalize(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Give `average` the moving average of `optimizer`, and all else that `net` has."""
        trained = self.net.trainable_variables
        if self.average is None:
            optimizer.finalize_variable_values(trained)  # the user's own `use_ema`, if any
            return
        pairs = zip(self.net.variables, self.average.variables, strict=True)
        means = {id(weight): (weight, mean) for weight, mean in pairs}
        if int(ops.convert_to_numpy(optimizer.iterations)):  # before the first update it is 0
            optimizer.finalize_variable_values([means.pop(id(weight))[1] for weight in trained])
        for weight, mean in means.values():
            mean.assign(weight)
        for (
            mean
        ) in self.average.variables:  # on JAX they share memory until here, which `fit` gives away
            mean.assign(ops.copy(ops.convert_to_tensor(mean)))


@keras.saving.register_keras_serializable("dnzoo")
class Paced(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule over the steps of `fit`, for an optimiser that counts only its part's updates.

    Args:
        schedule: of the learning rate over the steps.
        turns: as for `Part`.

    Example:
        >>> linear = keras.optimizers.schedules.PolynomialDecay(0.0, 100, 100.0)
        >>> [float(Paced(linear, (True, True, False))(update)) for update in range(4)]
        [0.0, 1.0, 3.0, 4.0]
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, turns: Sequence[bool]
    ) -> None:
        self.schedule, self.turns = schedule, tuple(turns)

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate after so many updates of the part."""
        step = ops.convert_to_tensor(step)
        places = [place for place, turn in enumerate(self.turns) if turn]
        cycles = ops.floor_divide(step, len(places)) * len(self.turns)
        place = ops.take(ops.convert_to_tensor(places), ops.mod(step, len(places)))
        return self.schedule(cycles + ops.cast(place, cycles.dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "turns": list(self.turns),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Paced":
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["turns"])


class PartsOptimizer(keras.optimizers.MultiOptimizer):
    """Keras's `MultiOptimizer` with a pace per part: an update out of turn is undone.

    Which part's turn it is follows from the number of steps done, `iterations`, alone. Every step
    computes all gradients; there is no branch in it, so that XLA, several devices and loss scaling
    work as with one optimiser. A part that is updated in every step costs nothing more. A saved model
    holds what this was made from: `InParts` sees to it.

    Args:
        parts: {name: `Part`}; together they hold all trainable variables.
        optimizer: whose settings each part's own optimiser takes over; or {name: optimiser}.

    Raises:
        ValueError: when the names don't agree.
    """

    def __init__(self, parts: Mapping[str, Part], optimizer: Optimizers) -> None:
        given = optimizer if isinstance(optimizer, Mapping) else dict.fromkeys(parts, optimizer)
        if set(given) != set(parts):
            raise ValueError(
                f"there must be an optimizer for each of {', '.join(parts)}; got {', '.join(given)}."
            )
        owners = {name: part.optimizer(given[name]) for name, part in parts.items()}
        super().__init__(lambda variable: owners[self._names[id(variable)]], name="parts")
        self._parts = [(part, owners[name]) for name, part in parts.items()]
        self._names = {
            id(variable): name
            for name, part in parts.items()
            for variable in part.net.trainable_variables
        }

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Update the parts whose turn it is."""
        if not self.built:
            self.build(trainable_variables)
        step, before = ops.convert_to_tensor(self.iterations), []
        for part, optimizer in self._parts:
            if optimizer.built and not all(part.turns):
                turn = ops.take(ops.convert_to_tensor(part.turns), ops.mod(step, len(part.turns)))
                variables = [*part.net.trainable_variables, *optimizer.variables]
                before += [(turn, v, ops.copy(ops.convert_to_tensor(v))) for v in variables]
        super().apply(grads, trainable_variables)
        for turn, variable, value in before:
            variable.assign(ops.where(turn, ops.convert_to_tensor(variable), value))

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """At the end of `fit`: each part's average goes where the part says; `var_list` stays."""
        for part, optimizer in self._parts:
            if optimizer.built:
                part.finalize(optimizer)

    @property
    def learning_rate(self) -> Any:
        """Of the first part; setting it sets that of all parts."""
        return self._parts[0][1].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        for _, optimizer in self._parts:
            optimizer.learning_rate = value


class InParts(keras.Model):
    """A model that names its parts: `compile` makes an optimiser for each, and `fit` is Keras's.

    A subclass has `parts`. The loss, one number, is the sum of the parts' losses, built so that each
    part has gradients of its own alone (`keras.ops.stop_gradient`).
    """

    def parts(self) -> dict[str, Part]:
        """{name: `Part`}."""
        raise NotImplementedError

    def compile(self, optimizer: str | Optimizers = "rmsprop", *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.compile`; `optimizer` is one for all parts, or {name of a part: one}."""
        if isinstance(optimizer, str):
            optimizer = keras.optimizers.get(optimizer)
        self._compiled_with = optimizer
        super().compile(PartsOptimizer(self.parts(), optimizer), *args, **kwargs)

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` got, for a saved model."""
        if not self.compiled:
            return None
        return {"optimizer": keras.saving.serialize_keras_object(self._compiled_with)}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as the saved model was."""
        self.compile(keras.saving.deserialize_keras_object(config["optimizer"]))
        self.optimizer.build(self.trainable_variables)
