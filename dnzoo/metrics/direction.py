"""Which way a number is better."""

import keras

# of Keras's metrics, those that are better when more; its other metrics measure errors
MORE = (
    "Accuracy AUC BinaryAccuracy BinaryIoU CategoricalAccuracy ConcordanceCorrelation CosineSimilarity "
    "F1Score FBetaScore IoU PearsonCorrelation Precision R2Score Recall SensitivityAtSpecificity "
    "SparseCategoricalAccuracy SparseTopKCategoricalAccuracy TopKCategoricalAccuracy TrueNegatives "
    "TruePositives"
).split()


def higher_is_better(metric: object) -> bool:
    """Whether more of what a metric or a loss measures is better.

    Args:
        metric: of dnzoo's, which say so themselves (`higher_is_better`, on the class); of Keras's,
            where a plain `Mean` stands for a loss; or one of your own with that attribute.

    Raises:
        ValueError: for one that doesn't say.

    Example:
        >>> higher_is_better(keras.metrics.F1Score()), higher_is_better(keras.losses.Poisson())
        (True, False)
    """
    said = getattr(metric, "higher_is_better", None)
    if said is not None:
        return bool(said)
    kind = type(metric)
    names = {base.__name__ for base in kind.__mro__ if base.__module__.startswith("keras.")}
    if names & {*MORE}:
        return True
    of_keras = kind.__module__.startswith("keras.") and kind.__name__ != "MeanMetricWrapper"
    if isinstance(metric, keras.losses.Loss) or (of_keras and "Mean" in names):
        return False
    raise ValueError(
        f"{kind.__name__} does not say which way is better: give it higher_is_better, True or False."
    )
