"""What editors check a config with: the JSON Schema of config.yaml, built once; it takes a second to check itself."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "config.schema.json"


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def check_as_editors_do(config: Any) -> None:
    """Raises jsonschema.ValidationError where an editor would underline something."""
    _validator().validate(config)
