"""JSON as Python's own encoder writes it, without its work for each value: an import writes a dozen an order.

``JSONEncoder.encode`` makes a new encoder in C for each value, which takes longer than most values do. Here it is made
once. Where there is none (another Python), or it writes otherwise than the library's own, that one is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

#: What is written and read anew when a way of writing is made, to see that it is the same.
_TRIED = {"a": [1, 1.5, None, True, 'ґ\u2028"\\'], "b": {"c": ()}}


def writer(*, ensure_ascii: bool = True, separators: tuple[str, str] = (", ", ": ")) -> Callable[[Any], str]:
    """What gives the words for a value, as ``json.dumps`` of these arguments does, also by its errors; but a value that
    holds itself raises RecursionError."""
    library = json.JSONEncoder(ensure_ascii=ensure_ascii, separators=separators, check_circular=False)
    parts: Any = json.encoder
    quoted = parts.encode_basestring_ascii if ensure_ascii else parts.encode_basestring
    item, key = separators
    try:
        pieces = parts.c_make_encoder(None, library.default, quoted, None, key, item, False, False, True)
        if "".join(pieces(_TRIED, 0)) != library.encode(_TRIED):
            return library.encode
    except Exception:  # noqa: BLE001 - it is no part of what the library promises
        return library.encode

    def write(value: Any) -> str:
        return quoted(value) if isinstance(value, str) else "".join(pieces(value, 0))

    return write
