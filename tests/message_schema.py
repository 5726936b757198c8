"""The schema of messages, and the check of data by it: made once for each definition, since it takes long to make."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

SCHEMA = json.loads((files("greenllm_kernel") / "messages.schema.json").read_text(encoding="utf-8"))


def fits_schema(data: Any, definition: str = "") -> None:
    """Raise ValidationError unless data have the form of a definition (``"record"``), or of a message of any kind."""
    _check(definition).validate(data)


@cache
def _check(definition: str) -> Validator:
    kind = validator_for(SCHEMA)
    kind.check_schema(SCHEMA)
    return kind({"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]} if definition else SCHEMA)
