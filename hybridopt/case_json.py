"""The JSON schema of case files, for editors and other programs."""

import json
from typing import Any

from hybridopt.case_schema import CaseFile


def json_schema() -> str:
    """Write the schema as it is published in ``cases/case.schema.json``."""
    schema = _tidy(CaseFile.model_json_schema())
    # What a file extends may give the network.
    del schema["required"]
    schema["anyOf"] = [{"required": ["network"]}, {"required": ["extends"]}]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2) + "\n"


def _tidy(schema: Any) -> Any:
    """Leave out null, which TOML lacks, titles and tables of defaults, which say all twice."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema if item != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    tidied = {
        key: _tidy(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and (value is None or isinstance(value, dict)))
    }
    choices = tidied.get("anyOf")
    if choices is not None and len(choices) == 1:
        del tidied["anyOf"]
        tidied = choices[0] | tidied
    return tidied
