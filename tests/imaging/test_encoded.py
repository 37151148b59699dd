"""What the graph reads of a file's bytes is what `reading.read` reads of the file."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dnzoo.imaging import encoded, reading

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def graphs():
    """{(channels, pixels): the function of string tensors}, each traced once."""
    spec = [tf.TensorSpec((None,), tf.string)]
    return {
        key: tf.function(lambda files, key=key: encoded.decoded(files, *key), input_signature=spec)
        for key in ((1, None), (3, None), (3, (0.0, 65535.0)))
    }


def photograph(height=41, width=29, mode="RGB"):
    """Noise with large and small structures, of any mode."""
    coarse = RNG.integers(0, 256, (height // 8 + 1, width // 8 + 1, 4), "uint8")
    image = Image.fromarray(coarse, "RGBA").resize((width, height), Image.Resampling.BICUBIC)
    return image.convert(mode)


def png(depth, colour, samples, rows=5, columns=6):
    """A PNG of any depth: Pillow writes none of 2 or 4 grey bits, and no 16-bit colour."""
    line = -(-columns * samples * depth // 8)
    lines = RNG.integers(0, 256, (rows, line), "uint8")
    raw = b"".join(b"\0" + bytes(one) for one in lines)
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def turned(orientation, endian=b"MM"):
    """EXIF as a camera's: other tags first."""
    exif = Image.Exif()
    exif.endian = "<" if endian == b"II" else ">"
    exif[0x010F], exif[0x0110], exif[0x0112] = "maker", "model", orientation
    return exif


FILES = {
    **{
        f"jpeg {q} {s}": saved(photograph(), "JPEG", quality=q, subsampling=s)
        for q in (40, 95)
        for s in (0, 1, 2)
    },
    "jpeg progressive": saved(photograph(), "JPEG", progressive=True),
    "jpeg grey": saved(photograph(mode="L"), "JPEG"),
    "jpeg cmyk": saved(photograph(mode="CMYK"), "JPEG"),
    "jpeg with a wide header": saved(photograph(), "JPEG", comment=b"x" * 60000, exif=turned(6)),
    **{f"jpeg turned {n}": saved(photograph(), "JPEG", exif=turned(n)) for n in range(1, 10)},
    "jpeg turned, little-endian": saved(photograph(), "JPEG", exif=turned(8, b"II")),
    "png turned": saved(photograph(), "PNG", exif=turned(5)),
    **{
        f"png {mode}": saved(photograph(mode=mode), "PNG")
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA")
    },
    "png with a transparent colour": saved(photograph(mode="P"), "PNG", transparency=3),
    "png with a transparent grey": saved(photograph(mode="L"), "PNG", transparency=100),
    "png 1 with a transparent grey": saved(photograph(mode="1"), "PNG", transparency=255),
    **{f"png grey {depth}": png(depth, 0, 1) for depth in (1, 2, 4, 8)},
    **{
        f"png 16 bits {colour}": png(16, colour, samples)
        for colour, samples in ((2, 3), (4, 2), (6, 4))
    },
}


@pytest.mark.parametrize("name", FILES)
def test_as_the_reader(tmp_path, graphs, name):
    path = tmp_path / f"image.{name.split()[0]}"
    path.write_bytes(FILES[name])
    for channels in (1, 3):
        (found,) = graphs[channels, None](tf.constant([FILES[name]])).numpy()
        np.testing.assert_array_equal(found, reading.read(path, channels))


def test_a_batch(graphs):
    files = [saved(photograph(), format) for format in ("PNG", "JPEG", "PNG")]
    found = graphs[3, None](tf.constant(files)).numpy()
    for image, file in zip(found, files):
        np.testing.assert_array_equal(image, graphs[3, None](tf.constant([file])).numpy()[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[41,29,3\] vs. \[9,8,3\]"):
        graphs[3, None](tf.constant([files[0], saved(photograph(9, 8), "PNG")]))


@pytest.mark.parametrize(
    ("file", "key", "message"),
    [
        (saved(photograph(), "BMP"), (3, None), "must be a JPEG or PNG file"),
        (b"", (3, None), "must be a JPEG or PNG file"),
        (FILES["png RGB"][:200], (3, None), "PNG"),
        (FILES["jpeg 95 0"][:900], (3, None), "JPEG"),
        (png(16, 0, 1), (3, None), "this PNG has 16 bits"),
        (png(16, 2, 3), (3, (0.0, 65535.0)), "this PNG has 16 bits"),
    ],
)
def test_what_is_refused(graphs, file, key, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        graphs[key](tf.constant([file]))


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_damaged_exif_is_survived(graphs, cut):
    """Bytes of the header overwritten: the graph ends, and with all pixels."""
    file = bytearray(FILES["jpeg turned 6"])
    place = bytes(file).index(b"Exif") + 6
    file[place + cut : place + cut + 7] = b"\xff" * 7
    (found,) = graphs[3, None](tf.constant([bytes(file)])).numpy()
    assert sorted(found.shape) == [3, 29, 41]


def test_a_chunk_without_end():
    """A length of nearly 2^32 leads behind the file, not round in a circle."""
    data = tf.io.decode_raw(b"\x89PNG\r\n\x1a\n" + b"\xff" * 4 + b"tEXt" + bytes(20), "uint8")
    assert encoded._exif_of_png(data) == 0


def test_what_tensorflow_decodes_by_default_is_not_it(graphs):
    """Its default transform of JPEG is several of 255 off Pillow's; ours is equal."""
    file = FILES["jpeg 95 2"]
    default = tf.io.decode_image(file, 3).numpy().astype(int)
    assert 3 < np.abs(default - graphs[3, None](tf.constant([file])).numpy()[0]).max() < 32
