"""Writing back a file that was fixed: all of it or nothing, and nothing but its bytes changed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


class NotWritten(Exception):
    """The file stays as it is; the message says why."""


def write(path: Path, before: bytes, after: bytes) -> None:
    """Replace `before` by `after` in a file; a link is followed, permissions stay.

    The new bytes are complete in a file beside it before they take its name, so that whoever is interrupted leaves the
    old file or the new one. Raises `NotWritten` where the file is not what was read, or cannot be written.
    """
    try:
        target = path.resolve(strict=True)
        if target.read_bytes() != before:
            raise NotWritten("it has changed since it was read")
        if not os.access(target, os.W_OK):
            raise NotWritten("it may not be written")
        _replace(target, after)
    except OSError as error:
        raise NotWritten(error.strerror or str(error)) from error


def _replace(target: Path, data: bytes) -> None:
    status = target.stat()
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, status.st_mode)
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):
                os.chown(name, status.st_uid, status.st_gid)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
