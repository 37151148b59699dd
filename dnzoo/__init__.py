"""dnzoo: the decoder zoo for Keras 3. Layers, models and recipes for networks that produce pixels.

The public names stand in `__init__.pyi`; each is imported when it is first used, so that
`import dnzoo` costs milliseconds and loads neither Keras nor TensorFlow.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
