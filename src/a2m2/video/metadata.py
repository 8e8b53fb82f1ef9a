"""JPEG and PNG pictures without what is not about pixels, and how their EXIF says they lie.

PyAV before 19 refuses frames with side data that it has no name for, as FFmpeg's for EXIF, and FFmpeg takes a picture
for damaged where its EXIF is, as makers' notes often are. Texts and colour profiles of PNG are packed: a few bytes may
unpack to gigabytes, and FFmpeg unpacks them all. PyAV also frees the name of such a profile twice, which ends the
process.
"""

from __future__ import annotations

from a2m2.video.picture import UPRIGHT, Orientation

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_UNUSED = frozenset({b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"eXIf"})
_JPEG_APP1, _JPEG_SCAN = 0xE1, 0xDA
_EXIF = b"Exif"
# Tag 0x0112 of EXIF 2.32: where the first row and the first column of the stored pixels are to be seen.
_ORIENTATION, _SHORT = 0x0112, 3
_ORIENTATIONS = {
    1: UPRIGHT,
    2: Orientation(flip_columns=True, rotation=180),
    3: Orientation(flip_rows=True, flip_columns=True, rotation=180),
    4: Orientation(flip_rows=True),
    5: Orientation(transposed=True, rotation=270),
    6: Orientation(transposed=True, flip_columns=True, rotation=270),
    7: Orientation(transposed=True, flip_rows=True, flip_columns=True, rotation=90),
    8: Orientation(transposed=True, flip_rows=True, rotation=90),
}

CODECS = frozenset({"mjpeg", "png"})
"""FFmpeg's names of the decoders whose pictures `only_pixels` knows."""


def only_pixels(codec: str, data: bytes) -> tuple[bytes, Orientation]:
    """A picture without texts, profiles and EXIF, and its orientation by EXIF, upright without any that can be read.

    From where its parts are broken on, the picture stays as it is.
    """
    return _jpeg_pixels(data) if codec == "mjpeg" else _png_pixels(data)


def _jpeg_pixels(data: bytes) -> tuple[bytes, Orientation]:
    """Segments of a mark of two bytes and their length, which counts itself; EXIF comes before the first scan."""
    at, kept_to = 2, 0
    kept: list[bytes] = []
    orientation: Orientation | None = None
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data) and data[at + 1] != _JPEG_SCAN:
        if data[at + 1] == 0xFF:  # any number of these may fill the space before a mark
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            break
        if data[at + 1] == _JPEG_APP1 and data[at + 4 : min(at + 8, end)] == _EXIF:
            orientation = orientation or exif_orientation(data[at + 10 : end])
            kept.append(data[kept_to:at])
            kept_to = end
        at = end
    return (b"".join([*kept, data[kept_to:]]) if kept else data), orientation or UPRIGHT


def _png_pixels(data: bytes) -> tuple[bytes, Orientation]:
    """Chunks of their length without the twelve bytes of length, name and checksum."""
    at = len(_PNG_SIGNATURE)
    kept = [data[:at]]
    orientation = UPRIGHT
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        name = data[at + 4 : at + 8]
        if name not in _PNG_UNUSED:
            kept.append(data[at:end])
        elif name == b"eXIf":
            orientation = exif_orientation(data[at + 8 : end - 4])
        at = end
    return b"".join([*kept, data[at:]]), orientation


def exif_orientation(exif: bytes) -> Orientation:
    """What the first directory of EXIF, laid out as in TIFF, says of orientation; upright where it is broken."""
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return UPRIGHT

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "little" if exif[:1] == b"I" else "big")

    start = number(4, 4)
    for entry in range(start + 2, min(start + 2 + 12 * number(start, 2), len(exif) - 11), 12):
        if number(entry, 2) == _ORIENTATION:
            value = number(entry + 8, 2) if number(entry + 2, 2) == _SHORT else 0
            return _ORIENTATIONS.get(value, UPRIGHT)
    return UPRIGHT
