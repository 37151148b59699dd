"""Atomic writes (outputs appear whole or not at all) and folder locks (one owner)."""

from dnzoo.storage.disk import sha256, writing
from dnzoo.storage.folder import LITTER, OWN, Owned, owned, refuse_filled
from dnzoo.storage.whole import new_file, new_folder, refuse_existing, scratch, write_json

__all__ = [
    "LITTER",
    "OWN",
    "Owned",
    "new_file",
    "new_folder",
    "owned",
    "refuse_existing",
    "refuse_filled",
    "scratch",
    "sha256",
    "write_json",
    "writing",
]
