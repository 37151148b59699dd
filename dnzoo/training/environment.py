"""Where a number was made: date, device, versions."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

import keras


def environment() -> dict[str, str]:
    """{"date", "device", "versions"}, for cards, reports and benchmarks."""
    backend = keras.backend.backend()
    packages = ["dnzoo", "keras", backend, "numpy"]
    versions = [f"{name} {_version(name)}" for name in packages]
    return {
        "date": datetime.date.today().isoformat(),
        "device": _device(),
        "versions": f"Python {platform.python_version()}, " + ", ".join(versions),
    }


def _version(package: str) -> str:
    if package == "dnzoo":
        import dnzoo

        return dnzoo.__version__
    return importlib.metadata.version(package)


def _device() -> str:
    names = [f"{os.cpu_count()} cores, {_processor()}"]
    if keras.backend.backend() == "jax":
        import jax

        names = [d.device_kind for d in jax.devices() if d.platform != "cpu"] or names
    elif keras.backend.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            names = [torch.cuda.get_device_name()]
    else:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        names = [d.get("device_name", "GPU") for d in details] or names
    return ", ".join(names)


def _processor() -> str:
    """The name; of AMD's and Intel's servers also the generation, which the name may not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    about = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    if "model name" not in about:
        return platform.processor() or platform.machine()
    if "cpu family" not in about:
        return about["model name"]
    return f"{about['model name']} (family {about['cpu family']} model {about['model']})"
