"""PNG pictures without the chunks that are not about pixels.

Texts and colour profiles are packed: a few bytes may unpack to gigabytes, and FFmpeg unpacks them all. PyAV also frees
the name of a profile twice, which ends the process.
"""

from __future__ import annotations

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UNUSED = frozenset({b"iCCP", b"tEXt", b"zTXt", b"iTXt"})


def only_pixels(data: bytes) -> bytes:
    """The picture without texts and profiles; from where its chunks are broken on as it is."""
    at = len(_SIGNATURE)
    kept = [data[:at]]
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        if data[at + 4 : at + 8] not in _UNUSED:
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, data[at:]])
