"""As much of JSON Schema (draft 7) as the schema of CycloneDX needs, to hold a document against it."""

from __future__ import annotations

import re
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


class Schemas:
    """`files`: schemas by the name that references give them."""

    def __init__(self, files: dict[str, Any]) -> None:
        self._files = files

    def faults(self, value: Any, schema: Any, file: str, where: str = "$") -> list[str]:
        """What in `value` is not as it must be; nothing when it is."""
        if "$ref" in schema:
            named, _, path = schema["$ref"].partition("#")
            file = named or file
            schema = self._files[file]
            for part in path.split("/")[1:]:
                schema = schema[part]
            return self.faults(value, schema, file, where)
        found = _own_faults(value, schema, where) + self._of_choices(value, schema, file, where)
        if isinstance(value, dict):
            known = schema.get("properties", {})
            for name, part in value.items():
                if name in known:
                    found += self.faults(part, known[name], file, f"{where}.{name}")
                elif schema.get("additionalProperties") is False:
                    found.append(f"{where}: '{name}' is not foreseen")
        if isinstance(value, list) and "items" in schema:
            for number, part in enumerate(value):
                found += self.faults(part, schema["items"], file, f"{where}[{number}]")
        return found

    def _of_choices(self, value: Any, schema: Any, file: str, where: str) -> list[str]:
        found = [fault for each in schema.get("allOf", ()) for fault in self.faults(value, each, file, where)]
        for word in ("oneOf", "anyOf"):
            if word in schema:
                fitting = sum(not self.faults(value, each, file, where) for each in schema[word])
                if fitting == 0 or (word == "oneOf" and fitting > 1):
                    found.append(f"{where}: {fitting} of {word}")
        return found


def _own_faults(value: Any, schema: dict[str, Any], where: str) -> list[str]:
    found = []
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        found.append(f"{where}: no {schema['type']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: '{value}' is none of the words")
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: not {schema['const']}")
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where}: '{value}' is not written as {schema['pattern']}")
    if isinstance(value, dict):
        found += [f"{where}: '{name}' is missing" for name in schema.get("required", ()) if name not in value]
    return found
