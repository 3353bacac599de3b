"""Which account of a system a connection leads to, as a mark that tells nothing of keys. Pure."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import urlsplit


def place_of(address: str) -> str:
    """The place that an address names: without scheme, login, query and a slash at its end, the host in small letters.

    A text that is no address (a path, a host's name) is given back as it is.
    """
    scheme, separator, rest = address.strip().partition("://")
    if not separator:
        return address.strip()
    if scheme.startswith("sqlite"):
        return rest.partition("?")[0]
    try:
        parts = urlsplit(f"//{rest}")
        host = (parts.hostname or "") + (f":{parts.port}" if parts.port is not None else "")
    except ValueError:  # a port that is none, or half an IPv6 address
        return rest.rpartition("@")[2].partition("?")[0].rstrip("/")
    return host + parts.path.rstrip("/")


def account_mark(*parts: str) -> str:
    """A mark of an account: a hash of what tells it from others, such as its address and its key."""
    told = json.dumps(parts, ensure_ascii=False)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]
