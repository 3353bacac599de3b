"""What a reverse proxy says of a request, believed only when it comes from the proxy. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from pipeline.config.model import WebProxy


def is_trusted(address: str, proxy: WebProxy | None) -> bool:
    """Whether a request from this address comes from the proxy."""
    if proxy is None:
        return False
    try:
        here = ip_address(address)
    except ValueError:
        return False
    return any(here in ip_network(one, strict=False) for one in proxy.trusted)


def address_of(peer: str, headers: Mapping[str, str], proxy: WebProxy | None) -> str:
    """Where a request comes from: the last address that the proxy itself has added, else the peer's."""
    if not is_trusted(peer, proxy):
        return peer
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    # from the right on: what stands left of the first hop that is no proxy of ours, anybody can have written
    for hop in reversed(hops):
        if not is_trusted(hop, proxy):
            return hop[:64]
    return hops[0][:64] if hops else peer


def named_user(peer: str, headers: Mapping[str, str], proxy: WebProxy | None) -> str:
    """The user whom the proxy has named; empty when there is none, or when nobody may say so."""
    if proxy is None or not proxy.user_header or not is_trusted(peer, proxy):
        return ""
    return headers.get(proxy.user_header.lower(), "").strip()[:64]


def is_https(scheme: str, peer: str, headers: Mapping[str, str], proxy: WebProxy | None) -> bool:
    """Whether the browser talks TLS, to us or to the proxy."""
    if scheme == "https":
        return True
    return is_trusted(peer, proxy) and headers.get("x-forwarded-proto", "").strip().lower() == "https"
