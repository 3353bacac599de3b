"""What the scripted servers share: a fault that ends the session, and paths that never lead out of their folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath


class Cut(Exception):
    """Raised by a fault: the connection ends here, without a word."""


#: Called with the word of an operation and its path below the root, when it is done and before it is answered. Raising
#: :class:`Cut` loses the answer.
After = Callable[[str, str], None]


def inside(path: str) -> str:
    """``/../a/./b`` -> ``a/b``: above the root there is only the root."""
    parts: list[str] = []
    for part in PurePosixPath("/", path.replace("\\", "/") if os.name == "nt" else path).parts[1:]:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def real_path(root: Path, path: str) -> Path:
    """Where ``path`` lies below ``root`` (which is a real path itself). Raises PermissionError for links that lead out,
    ValueError for a name that no disk takes."""
    real = root / inside(path)
    home = Path(os.path.realpath(real.parent))
    if home != root and root not in home.parents and real != root:
        raise PermissionError  # a link that leads out
    if real.is_symlink() and root not in Path(os.path.realpath(real)).parents:
        raise PermissionError
    return real
