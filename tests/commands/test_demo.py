"""`dnzoo demo`: trained for an epoch; what it draws of its own photographs, and of a person's."""

import numpy as np
import pytest
from PIL import Image

from dnzoo.commands import demo, main


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the run of one epoch."""
    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "EPOCHS", 1)
        main(["demo", "--out", str(out / "run"), "--data-dir", str(out / "data")])
        yield out


def test_it_draws_and_says(trained, tmp_path, capsys):
    """A second start trains nothing, and takes photographs of one name from two folders."""
    with Image.open(trained / "run/demo.png") as picture:
        assert picture.width > 1000
        own = picture.tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), "uint8")
    paths = [tmp_path / folder / "mine.png" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        Image.fromarray(noise).resize((400, 300)).save(path)
    capsys.readouterr()
    main(
        [
            "demo",
            *map(str, paths),
            "--out",
            str(trained / "run"),
            "--data-dir",
            str(trained / "data"),
        ]
    )
    said = capsys.readouterr().out
    assert "finished" in said and said.count("mine.png") == 2 and "epoch 1" not in said
    with Image.open(trained / "run/demo.png") as picture:
        assert picture.tobytes() != own


def test_photographs_of_our_names_and_pictures_of_theirs(trained, tmp_path, monkeypatch, capsys):
    """Where details of our own lie says nothing of a person's, and a demo.png of theirs stays."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(1).integers(0, 256, (60, 80, 3), "uint8")
    Image.fromarray(noise).resize((400, 300)).save("dogs.jpg")
    words = ["demo", "dogs.jpg", "--out", str(trained / "run"), "--data-dir", str(trained / "data")]
    main(words)
    assert "dogs.jpg" in capsys.readouterr().out
    (trained / "run/demo.png").write_bytes(b"mine")
    with pytest.raises(SystemExit):
        main(words)
    assert "demo.png" in capsys.readouterr().err
    assert (trained / "run/demo.png").read_bytes() == b"mine"


def test_small_and_missing_photographs(tmp_path, capsys):
    Image.new("RGB", (100, 300)).save(tmp_path / "thin.png")
    Image.new("RGB", (4000, 220)).save(tmp_path / "long.png")  # too thin once it is reduced
    for path, words in (
        (tmp_path / "thin.png", "has 100 x 300 pixels"),
        (tmp_path / "long.png", "has 4000 x 220 pixels"),
        (tmp_path / "no.png", "no.png"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["demo", str(path), "--out", str(tmp_path / "run")])
        assert stop.value.code == 1
        error = capsys.readouterr().err
        assert words in error and "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_a_detail_is_where_bicubic_errs_most():
    image, bicubic = np.zeros((2, 400, 500, 3), "uint8")
    image[230:260, 300:330] = 255
    top, left = demo._detail(image, bicubic)
    assert top <= 230 and top + demo.SIDE >= 260 and left <= 300 and left + demo.SIDE >= 330
    assert top % 3 == left % 3 == 0
