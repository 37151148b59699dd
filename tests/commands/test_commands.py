"""The command `dnzoo`: what it says, without TensorFlow where that is not needed, and its errors."""

import io
import json
import os
import re
import shlex
import sys

import pytest

import dnzoo
from dnzoo import models, startup, terminal
from dnzoo.commands import ABOUT, COMMANDS, listing, main, train
from dnzoo.storage import pretrained
from tests.conftest import ROOT, child, slow


def said(capsys, *words, code=None):
    """(stdout, stderr) of a command, which ends with the code."""
    if code is None:
        main(words)
    else:
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == code
    return capsys.readouterr()


def test_help_and_tables_import_neither_keras_nor_tensorflow(tmp_path):
    """In one process: help of every command, of `train` and of none; and what reads files alone."""
    (tmp_path / "config.json").write_text("{}")
    lines = [["--help"], *([name, "--help"] for name in COMMANDS if name != "finetune")]
    lines += [["list"], ["info", "unet_cutouts"], ["compare", str(tmp_path)], ["--version"]]
    code = f"""
import sys
from dnzoo.commands import main
for line in {lines!r}:
    try:
        main(line)
    except SystemExit as stop:
        assert not stop.code, line
heavy = [name for name in ("keras", "tensorflow", "numpy") if name in sys.modules]
assert heavy == [], heavy
"""
    assert "usage: dnzoo predict" in child(code).stdout


def test_version(capsys):
    assert said(capsys, "--version").out == f"dnzoo {dnzoo.__version__}\n"


def test_list_is_the_index_and_the_registry(capsys):
    assert listing.builders() == [*models.BUILDERS]
    out = said(capsys, "list").out
    for name in pretrained.list_pretrained():
        assert re.search(rf"^ *{name} .* (yes|no)$", out, re.MULTILINE)
    assert out.endswith(f"\nTo be built, by dnzoo.create_model: {', '.join(models.BUILDERS)}\n")
    assert all(line == line.rstrip() for line in out.splitlines())
    line = next(line for line in out.splitlines() if " unet_cutouts " in line)
    for cell in ("segmentation", "5,805,865", "mean IoU 0.3552", "24.8", "GPL-2", "yes"):
        assert cell in line
    assert said(capsys, "list", "espcn*").out.count("\n") == 4
    assert said(capsys, "list", "fcn32s").out == "To be built, by dnzoo.create_model: fcn32s\n"


def test_list_without_the_weights(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "CHECKOUT", tmp_path)
    monkeypatch.setenv("DNZOO_HOME", str(tmp_path))
    out = said(capsys, "list", "unet*").out
    assert re.search(r"unet_cutouts .* 5,805,865 .* no$", out, re.MULTILINE)
    out = said(capsys, "info", "unet_cutouts").out
    assert "24.8 MB" in out and "DNZOO_HOME" in out and "GPL-2" in out


def test_the_index_says_what_the_folders_say():
    for name, entry in pretrained.read_index().items():
        assert set(entry) >= {"sha256", "size", "task", "parameters", "metric", "value", "licence"}
        found = pretrained.facts(pretrained.read_meta(pretrained.find(name)))
        assert found["parameters"] == entry["parameters"] and found["value"] == entry["value"]
        assert found["licence"] == entry["licence"]


def test_info(capsys):
    out = said(capsys, "info", "vae_mnist").out
    assert re.search(r"^ *input +image, float32 \(N, 28, 28, 1\)$", out, re.MULTILINE)
    assert re.search(r"^ *input of decode +latent, float32 \(N, 20\)$", out, re.MULTILINE)
    for words in ("autoencoding", "1,670,697", "python recipes/vae.py", "licence of the data"):
        assert words in out
    assert "help(dnzoo.unet)" in said(capsys, "info", "unet", code=1).err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["lst"], 2, "error: no command 'lst'; there are: demo, list,"),
        (["lst"], 2, "Did you mean list?"),
        (["train", "unte"], 2, "Did you mean unet?"),
        (["list", "zzz"], 1, "error: no model is like 'zzz'."),
        (["list", "unet_cutout"], 1, "Did you mean unet_cutouts"),
        (["info", "unet_cutout"], 1, "Did you mean unet_cutouts"),
        (["evaluate", "unet_cutouts"], 1, "error: say on which --data"),
        (
            ["evaluate", "espcn_x3", "--data", "x", "--scenes", "3"],
            1,
            "--scenes: the data of super",
        ),
        (["compare", "docs"], 1, "error: docs holds no run"),
        (["export", "espcn_x3", "x.onx"], 1, "'onnx' writes .onnx"),
        (
            ["export", "espcn_x3", "x", "--serving", "--overwrite"],
            1,
            "not for TensorFlow Serving: --overwrite;",
        ),
        (["export", "espcn_x3", "docs", "--serving"], 1, "error: docs holds "),
        (["export", "espcn_x3", "x.onnx", "--precision", "float16"], 1, "--weights 'float16' for"),
        (["predict", "espcn_x3", "x.png", "--boxes", "1", "2", "3", "4"], 1, "error: --boxes are"),
    ],
)
def test_errors_are_one_line(capsys, monkeypatch, words, code, message):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("DNZOO_DEBUG", raising=False)
    err = said(capsys, *words, code=code).err
    assert message in err and err.startswith("error: ") and err.count("\n") == 1


def test_a_wrong_option_is_told_its_like(capsys):
    err = said(capsys, "predict", "unet_cutouts", "--overwrit", code=2).err
    assert "--overwrite" in err


def test_ctrl_c(capsys, monkeypatch):
    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(listing.List, "run", stop)
    assert "Interrupted" in said(capsys, "list", code=130).err


def test_a_closed_pipe_is_quiet():
    """As of `dnzoo list | head -1`, in this process: the standard output leads into a pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    real, before = os.dup(1), sys.stdout
    try:
        sys.stdout = os.fdopen(writer, "w")
        with pytest.raises(SystemExit) as stop:
            main(["list"])
        assert stop.value.code == terminal.CLOSED_PIPE
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)
        sys.stdout.close()
    finally:
        sys.stdout = before
        os.dup2(real, 1)
        os.close(real)


@pytest.mark.parametrize(
    ("argv", "typed"),
    [
        (["/venv/bin/dnzoo", "train", "unet", "a b"], "dnzoo train unet 'a b'"),
        (["/here/dnzoo/__main__.py", "train", "vae"], "python -m dnzoo train vae"),
        (["recipes/unet.py", "--smoke"], "python recipes/unet.py --smoke"),
    ],
)
def test_the_command_is_kept_as_it_was_typed(monkeypatch, argv, typed):
    monkeypatch.setattr(sys, "argv", argv)
    assert terminal.typed() == typed


def test_positional_arguments_of_recipes():
    assert train.asked_for(["finetune", "m", "data", "--epochs", "1"]) == (
        "finetune",
        ["--model", "m", "--data", "data", "--epochs", "1"],
    )
    assert train.asked_for(["train", "finetune", "m"])[1] == ["--model", "m"]
    assert train.asked_for(["train", "vae", "--filters", "8"]) == ("vae", ["--filters", "8"])
    assert set(train.RECIPES) == {
        *("classifier", "dcgan", "fcn", "finetune", "mask_head", "super_resolution", "unet", "vae")
    }


@pytest.mark.parametrize("name", [name for name in train.RECIPES if name != "finetune"])
def test_help_of_recipes_says_what_values_mean(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = said(capsys, "train", name, "--help", code=0).out
    assert f"usage: dnzoo train {name}" in out
    assert not re.search(r"\b(STR|INT|FLOAT|TEXT)\b|\{None\}", out)
    written = [line.strip() for line in train.load(name).__doc__.splitlines() if line.strip()]
    shown = [line.strip() for line in out.splitlines()]
    assert all(line in shown for line in written)  # each on a line of its own


@pytest.mark.parametrize("name", [*COMMANDS])
def test_help_of_commands_says_what_values_mean(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        terminal.commands(COMMANDS, [name, "--help"], ABOUT)
    out = capsys.readouterr().out
    assert not re.search(r"\b(STR|INT|FLOAT|TEXT)\b|\{None\}", out), out


def test_what_the_readme_says_parses():
    lines = re.findall(
        r"^dnzoo (.*?)(?: {2,}#.*)?$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    words = [shlex.split(line) for line in lines]
    assert {line[0] for line in words} == {*COMMANDS}
    for line in words:
        if not train.goes_on(line):
            assert isinstance(terminal.commands(COMMANDS, line, ABOUT), COMMANDS[line[0]])


def test_numbers_and_none():
    from dataclasses import dataclass

    @dataclass
    class Some:
        rate: float = 1
        size: int | None = None
        sizes: tuple[int, ...] = (1,)

    assert terminal.cli(Some, args=["--rate", "2", "--size", "3"]) == Some(2.0, 3)
    assert terminal.cli(Some, default=Some(size=3), args=["--size", "None"]) == Some()
    assert terminal.cli(Some, args=["--sizes"]).sizes == ()
    with pytest.raises(SystemExit):
        terminal.cli(Some, args=["--size", "x"])


def test_lines_of_tensorflow_are_held_back_unless_it_fails(monkeypatch, capfd):
    """Child-free: what writes to the file descriptor stands for TensorFlow."""
    monkeypatch.delenv("DNZOO_DEBUG", raising=False)
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # Python's own way is left alone

    def imported():
        os.write(2, b"I0000 from C++\n")
        print("a warning of Python's", file=sys.stderr)

    monkeypatch.setattr(startup, "_import", imported)
    startup.start_keras()
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
    assert sys.stderr.getvalue() == "a warning of Python's\n"

    def fails():
        imported()
        raise ImportError("no such thing")

    monkeypatch.setattr(startup, "_import", fails)
    with pytest.raises(ImportError):
        startup.start_keras()
    assert capfd.readouterr().err == "I0000 from C++\n"


@slow
def test_a_run_is_that_of_the_recipe(tmp_path, capsys, monkeypatch):
    """`dnzoo train unet`, then everything that may follow; `python recipes/unet.py` begins the same run."""
    small = [
        "--smoke",
        "--epochs",
        "1",
        "--image-size",
        "32",
        "--scenes",
        "40",
        "--filters",
        "4",
        "8",
    ]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/bin/dnzoo", "train", "unet", *small, "--out", "runs/a"])
    main(sys.argv[1:])
    meta = json.loads((tmp_path / "runs/a/saved_model/assets.extra/dnzoo.json").read_text())
    assert meta["provenance"]["command"] == shlex.join(["dnzoo", *sys.argv[1:]])
    assert meta["provenance"]["task"] == "segmentation"
    child("recipes.unet", *small, "--out", "runs/b", cwd=tmp_path)
    config = tmp_path / "runs/a/config.json"
    assert (tmp_path / "runs/b/config.json").read_text() == config.read_text()
    capsys.readouterr()
    assert "finished" in said(capsys, "compare").out
    main(["evaluate", "runs/a", "--smoke", "--json", "e.json"])
    assert json.loads((tmp_path / "e.json").read_text())["metrics"] == meta["metrics"]
    assert "of Keras's" in said(capsys, "export", "runs/a", "a.onnx").out
    assert "exists already" in said(capsys, "export", "runs/a", "a.onnx", code=1).err
    assert "served/1: " in said(capsys, "export", "runs/a", "--serving", "served").out
