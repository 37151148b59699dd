"""A layer without rules fails in `LayerConformance`."""

import keras
import pytest

from dnzoo.layers.rules import Kept
from tests.layer_conformance import LayerConformance


class Rolled(keras.layers.Layer):
    """What a layer does that is neither made of other layers nor says its rules."""

    def call(self, x):
        return keras.ops.roll(x, 1, axis=1)


class Half(Rolled):
    def macs(self, shapes_in, shape_out):
        return 0


def conformance(kind):
    case = type("Case", (LayerConformance,), {"shapes": (1, 4, 4, 2)})()
    case.build = kind
    return case


def test_no_rules():
    with pytest.raises(ValueError, match=r"no rule is known for rolled.*/roll"):
        conformance(Rolled).test_rules()
    with pytest.raises(AssertionError, match=r"of the rules only \['macs'\]"):
        conformance(Half).test_rules()


def test_wrong_rules():
    class Wrong(Half):
        def rows_seen(self, axis, low, high, rows_in, rows_out):
            return low, high

        def kept(self, shapes_in, shape_out):
            return Kept()

    with pytest.raises(AssertionError):
        conformance(Wrong).test_rules()
