"""Keras imported without the lines that TensorFlow prints while it starts."""

import contextlib
import os
import sys
import tempfile


def start_keras() -> None:
    """Import Keras and its backend; what C++ prints meanwhile is shown only if that fails.

    TensorFlow writes to the file descriptor of the standard error, past Python: it is a temporary file
    for that time. What Python writes, such as a warning, goes where it always goes. With
    DNZOO_DEBUG=1 in the environment, or Keras imported already, nothing is held back.
    """
    if "keras" in sys.modules or os.environ.get("DNZOO_DEBUG"):
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # later: warnings and errors, no information
    sys.stderr.flush()
    real = os.dup(2)
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(tempfile.TemporaryFile())
        try:
            if sys.stderr.fileno() == 2:  # for good: loggers made meanwhile keep it
                sys.stderr = os.fdopen(
                    os.dup(real), "w", 1, sys.stderr.encoding, "backslashreplace"
                )
        except (OSError, ValueError):  # it is no file: a notebook's, a test's
            pass
        os.dup2(held.fileno(), 2)
        try:
            _import()
        except Exception:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)


def _import() -> None:
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.list_physical_devices()  # it says then which drivers it misses
