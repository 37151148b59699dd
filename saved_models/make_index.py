"""List the published models in the index that the wheel ships: `make index`.

Of each: `sha256` of its dnzoo.json, `size` of its files in bytes, `archive` and `archive_sha256` of the
ZIP file that is downloaded, and its `facts`. A folder that was written before cards named the task is
loaded, to see which task teaches such models, and its words.
"""

import tempfile
from pathlib import Path

from dnzoo import saving, storage, tasks
from dnzoo.storage import archive, pretrained


def main() -> None:
    index = {}
    for file in sorted(pretrained.CHECKOUT.glob(f"*/{pretrained.EXTRA}")):
        folder = file.parents[1]
        size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
        with tempfile.NamedTemporaryFile() as packed:
            archive.write(folder, packed.name)
            size_and_sum = {
                "archive": Path(packed.name).stat().st_size,
                "archive_sha256": storage.sha256(packed.name),
            }
        meta = pretrained.read_meta(folder)
        if pretrained.facts(meta)["task"] is None:
            task = tasks.of(saving.load(folder))
            meta["provenance"]["task"], meta["labels"] = task.words(), task.labels
        said = {**size_and_sum, **pretrained.facts(meta)}
        index[folder.name] = {"sha256": storage.sha256(file), "size": size, **said}
    storage.write_json(pretrained.INDEX, index, overwrite=True)


if __name__ == "__main__":
    main()
