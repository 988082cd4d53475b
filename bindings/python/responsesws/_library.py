"""Where libresponsesws.so may be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

ENVIRONMENT_VARIABLE = "RESPONSESWS_LIBRARY"
SONAME = "libresponsesws.so.0"
_FILE_NAMES = (SONAME, "libresponsesws.so")


def candidates() -> Iterator[str]:
    """Paths to try, best first; the last is a bare name, which the dynamic loader looks up."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        # Only this one: whoever names a library wants no other to be taken in its place.
        yield named
        return
    package = Path(__file__).resolve().parent
    for name in _FILE_NAMES:
        yield str(package / name)
    root = package.parent.parent.parent
    if (root / "Include" / "responsesws.h").is_file():
        for name in _FILE_NAMES:
            yield str(root / "build" / "lib" / name)
    yield SONAME
