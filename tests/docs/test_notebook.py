"""The notebook runs from top to bottom, in a small setting."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.conftest import ROOT, slow

SMALL = "image_size, head_epochs, epochs = 32, 2, 2"


@slow
def test_transfer(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(ROOT / "docs/transfer.ipynb", as_version=4)
    place = next(
        i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", [])
    )
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(SMALL))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert float(outputs[-1].data["text/plain"].removeprefix("np.float32(").rstrip(")")) == 0.0
    assert not list(Path(tmp_path).glob("my_images"))
