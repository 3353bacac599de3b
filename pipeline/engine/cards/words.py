"""What the kinds of codes are called that a mapping may say."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.texts import T, Text

KINDS: Mapping[str, Text] = {
    "sku": T("product"),
    "party": T("client"),
    "object": T("object"),
    "warehouse": T("warehouse"),
    "user": T("user"),
    "executor": T("executor"),
    "currency": T("currency"),
    "firm": T("own company"),
    "account": T("bank account or cash desk"),
    "service": T("service"),
    "source": T("source"),
    "status": T("status"),
}
