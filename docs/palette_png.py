"""PNG files of at most 256 colours, by the standard library alone: a third of the bytes that a browser's have."""

import struct
import zlib
from collections import Counter

Colour = tuple[int, int, int]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_COLOURS = 256


def palette_png(png: bytes) -> bytes:
    """The same picture with its most frequent colours; the others become the nearest of those.

    Args:
      png: 8-bit RGB without interlacing, as Chromium's screenshots are.
    """
    width, height, samples = _decode(png)
    pixels = list(zip(samples[0::3], samples[1::3], samples[2::3], strict=True))
    # Of each cell of alike colours the most frequent one: what is flat keeps its very colour.
    cells: dict[Colour, Colour] = {}
    weights: Counter[Colour] = Counter()
    for colour, count in Counter(pixels).most_common():
        cell = (colour[0] >> 3, colour[1] >> 3, colour[2] >> 3)
        cells.setdefault(cell, colour)
        weights[cell] += count
    palette = [cells[cell] for cell, _ in weights.most_common(_MOST_COLOURS)]
    nearest = {cell: _nearest(palette, colour) for cell, colour in cells.items()}
    index = {colour: nearest[colour[0] >> 3, colour[1] >> 3, colour[2] >> 3] for colour in set(pixels)}
    lines = bytes(index[pixel] for pixel in pixels)
    rows = b"".join(b"\0" + lines[start : start + width] for start in range(0, len(lines), width))
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes(sample for colour in palette for sample in colour)),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _nearest(palette: list[Colour], colour: Colour) -> int:
    distances = [sum((one - other) ** 2 for one, other in zip(colour, known, strict=True)) for known in palette]
    return distances.index(min(distances))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _decode(png: bytes) -> tuple[int, int, bytes]:
    position, packed, header = len(_SIGNATURE), b"", b""
    while position < len(png):
        length, kind = struct.unpack(">I4s", png[position : position + 8])
        content = png[position + 8 : position + 8 + length]
        header, packed = (content if kind == b"IHDR" else header), packed + (content if kind == b"IDAT" else b"")
        position += 12 + length
    width, height, depth, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if (depth, colour_type, interlaced) != (8, 2, 0):
        raise ValueError(f"expected an 8-bit RGB PNG. Received: depth {depth}, colour type {colour_type}")
    raw, stride, above, lines = zlib.decompress(packed), width * 3, bytes(width * 3), []
    for start in range(0, height * (stride + 1), stride + 1):
        above = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above)
        lines.append(above)
    return width, height, b"".join(lines)


def _unfiltered(kind: int, line: bytearray, above: bytes) -> bytes:
    """One line without PNG's filter: `kind` says what was subtracted from each sample."""
    for place in range(len(line)) if kind else ():
        left, up = (line[place - 3] if place > 2 else 0), above[place]
        if kind == 4:
            corner = above[place - 3] if place > 2 else 0
            guess = left + up - corner
            predicted = min((left, up, corner), key=lambda sample: abs(guess - sample))
        else:
            predicted = (0, left, up, (left + up) // 2)[kind]
        line[place] = (line[place] + predicted) & 255
    return bytes(line)
