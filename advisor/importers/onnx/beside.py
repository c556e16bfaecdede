"""Values that stand in a file beside the model: few of them, from its own folder only, and through no link."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 2**20
MAX_TOTAL: Final = 2**26
"""Bytes of one tensor, and of all, that are read: masks and shapes are smaller, larger ones are weights."""


class Beside:
    """Reads what tensors name as their place in a file of the model's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.room = MAX_TOTAL

    def read(self, place: Mapping[str, str], size: int) -> bytes | None:
        """Return the bytes at a place, `size` of them; None where they are many, or the place is not one inside the folder."""
        name, offset = place.get("location", ""), place.get("offset", "0")
        if not 0 < size <= min(MAX_BYTES, self.room) or not offset.isascii() or not offset.isdigit() or not _plain(name):
            return None
        self.room -= size
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            if (self.folder / name).is_symlink():
                return None
            descriptor = os.open(self.folder / name, flags)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return None
                file.seek(int(offset))
                found = file.read(size)
        except (OSError, ValueError, OverflowError):
            return None
        return found if len(found) == size else None


def _plain(name: str) -> bool:
    """Return whether a place is the name of a file in the folder itself."""
    return bool(name) and name not in (".", "..") and len(name) <= 255 and not any(c in name for c in "/\\\0:")  # noqa: PLR2004
