"""A folder of the user's own: what is paired, looked at, refused, and how else it can be said."""

import collections

import numpy as np
import pytest
from PIL import Image

from dnzoo.data import folder, masks, segmentation
from dnzoo.data.looked_at import look_at
from dnzoo.metrics.labels import IGNORE
from dnzoo.training.command import as_flags

SQUARE = np.zeros((24, 24), "uint8")
SQUARE[6:18, 6:18] = 1


def image(seed, shape=(24, 24, 3)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape).astype("uint8"))


def write(root, mask=lambda i: SQUARE, count=6, ending=".png", mask_ending=".png"):
    """Images of noise with masks that a function makes."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        image(hash(root.name) % 1000 + i).save(root / f"images/{i}{ending}")
        made = mask(i)
        made = made if isinstance(made, Image.Image) else Image.fromarray(made)
        made.save(root / f"masks/{i}{mask_ending}")
    return root


def load(root, **options):
    return segmentation.load(str(root), root.parent / "prepared", 24, **options)


def soft(i):
    small = Image.fromarray(SQUARE * 200).resize((12, 12), Image.BILINEAR)
    return small.resize((24, 24), Image.BICUBIC)


REFUSED = {
    "0 and 255": (lambda i: SQUARE * 255, r"hold 0 and 255 alone.*mask_values=\(0, 255\)"),
    "0 127 254": (
        lambda i: SQUARE * (127 if i % 2 else 254),
        r"hold 0, 127, 254: .*without gaps.*mask_values=\(0, 127, 254\)",
    ),
    "from 1": (lambda i: SQUARE + 1, r"hold 1, 2: .*mask_values=\(1, 2\)"),
    "a gap": (lambda i: SQUARE * 3, r"hold 0, 3: .*mask_values=\(0, 3\)"),
    "edges": (soft, r"seen in thin lines only, such as .*without interpolation"),
    "one class": (lambda i: SQUARE * 0, "every pixel of every mask is 0"),
    "ignored": (lambda i: SQUARE * 0 + 255, "every pixel of every mask is 255"),
    "some white": (
        lambda i: SQUARE * (255 if i == 3 else 1),
        r"some masks hold 0 and 255 alone \(masks/3.png\).*mask_values=\(0, 1\)",
    ),
    "colour": (lambda i: Image.fromarray(SQUARE * 9).convert("RGB"), "is a RGB image.*classes.txt"),
    "16 bits": (lambda i: SQUARE.astype("uint16") * 1000, r"mask_values=\(0, 1000\)"),
    "floats": (lambda i: SQUARE.astype("float32"), "floating point"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_refused(tmp_path, how):
    make, message = REFUSED[how]
    ending = ".tif" if how == "floats" else ".png"
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path / "mine", make, mask_ending=ending))
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda i: SQUARE * 255, (0, 255)),
        (lambda i: SQUARE * 255, (255, 0)),
        (lambda i: (SQUARE * 3).astype("uint16") * 1000 + 7, (7, 3007)),
        (lambda i: SQUARE * 254, (0, 254, 127)),
    ],
)
def test_mask_values_say_it(tmp_path, make, values):
    data = load(write(tmp_path / "mine", make), mask_values=values)
    expected = np.vectorize(values.index)(np.asarray(make(0)))
    assert all(np.array_equal(mask, expected) for mask in data.splits["train"][1])
    assert len(data.class_names) == len(values)
    assert any("No training mask has" in note for note in data.look.notes) == (len(values) > 2)


def test_mask_values_are_checked(tmp_path):
    root = write(tmp_path / "mine", lambda i: SQUARE * (9 if i == 4 else 1))
    with pytest.raises(
        ValueError, match=r"hold 1 values that mask_values=\(0, 1\) has not: 9 in masks/4"
    ):
        load(root, mask_values=(0, 1))
    (root / "classes.txt").write_text("a\nb\nc\n")
    for values in ((0, 1), (0, 1, 1)):
        with pytest.raises(ValueError, match="must be different numbers, one for each class"):
            load(root, mask_values=values)
    with pytest.raises(ValueError, match=r"mask_values=\(0, 1\) is for a folder"):
        segmentation.load("fashion_scenes", mask_values=(0, 1))
    said = as_flags("say mask_values=(0, 255).", ["mask_values"])
    assert said == "say --mask-values 0 255."


def test_classes_that_no_training_mask_has(tmp_path):
    root = write(tmp_path / "mine")
    (root / "classes.txt").write_text("sky\nsea\nsand\n")
    with pytest.raises(
        ValueError, match=r"no training mask has 2 \(sand\).*mask_values=\(0, 1, 2\)"
    ):
        load(root)
    assert load(root, mask_values=(0, 1, 2)).class_names == ("sky", "sea", "sand")


def test_a_split_without_a_valid_pixel(tmp_path):
    root = write(tmp_path / "mine")
    for _, mask in folder._split(root, 0)["validation"]:
        Image.fromarray(SQUARE * 0 + 255).save(mask)
    with pytest.raises(ValueError, match="masks of the validation split have no valid pixel"):
        load(root)


def test_thin_objects_of_few_classes_are_no_edges(tmp_path):
    thin = np.zeros((24, 24), "uint8")
    thin[5], thin[:, 9] = 1, 2
    assert len(load(write(tmp_path / "mine", lambda i: thin)).class_names) == 3


COLOURS = np.array([(0, 0, 0), (128, 64, 128), (255, 255, 255)], "uint8")


def coloured(i):
    mask = SQUARE.copy()
    mask[0] = 2
    return Image.fromarray(COLOURS[mask])


@pytest.mark.parametrize("kind", ["RGB", "P"])
def test_colours_are_classes(tmp_path, kind):
    root = write(
        tmp_path / "mine", lambda i: coloured(i) if kind == "RGB" else coloured(i).quantize(3)
    )
    (root / "classes.txt").write_text("any thing 0 0 0\nroad 128, 64, 128\nignore 255 255 255\n")
    data = load(root)
    expected = SQUARE.copy()
    expected[0] = IGNORE
    assert np.array_equal(data.splits["test"][1][0], expected)
    assert data.class_names == ("any thing", "road")
    assert data.palette == [(0, 0, 0), (128, 64, 128)]
    (root / "classes.txt").write_text("void 0 0 0\nroad 128 64 128\n")
    with pytest.raises(
        ValueError, match=r"classes.txt has not: \(255, 255, 255\) in masks/.*ignore"
    ):
        load(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\na\n", "has the name a twice"),
        ("a 0 0 0\nb 0 0 0\n", r"has the colour \(0, 0, 0\) twice"),
        ("a 0 0 0\nb\n", "either every line ends with a colour"),
        ("a 0 0 0\nb 0 0 256\n", "numbers are from 0 to 255"),
        (
            "Straße\nWeg\n".encode("cp1252"),
            r"classes.txt is not UTF-8 \(line 1\): save it as UTF-8",
        ),
        ("a\nb\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_bad_classes(tmp_path, text, message):
    file = tmp_path / "classes.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        masks.read_classes(file)


def test_a_byte_order_mark_is_no_letter(tmp_path):
    (tmp_path / "classes.txt").write_bytes("weiß\r\nsea\r\n".encode("utf-8-sig"))
    assert masks.read_classes(tmp_path / "classes.txt").names == ("weiß", "sea")


@pytest.mark.parametrize(
    "splits",
    [("train", "val", "test"), ("training", "validation"), ("train", "valid", "test"), ("train",)],
)
def test_names_of_splits(tmp_path, splits):
    for split in splits:
        write(tmp_path / "mine" / split, count=12 if split.startswith("train") else 3)
    data = load(tmp_path / "mine")
    counts = {split: len(part[0]) for split, part in data.splits.items()}
    taken = 3 - len(splits)
    assert counts["train"] == 12 - taken and sum(counts.values()) == 12 + 3 * (len(splits) - 1)
    assert sum("a tenth of the training images" in note for note in data.look.notes) == taken


def test_splits_inside_images_and_masks(tmp_path):
    for split, count in (("train", 12), ("val", 3)):
        made = write(tmp_path / split, count=count)
        for kind in ("images", "masks"):
            (tmp_path / "mine" / kind).mkdir(parents=True, exist_ok=True)
            (made / kind).rename(tmp_path / "mine" / kind / split)
    data = load(tmp_path / "mine")
    assert [len(data.splits[split][0]) for split in ("train", "validation", "test")] == [11, 3, 1]
    assert sum("a tenth of the training images" in note for note in data.look.notes) == 1
    (tmp_path / "mine/masks/val").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="has images/val/ but no masks/val/"):
        load(tmp_path / "mine")


def test_files_that_are_not_read_are_named(tmp_path):
    write(tmp_path / "mine", ending=".gif")
    with pytest.raises(
        ValueError, match=r"has 6 files and none that is read, such as 0.gif; .*\.png"
    ):
        load(tmp_path / "mine")


def test_splits_that_are_not_clear(tmp_path):
    write(tmp_path / "mine/val")
    with pytest.raises(ValueError, match="has val/ but no train/"):
        load(tmp_path / "mine")
    for name in ("train", "valid"):
        write(tmp_path / "mine" / name)
    with pytest.raises(ValueError, match="has val/ and valid/: which is the validation split"):
        load(tmp_path / "mine")


@pytest.mark.parametrize(
    ("ending", "mask_ending"),
    [(".tif", ".png"), (".bmp", ".tif"), (".webp", ".bmp"), (".jpg", ".tiff")],
)
def test_pairs_of_other_endings(tmp_path, ending, mask_ending):
    data = load(write(tmp_path / "mine", ending=ending, mask_ending=mask_ending))
    assert sum(len(part[0]) for part in data.splits.values()) == 6


def test_masks_beside_their_images(tmp_path):
    root = tmp_path / "mine"
    root.mkdir()
    for i in range(6):
        image(i).save(root / f"x{i}{'.png' if i % 2 else '.jpg'}")
        Image.fromarray(SQUARE).save(root / f"x{i}_mask.png")
    assert len(load(root).splits["train"][0]) == 4
    image(9).save(root / "x1.jpg")
    with pytest.raises(ValueError, match=r"two images of the same name.*x1\.\*"):
        load(root)


def test_the_table(tmp_path):
    root = write(tmp_path / "mine", lambda i: SQUARE, count=10)
    image(77, (30, 24, 3)).save(root / "images/b.png")
    Image.fromarray(np.pad(SQUARE, ((0, 6), (0, 0)), constant_values=255)).save(
        root / "masks/b.png"
    )
    (root / "images/c.png").write_bytes((root / "images/0.png").read_bytes())
    Image.fromarray(SQUARE).save(root / "masks/c.png")
    for name in ("images/._0.png", ".DS_Store", "notes.txt", "masks/lonely.png"):
        (root / name).write_bytes(b"x")
    look = load(root).look
    rows = {what: cells for what, *cells in look.rows}
    assert look.splits == ["train", "validation", "test"] and rows["images"] == ["10", "1", "1"]
    assert rows["bands"] == ["3"] * 3 and rows["depth"] == ["8 bits"] * 3
    share = f"{100 * SQUARE.mean():.1f} %"
    assert share in rows["masks: class 1 (1)"] and "16.7 %" not in rows["masks: class 1 (1)"]
    sizes = "rows x columns: smallest, median, largest"
    where = next(i for i, cell in enumerate(rows[sizes]) if "30 x 24" in cell)
    assert rows["masks: ignored"][where] != "none"
    notes = " ".join(look.notes)
    assert "2 hidden files are left out: .DS_Store, images/._0.png." in notes
    assert "2 files are left out: masks/lonely.png, notes.txt." in notes
    same = folder._split(root, 0)
    parts = {split for split, part in same.items() for p, _ in part if p.stem in ("0", "c")}
    assert ("1 images are in several splits" in notes) == (len(parts) == 2)
    assert (rows["duplicates (same bytes)"].count("1") == 1) == (len(parts) == 1)
    again = load(root).look  # kept with the prepared data
    assert again == look


def test_check_prints_all_that_is_wrong(tmp_path, capsys):
    root = write(tmp_path / "mine", lambda i: SQUARE * 255)
    assert len(look_at(root)) == 1
    said = capsys.readouterr().out
    assert "24 x 24" in said and "error: the masks hold 0 and 255 alone" in said
    assert look_at(root, mask_values=(0, 255)) == []
    for name in ("images/1.png", "images/2.png"):
        (root / name).write_bytes((root / name).read_bytes()[:200])
    wrong = look_at(root, mask_values=(0, 255))
    assert len(wrong) == 2 and "1.png" in wrong[0] and "2.png" in wrong[1]
    (root / "masks/3.png").unlink()
    assert "has no mask for 1 of 6 images" in look_at(root)[0]
    with pytest.raises(FileNotFoundError, match="is no folder"):
        look_at(tmp_path / "nowhere")
    assert look_at(root / "masks") == [] and "images" in capsys.readouterr().out


def test_contents_name_it(tmp_path):
    """Not where it lies, nor when it was written; the same number of other bytes is another."""
    a, names = load(write(tmp_path / "a/mine")), collections.Counter()
    write(tmp_path / "b/mine")
    names[a.identity] += 1
    names[load(tmp_path / "b/mine").identity] += 1
    assert len(names) == 1
    path = tmp_path / "b/mine/masks/0.png"
    content = bytearray(path.read_bytes())
    flipped = Image.fromarray(SQUARE[::-1] * 1)
    flipped.putpixel((0, 0), 1)
    flipped.save(path)
    assert load(tmp_path / "b/mine").identity != a.identity
    path.write_bytes(content)
    assert load(tmp_path / "b/mine").identity == a.identity
