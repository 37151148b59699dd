"""All that a `.keras` file may name, registered with Keras as soon as Keras is there.

`keras.models.load_model` finds a class only after the module that registers it was imported. dnzoo does not
import Keras by itself, so it looks out for who does: when the import of Keras has ended, the modules
that register are imported. One of dnzoo's own may be the one that imports Keras, and is half made then;
therefore nothing happens before the outermost import, of Keras or of a module of dnzoo's, is over.
"""

import contextlib
import importlib
import importlib.abc
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PARTS: tuple[str, ...] = ("layers", "losses", "metrics", "models", "training.optimizers")


def register() -> None:
    """Import what registers itself with Keras: now if Keras is there, else once it is imported."""
    if "keras" in sys.modules:
        for part in PARTS:
            importlib.import_module(f"dnzoo.{part}")
    elif not any(isinstance(finder, _Lookout) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Lookout())


class _Lookout(importlib.abc.MetaPathFinder):
    """Finds what the other finders find, and is gone once Keras is there."""

    def __init__(self) -> None:
        self.running, self.lock = 0, threading.Lock()  # imports that have begun, in all threads

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "keras" and not fullname.startswith("dnzoo."):
            return None
        others = [getattr(one, "find_spec", None) for one in sys.meta_path if one is not self]
        found = (find(fullname, path, target) for find in others if find)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Watched(spec.loader, self)
        return spec

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count an import; the last one to end registers, if Keras is whole by then."""
        with self.lock:
            self.running += 1
        try:
            yield
        finally:
            with self.lock:
                self.running -= 1
                last = not self.running and "keras" in sys.modules and self in sys.meta_path
                if last:
                    sys.meta_path.remove(self)
        if last:
            register()


class _Watched(importlib.abc.Loader):
    """A loader that says when its module is made; the module itself has the real one."""

    def __init__(self, loader: Any, lookout: _Lookout) -> None:
        self.loader, self.lookout = loader, lookout

    def __getattr__(self, name: str) -> Any:  # such as get_code, for `python -m`
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        with self.lookout.watching():
            self.loader.exec_module(module)
