"""Photos drawn for the tests, and what a JPEG says of its size. No library that the gallery uses has a part in it."""

import random
import struct
import zlib

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_END = b"\xff\xd9"


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width, height, *, depth=8, colour_type=2):
    return PNG_SIGNATURE + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))


def png(width, height, seed=0):
    """Bands of colours that the seed chooses."""
    colours = random.Random(f"png {seed}")
    rows = []
    while len(rows) < height:
        rows += [b"\0" + colours.randbytes(3) * width] * min(16, height - len(rows))
    return png_header(width, height) + png_chunk(b"IDAT", zlib.compress(b"".join(rows))) + png_chunk(b"IEND", b"")


def noise_png(width, height, seed=0):
    """Pixels that do not compress: about three bytes each."""
    noise = random.Random(f"noise {seed}")
    rows = b"".join(b"\0" + noise.randbytes(width * 3) for _ in range(height))
    return png_header(width, height) + png_chunk(b"IDAT", zlib.compress(rows, 0)) + png_chunk(b"IEND", b"")


def deflated_zeroes(mebibytes):
    """A zlib stream that unpacks to zeroes: about a thousandth of their size, made in no time."""
    deflate = zlib.compressobj(9, wbits=-15)
    # After a full flush nothing refers back, so that one block can be repeated.
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = (mebibytes << 20) % 65521 << 16 | 1  # Adler-32 of zeroes
    return b"\x78\xda" + block * mebibytes + b"\x03\0" + struct.pack(">I", checksum)


# Baseline JPEG with three components of full size. Every 8x8 block is flat: it has a DC coefficient, coded as the
# difference to the block before by the standard's luminance table, and ends at once; the AC table has that one code.
_DC_LENGTHS = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
_DC_CODES = ["00", "010", "011", "100", "101", "110", "1110", "11110", "111110", "1111110", "11111110", "111111110"]
_END_OF_BLOCK = "0"
_QUANTISER = 8  # so that a DC coefficient of n shifts all samples of its block by n


def _segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", 2 + len(data)) + data


def _block(difference):
    size = abs(difference).bit_length()
    digits = difference if difference > 0 else difference + (1 << size) - 1
    return _DC_CODES[size] + (f"{digits:0{size}b}" if size else "") + _END_OF_BLOCK


def jpeg(width, height, seed=0):
    """Bands of colours that the seed chooses."""
    colours = random.Random(f"jpeg {seed}")
    columns, bands = -(-width // 8), -(-height // 8)
    before = [0, 0, 0]
    bits = []
    for _ in range(bands):
        colour = [colours.randrange(-120, 120) for _ in range(3)]
        bits.append("".join(_block(now - then) for now, then in zip(colour, before)))
        bits.append(_block(0) * 3 * (columns - 1))
        before = colour
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    coded = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    scan = b"\x03" + b"".join(bytes([number, 0]) for number in (1, 2, 3)) + bytes([0, 63, 0])
    return b"".join([
        b"\xff\xd8",
        _segment(0xe0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
        _segment(0xdb, b"\0" + bytes([_QUANTISER] * 64)),
        _segment(0xc0, frame),
        _segment(0xc4, b"\x00" + _DC_LENGTHS + bytes(range(12))),
        _segment(0xc4, b"\x10" + bytes([1] + [0] * 15) + b"\0"),
        _segment(0xda, scan),
        coded,
        JPEG_END,
    ])


def jpeg_size(contents):
    """(width, height) of a JPEG; ValueError for what is none, or has no end."""
    if not contents.startswith(b"\xff\xd8\xff") or not contents.endswith(JPEG_END):
        raise ValueError("no JPEG, or one without its end")
    position = 2
    while position + 4 <= len(contents):
        marker, length = contents[position + 1], int.from_bytes(contents[position + 2:position + 4], "big")
        if marker in (0xc0, 0xc1, 0xc2):
            height, width = struct.unpack(">HH", contents[position + 5:position + 9])
            return width, height
        position += 2 + length
    raise ValueError("a JPEG without a frame")


def fit(width, height, longest):
    """The size of a thumbnail."""
    side = max(width, height)
    if side <= longest:
        return width, height
    return tuple(max(1, int(length * longest / side + 0.5)) for length in (width, height))
