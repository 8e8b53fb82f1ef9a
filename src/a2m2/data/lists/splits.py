"""Which split a list belongs to, by its name."""

from __future__ import annotations

import re
from pathlib import Path

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "trainlist": "train",
    "base": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "vallist": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "testlist": "test",
    "novel": "test",
}
"""Words for splits, in lower case, and the names that this package gives them."""

_WORD = re.compile(r"[a-z]+")


def split_in(name: str) -> str:
    """The split that ``name`` says (``meta_train``, ``train_few_shot``, ``testlist01``), else empty.

    A name that says two splits says none.
    """
    said = {SPLIT_WORDS[word] for word in _WORD.findall(name.lower()) if word in SPLIT_WORDS}
    return said.pop() if len(said) == 1 else ""


def split_of_folder(path: Path) -> str:
    """The split that the folder of a list is called after (``train/list.txt``), else empty.

    Only the whole name counts: words such as *test* stand in many paths.
    """
    return SPLIT_WORDS.get(path.absolute().parent.name.lower(), "")


def split_called(name: str) -> str:
    """Our name of a split that a list calls ``name``; a name we do not know stays as it is."""
    return SPLIT_WORDS.get(name.lower(), name)
