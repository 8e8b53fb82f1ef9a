"""Segments as annotations for ELAN: an .eaf file, EAF 3.0, a tier for every class (Max Planck Institute, 2001-).

https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf. Times are whole milliseconds.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from a2m2.spotting_records import SpottingRecord

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_TYPE = "segments"
_NO_DATE = "1970-01-01T00:00:00+00:00"
"""Required by the format; a clock time would make two runs differ."""


def elan_document(record: SpottingRecord, *, media: str) -> str:
    """The XML of one recording; an annotation's value is its class.

    Args:
        record: what was found.
        media: how the annotation file names the recording.
    """
    ET.register_namespace("xsi", _INSTANCE)
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "a2m2",
            "DATE": _NO_DATE,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_INSTANCE}}}noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    ET.SubElement(header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": media, "MIME_TYPE": "video/mp4"})
    order = ET.SubElement(root, "TIME_ORDER")
    slots = {moment: f"ts{number}" for number, moment in enumerate(_moments(record), 1)}
    for moment, slot in slots.items():
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(moment)})
    number = 0
    for label in record.classes:
        tier = ET.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": _TYPE, "TIER_ID": str(label)})
        for segment in record.segments:
            if segment.label != label:
                continue
            number += 1
            outer = ET.SubElement(tier, "ANNOTATION")
            inner = ET.SubElement(
                outer,
                "ALIGNABLE_ANNOTATION",
                {
                    "ANNOTATION_ID": f"a{number}",
                    "TIME_SLOT_REF1": slots[_milliseconds(segment.start_seconds)],
                    "TIME_SLOT_REF2": slots[_milliseconds(segment.end_seconds)],
                },
            )
            ET.SubElement(inner, "ANNOTATION_VALUE").text = str(label)
    ET.SubElement(
        root,
        "LINGUISTIC_TYPE",
        {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": _TYPE, "TIME_ALIGNABLE": "true"},
    )
    ET.indent(root, " ")
    return f"{_DECLARATION}\n{ET.tostring(root, encoding='unicode')}\n"


def _moments(record: SpottingRecord) -> list[int]:
    """Every start and end once, ascending."""
    ends = {_milliseconds(segment.end_seconds) for segment in record.segments}
    return sorted({_milliseconds(segment.start_seconds) for segment in record.segments} | ends)


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)
