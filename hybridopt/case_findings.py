"""What pydantic finds wrong, in words for whoever wrote the case file."""

import typing
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hybridopt.case_fields import show
from hybridopt.case_place import KeyPath, format_path

_WORDS = {
    "missing": "is required",
    "bool_type": "must be true or false, found {found}",
    "string_type": "must be text, found {found}",
    "float_type": "must be a number, found {found}",
    "int_type": "must be a whole number, found {found}",
    "int_from_float": "must be a whole number, found {found}",
    "finite_number": "must be a finite number, found {found}",
    "greater_than": "must be above {gt:g}, found {found}",
    "greater_than_equal": "must be at least {ge:g}, found {found}",
    "less_than": "must be below {lt:g}, found {found}",
    "less_than_equal": "must be at most {le:g}, found {found}",
    "literal_error": "must be {expected}, found {found}",
    "tuple_type": "must be a list, found {found}",
    "too_long": "must have {max_length} entries, found {actual_length}",
    "too_short": "must have at least {min_length} entries, found {actual_length}",
    "dict_type": "must be a table, found {found}",
    "model_type": "must be a table, found {found}",
    "value_error": "{error}",
}


def describe(error: ValidationError, model: type[BaseModel]) -> list[tuple[KeyPath, str]]:
    """Give the key path and the message of everything that pydantic finds wrong.

    Parameters
    ----------
    error : raised by the validation
    model : what was validated
    """
    details = error.errors(include_url=False)
    return [_describe(one, model) for one in details if not _follows(one)]


def is_missing(message: str) -> bool:
    """Whether a message says that a key is missing."""
    return message == _WORDS["missing"]


def _follows(error: ErrorDetails) -> bool:
    """Whether a list is short for pydantic only because it counts no entry that is wrong."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def key_path(error: ErrorDetails) -> KeyPath:
    """Path of what is wrong; that of a key, where pydantic finds the key itself wrong."""
    path = tuple(error["loc"])
    is_key = len(path) > 1 and path[-1] == "[key]" and error["type"] != "extra_forbidden"
    return path[:-1] if is_key else path


def _describe(error: ErrorDetails, model: type[BaseModel]) -> tuple[KeyPath, str]:
    path = key_path(error)
    context: dict[str, Any] = dict(error.get("ctx", {}))
    kind = error["type"]
    if kind == "extra_forbidden":
        return path, _unknown_key(path, model)
    if kind in _WORDS:
        return path, _WORDS[kind].format(**context | {"found": show(error["input"])})
    return path, f"{error['msg'][:1].lower()}{error['msg'][1:]}, found {show(error['input'])}"


def _unknown_key(path: KeyPath, model: type[BaseModel]) -> str:
    key = str(path[-1])
    here = _model_at(path[:-1], model)
    close = get_close_matches(key, here.model_fields, n=1) if here else []
    if close:
        return f"unknown key; did you mean {close[0]!r}?"
    elsewhere = [format_path(known) for known in _all_keys(model) if known[-1] == key]
    if not elsewhere:
        return "unknown key"
    homes = [
        f"in [{home.rpartition('.')[0]}]" if "." in home else "above the first [table]"
        for home in elsewhere
    ]
    return f"unknown key; {key!r} belongs {' or '.join(homes)}"


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Give the tables that a field's type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


def _model_at(path: KeyPath, model: type[BaseModel]) -> type[BaseModel] | None:
    here: type[BaseModel] | None = model
    for part in path:
        if here is not None and isinstance(part, str):
            field = here.model_fields.get(part)
            here = next(models_in(field.annotation), None) if field else None
    return here


def _all_keys(model: type[BaseModel], path: KeyPath = ()) -> Iterator[KeyPath]:
    for name, field in model.model_fields.items():
        yield (*path, name)
        for below in models_in(field.annotation):
            yield from _all_keys(below, (*path, name))
