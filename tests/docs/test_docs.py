"""docs/layers.md is what its script makes of the code: every layer, every formula."""

import importlib.util
import re
import tomllib

import keras
import pytest

import dnzoo
from dnzoo import layers
from tests.conftest import ROOT

specification = importlib.util.spec_from_file_location("make_layers", ROOT / "docs/make_layers.py")
make_layers = importlib.util.module_from_spec(specification)
specification.loader.exec_module(make_layers)

NO_ROW = {
    "FadeInSchedule",
    "Output",
    "normalize",
    "roi_align",
    "upsample",
}  # not layers, initialisers


@pytest.mark.parametrize("row", make_layers.ROWS, ids=lambda row: row.name)
def test_formulas_are_what_the_code_counts(row):
    make_layers.checked(row)


def test_every_layer_is_there():
    page = (ROOT / "docs/layers.md").read_text("utf-8")
    for name in set(layers.__all__) - NO_ROW:
        if issubclass(getattr(layers, name), keras.initializers.Initializer):
            assert name in page
        else:  # the 2-D one stands for its kin
            assert f"| `{name.replace('1D', '2D').replace('3D', '2D')}`" in page, name


def test_rows_are_as_in_the_page():
    page = (ROOT / "docs/layers.md").read_text("utf-8")
    for row in make_layers.ROWS:
        cost = make_layers.checked(row)
        line = next(
            line
            for line in page.splitlines()
            if line.startswith(
                f"| `{row.name.split(',')[0]}`" + row.name[len(row.name.split(",")[0]) :]
            )
        )
        assert f"{cost.parameters:,}; {cost.macs / 1e6:,.1f} M" in line
        assert make_layers.shown(row.macs) in line


def test_citation_names_this_version():
    lines = (ROOT / "CITATION.cff").read_text("utf-8").splitlines()
    assert f"version: {dnzoo.__version__}" in lines


def test_pictures_of_the_readme_are_in_the_repository():
    """Their addresses are absolute, so that the package's page shows them too."""
    base = "https://raw.githubusercontent.com/dnzoo/dnzoo/main/"
    found = re.findall(r"!\[[^]]*\]\(([^)]*)\)", (ROOT / "README.md").read_text("utf-8"))
    assert found and all(url.startswith(base) for url in found)
    assert all((ROOT / url.removeprefix(base)).is_file() for url in found)


def test_the_wheel_names_every_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("dnzoo/**/__init__.py")
    }
    small = ("classifier_fashion_mnist", "espcn_x3", "fsrcnn_x3")
    shipped = {f"dnzoo.pretrained.{name}" for name in small}
    assert set(settings["packages"]) == found | shipped | {"dnzoo.recipes"}
    folders = settings["package-dir"]
    assert (ROOT / folders["dnzoo.recipes"] / "unet.py").is_file()
    assert all((ROOT / folders[name] / "saved_model.pb").is_file() for name in shipped)


def test_what_moved_is_still_found_where_it_was():
    for name, place in dnzoo.MOVED.items():
        assert getattr(dnzoo, name) is importlib.import_module(place)


def test_the_conda_recipe_requires_what_pyproject_does():
    """Names differ there, and TensorFlow Datasets is a constraint: conda-forge's is too old."""
    text = (ROOT / "conda/recipe.yaml").read_text("utf-8")
    sections = re.findall(r"^  (run|run_constraints):\n((?:    - .+\n)+)", text, re.MULTILINE)
    found = {line.strip("- ") for _, lines in sections for line in lines.splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {"matplotlib": "matplotlib-base", "lazy-loader": "lazy_loader"}
    wanted = {f"python {project['requires-python']}"}
    for name, bounds in (re.match(r"([\w-]+)(.*)", d).groups() for d in project["dependencies"]):
        wanted.add(f"{names.get(name, name)} {bounds}".strip())
    assert found == wanted
    assert f'version: "{dnzoo.__version__}"' in text
    assert f"dnzoo = {project['scripts']['dnzoo']}\n" in text
