"""Which way a number is better."""

import keras

# of Keras's metrics, with their subclasses, those that are better when more
MORE: list[str] = (
    "Accuracy AUC BinaryAccuracy CategoricalAccuracy ConcordanceCorrelation CosineSimilarity FBetaScore IoU "
    "PearsonCorrelation Precision PrecisionAtRecall R2Score Recall RecallAtPrecision "
    "SensitivityAtSpecificity SparseCategoricalAccuracy SparseTopKCategoricalAccuracy "
    "SpecificityAtSensitivity TopKCategoricalAccuracy TrueNegatives TruePositives"
).split()
# a mean is of a loss or an error
LESS: tuple[str, ...] = ("FalseNegatives", "FalsePositives", "Mean")
UNKNOWN: tuple[str, ...] = ("MeanMetricWrapper",)  # of a function of the user's


class Directed:
    """What says `higher_is_better` on its class says it to Keras's callbacks too.

    `EarlyStopping`, `ModelCheckpoint` and `ReduceLROnPlateau` with mode="auto" read `_direction`.
    """

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "higher_is_better" in vars(cls):
            cls._direction = "up" if vars(cls)["higher_is_better"] else "down"


def higher_is_better(metric: object) -> bool:
    """Whether more of what a metric or a loss measures is better.

    Args:
        metric: an object or a class: of dnzoo's, which say so themselves (`higher_is_better`, on the
            class); of Keras's, where a plain `Mean` stands for a loss; or one of your own that says it.

    Raises:
        ValueError: for one that doesn't say.

    Example:
        >>> higher_is_better(keras.metrics.F1Score()), higher_is_better(keras.losses.Poisson())
        (True, False)
    """
    said = getattr(metric, "higher_is_better", None)
    if said is not None:
        return bool(said)
    kind = metric if isinstance(metric, type) else type(metric)
    if issubclass(kind, keras.losses.Loss):
        return False
    if kind.__module__.startswith("keras.") and kind.__name__ not in UNKNOWN:
        names = {base.__name__ for base in kind.__mro__}
        if names & {*MORE, *LESS}:
            return bool(names & {*MORE})
    raise ValueError(
        f"{kind.__name__} does not say which way is better: give it higher_is_better, True or False."
    )
