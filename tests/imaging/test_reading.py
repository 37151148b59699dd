"""One reader of images: what it finds, turns, lays on white and refuses; against Pillow and numpy."""

import io
import os
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dnzoo.imaging import decoding, drawing, reading

few = settings(max_examples=40, deadline=None)
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("images")


def exif(orientation):
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


def photograph(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype("uint8")


sides, turns = st.integers(1, 9), st.integers(1, 8)


@few
@given(sides, sides, turns, st.sampled_from([".png", ".tif", ".webp"]), st.sampled_from([1, 3]))
def test_upright_as_pillow_turns_it(folder, height, width, turn, ending, channels):
    path, image = folder / f"upright{ending}", Image.fromarray(photograph(height, width))
    image.save(path, exif=exif(turn), **({"lossless": True} if ending == ".webp" else {}))
    with Image.open(path) as file:
        file.load()
        expected = np.array(ImageOps.exif_transpose(file).convert("L" if channels == 1 else "RGB"))
    found = reading.read(path, channels)
    assert found.dtype == "uint8" and found.shape[2] == channels
    assert np.array_equal(found.squeeze(-1) if channels == 1 else found, expected)


@few
@given(sides, sides, turns, st.sampled_from(["stored", "exif", "upright"]))
def test_a_mask_turns_with_its_image(folder, height, width, turn, how):
    """Each pixel's class is its red, whichever program drew the mask."""
    image = photograph(height, width)
    image[..., 0] %= 7
    mask = Image.fromarray(image[..., 0])
    Image.fromarray(image).save(folder / "a.png", exif=exif(turn))
    if how == "upright" and turn > 4 and height != width:
        with_tag = Image.fromarray(image[..., 0])
        with_tag.getexif()[ORIENTATION] = turn
        mask = ImageOps.exif_transpose(with_tag)
    mask.save(folder / "a_mask.png", **({"exif": exif(turn)} if how == "exif" else {}))
    found, classes = reading.read_pair(folder / "a.png", folder / "a_mask.png")
    assert np.array_equal(found[..., 0], classes)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_mapped_tiff_is_turned_too(tmp_path, monkeypatch, turn):
    Image.fromarray(photograph(6, 4)).save(tmp_path / "a.tif", exif=exif(turn))
    expected = reading.read(tmp_path / "a.tif")
    monkeypatch.setattr(decoding, "LARGE", 10)
    found = reading.read(tmp_path / "a.tif")
    assert isinstance(found, np.memmap) and np.array_equal(found, expected)


def encoded(format):
    buffer = io.BytesIO()
    Image.fromarray(photograph(12, 9)).save(buffer, format, exif=exif(6))
    return buffer.getvalue()


FILES = {f".{format.lower()}": encoded(format) for format in ("PNG", "JPEG", "TIFF", "WEBP", "BMP")}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 2**31), st.integers(0, 255), st.booleans())
def test_a_damaged_file_is_one_error_that_names_it(folder, ending, place, byte, cut):
    content = bytearray(FILES[ending])
    place %= len(content)
    content[place] = byte
    path = folder / f"damaged{ending}"
    path.write_bytes(content[:place] if cut else content)
    try:
        assert reading.read(path).shape[2] == 3
    except ValueError as error:
        assert str(path) in str(error)


def chunk(kind, data):
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def grey_png(path, labels, bits):
    """A grey PNG of 1, 2 or 4 bits, as Pillow does not write it."""
    rows = [np.unpackbits(row[:, None], axis=1)[:, 8 - bits :].ravel() for row in labels]
    head = b"".join(size.to_bytes(4, "big") for size in labels.shape[::-1]) + bytes(
        (bits, 0, 0, 0, 0)
    )
    data = zlib.compress(b"".join(b"\0" + np.packbits(row).tobytes() for row in rows))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_are_class_numbers(tmp_path, bits):
    labels = np.random.default_rng(0).integers(0, 2**bits, (5, 7)).astype("uint8")
    grey_png(tmp_path / "mask.png", labels, bits)
    Image.fromarray(photograph(5, 7)).save(tmp_path / "image.png")
    assert np.array_equal(
        reading.read_pair(tmp_path / "image.png", tmp_path / "mask.png")[1], labels
    )
    # as an image it is from black to white
    assert reading.read(tmp_path / "mask.png", 1).max() == 255


DEEP = [("uint16", ".png"), ("uint16", ".tif"), ("int32", ".tif"), ("float32", ".tif")]


@pytest.mark.parametrize(("dtype", "ending"), DEEP)
def test_other_depths_need_to_be_told_what_is_white(tmp_path, dtype, ending):
    path, values = tmp_path / f"a{ending}", np.arange(16).reshape(4, 4).astype(dtype) * 100
    Image.fromarray(values).save(path)
    with pytest.raises(ValueError, match=rf"a\{ending} holds .*: convert it to 8 bits.*white="):
        reading.read(path)
    assert np.array_equal(reading.values(path)[..., 0], values)
    expected = np.round((values.astype("float64") - 100) * 255 / 900).clip(0, 255)
    for channels in (1, 3):
        found = reading.read(path, channels, pixels=(100, 1000))
        assert found.shape == (4, 4, channels) and (found == expected[..., None]).all()
    if dtype == "float32":
        values[0, 0] = np.nan
        Image.fromarray(values).save(path)
        assert reading.read(path, 1, pixels=(-100, 1000))[0, 0] == 0
        with pytest.raises(ValueError, match="32-bit floating point"):
            reading.read_pair(path, path, pixels=(0, 1))
    else:
        assert np.array_equal(reading.read_mask(path), values)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_16_bit_colour_keeps_its_low_byte(tmp_path, ending):
    """Pillow writes none: made here, and by tifffile."""
    path, values = tmp_path / f"a{ending}", np.arange(60).reshape(4, 5, 3).astype("uint16") * 50
    if ending == ".tif":
        tifffile.imwrite(path, values, photometric="rgb")
    else:
        head = b"".join(n.to_bytes(4, "big") for n in (5, 4)) + bytes((16, 2, 0, 0, 0))
        rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
        parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    assert np.array_equal(reading.values(path), values)
    assert np.array_equal(reading.read(path), values // 256)  # as told nothing: the type's range
    expected = np.round(values * (255 / 4095)).clip(0, 255)
    assert np.array_equal(reading.read(path, pixels=(0, 4095)), expected)


@pytest.mark.parametrize("how", ["contiguous", "planes", "pages", "as it comes"])
@pytest.mark.parametrize(
    ("bands", "dtype"), [(2, "uint8"), (4, "uint8"), (5, "uint16"), (13, "float32")]
)
def test_many_bands(tmp_path, bands, dtype, how):
    rng = np.random.default_rng(0)
    values, path = rng.integers(0, 256, (20, 30, bands)).astype(dtype), tmp_path / "a.tif"
    if how == "contiguous":
        extra = {"planarconfig": "contig", "photometric": "minisblack"}
        tifffile.imwrite(path, values, **extra)
    elif how == "planes":
        tifffile.imwrite(
            path, np.moveaxis(values, 2, 0), planarconfig="separate", photometric="minisblack"
        )
    elif how == "pages":
        tifffile.imwrite(path, np.moveaxis(values, 2, 0), photometric="minisblack")
    else:
        tifffile.imwrite(path, values)
    facts = reading.described(path)
    assert (facts.height, facts.width, facts.bands, facts.dtype) == (20, 30, bands, dtype)
    assert np.array_equal(reading.values(path), values)
    assert np.array_equal(reading.read(path, bands, pixels=(0, 255)), values)
    if (bands, how) == (4, "as it comes"):  # tifffile says that the fourth is transparency
        assert reading.read(path).shape == (20, 30, 3)
        return
    with pytest.raises(ValueError, match=rf"a.tif has {bands} bands; 3 are read here"):
        reading.read(path, pixels=(0, 255))


def test_transparency_is_laid_on_white(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4)).astype("uint8")
    pixels[:2, :, 3], pixels[2:4, :, 3] = 0, 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = reading.read(tmp_path / "a.png")
    alpha = pixels[..., 3:].astype("float64") / 255
    assert np.abs(found - (pixels[..., :3] * alpha + 255 * (1 - alpha))).max() <= 1
    assert (found[:2] == 255).all() and np.array_equal(found[2:4], pixels[2:4, :, :3])
    assert np.array_equal(reading.read_rgba(tmp_path / "a.png"), pixels)
    palette = Image.fromarray(photograph(8, 8)).quantize(4)
    palette.save(tmp_path / "p.png", transparency=0)
    hidden = np.array(palette) == 0
    assert (reading.read(tmp_path / "p.png")[hidden] == 255).all() and hidden.any()


def test_what_is_found(tmp_path):
    for name in ("b.PNG", "a.jpg", ".hidden.png", "._a.jpg", ".DS_Store", "notes.txt", "c.tiff"):
        (tmp_path / name).write_bytes(b"")
    for name in ("sub", ".thumbnails", "folder.png"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "d.webp").write_bytes(b"")
    names = [path.name for path in reading.find(tmp_path)]
    assert names == ["a.jpg", "b.PNG", "c.tiff"] == [p.name for p in reading.listed(tmp_path)]
    deep = [str(path.relative_to(tmp_path)) for path in reading.listed(tmp_path, recursive=True)]
    assert deep == ["a.jpg", "b.PNG", "c.tiff", "folder.png/d.webp", "sub/d.webp"]
    for nothing in (tmp_path / "none", tmp_path / ".thumbnails/none"):
        with pytest.raises(FileNotFoundError, match="neither an image nor a folder with images"):
            reading.find(nothing)


def test_pipes_and_broken_links_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    for call in (reading.read, lambda path: reading.listed(path.parent)):
        with pytest.raises(ValueError, match=r"x\.png is no regular file"):
            call(tmp_path / "x.png")
    (tmp_path / "x.png").unlink()
    (tmp_path / "y.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(ValueError, match=r"y\.png can't be read as an image: it is missing"):
        reading.listed(tmp_path)


def test_a_lossy_mask_is_refused(tmp_path):
    Image.fromarray(photograph(8, 8)[..., 0]).save(tmp_path / "a.png", "JPEG")
    with pytest.raises(
        ValueError, match=r"a.png is a JPEG image; a mask must be a palette or grey"
    ):
        reading.read_pair(tmp_path / "a.png", tmp_path / "a.png")


@few
@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 3), st.sampled_from([0, 255]))
def test_grid(count, columns, edge, background):
    tiles = np.random.default_rng(count).integers(0, 256, (count, 4, 5, 3)).astype("uint8")
    found = np.array(drawing.grid(tiles, columns, edge, background))
    height, width = 4 + 2 * edge, 5 + 2 * edge
    expected = np.full((-(-count // columns) * height, columns * width, 3), background)
    for i, tile in enumerate(tiles):
        top, left = i // columns * height + edge, i % columns * width + edge
        expected[top : top + 4, left : left + 5] = tile
    assert np.array_equal(found, expected)
