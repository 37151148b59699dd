"""Where a run computes: one device or several, and in which precision."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal

import keras

Precision = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
Distribute = Literal["auto", "none", "mirrored", "tpu"]


def accelerated() -> bool:
    """Whether the backend computes on a GPU, or on a TPU that `distributed` has connected to."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return torch.cuda.is_available()
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"))


def precision(name: Precision) -> str:
    """The policy that `precision` names; "auto": bfloat16 where the device multiplies it by itself."""
    if name != "auto":
        return name
    return "mixed_bfloat16" if accelerated() or _cpu_has_bfloat16() else "float32"


def _cpu_has_bfloat16(cpuinfo: str = "/proc/cpuinfo") -> bool:
    """Whether the CPU has AMX or AVX512-BF16; without, bfloat16 is slower than float32."""
    try:
        with open(cpuinfo, encoding="utf-8") as file:
            flags = file.read().split()
    except OSError:  # not Linux: it can't be told
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def jit_compile() -> Literal["auto", False]:
    """For `compile`: XLA doubles the time of a step on TensorFlow's CPU, and is JAX's only way."""
    return "auto" if keras.backend.backend() != "tensorflow" or accelerated() else False


@contextlib.contextmanager
def distributed(name: Distribute, batch_size: int) -> Iterator[int]:
    """What is built and trained inside runs on the devices that `distribute` names.

    Args:
        name: "auto" (all GPUs or TPU cores, if there is more than one), "none", "mirrored" (every
            device; logical CPU devices too) or "tpu".
        batch_size: images a step, over all devices together.

    Yields:
        How many devices share a batch.

    Raises:
        ValueError: when it can't be had here, or the batch can't be divided evenly.
    """
    _refuse_several_workers()
    backend = keras.backend.backend()
    if backend == "tensorflow":
        replicas, scope = _strategy(name)
    elif backend == "jax":
        replicas, scope = _data_parallel(name)
    elif name in ("mirrored", "tpu"):
        raise ValueError(f"distribute={name!r}: on PyTorch dnzoo trains on one device; use none.")
    else:
        replicas, scope = 1, contextlib.nullcontext
    if batch_size % replicas:
        raise ValueError(
            f"batch_size={batch_size} is shared by {replicas} devices: use a multiple of them."
        )
    if replicas > 1:
        print(f"On {replicas} devices, {batch_size // replicas} images a step on each.")
    with scope():
        yield replicas


def _refuse_several_workers() -> None:
    workers = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {}).get("worker", [])
    if len(workers) > 1 and keras.backend.backend() == "tensorflow":
        raise ValueError(
            f"TF_CONFIG names {len(workers)} workers, but MultiWorkerMirroredStrategy does not train "
            "under Keras 3 (keras#20585): unset TF_CONFIG and use the devices of one machine."
        )


def _strategy(name: Distribute) -> tuple[int, Callable[[], AbstractContextManager[Any]]]:
    import tensorflow as tf

    if name == "tpu" or (name == "auto" and tf.config.list_physical_devices("TPU")):
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        except (ValueError, tf.errors.OpError) as error:
            raise ValueError(
                'distribute="tpu": no TPU answers; use distribute="auto" on other machines.'
            ) from error
        strategy = tf.distribute.TPUStrategy(resolver)
        return strategy.num_replicas_in_sync, strategy.scope
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        return strategy.num_replicas_in_sync, strategy.scope
    return 1, contextlib.nullcontext


def _data_parallel(name: Distribute) -> tuple[int, Callable[[], AbstractContextManager[Any]]]:
    import jax

    devices = jax.devices()
    if name == "tpu" and devices[0].platform != "tpu":
        raise ValueError(
            'distribute="tpu": no TPU answers; use distribute="auto" on other machines.'
        )
    alone = len(devices) == 1 or (name == "auto" and devices[0].platform == "cpu")
    if name == "none" or (alone and name != "mirrored"):
        return 1, contextlib.nullcontext

    @contextlib.contextmanager
    def scope() -> Iterator[None]:
        before = keras.distribution.distribution()
        kind = f"{devices[0].platform}:"
        names = [f"{kind}{device.id}" for device in devices]
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names))
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)

    return len(devices), scope
