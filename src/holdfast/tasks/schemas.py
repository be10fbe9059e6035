"""Check values against a JSON Schema (draft 2020-12 unless the schema names another).

The library is loaded when the first schema is used. A schema may refer only to what stands in itself:
nothing is ever fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

from holdfast.errors import InputError

_SHOWN = 5


class _Problem(Protocol):
    message: str
    absolute_path: Iterable[object]


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Iterable[_Problem]: ...


def check_schema(schema: Mapping[str, object], *, what: str) -> None:
    """Refuse what is no JSON Schema.

    Raises:
        InputError: the message begins with `what` and says where the mistake is.
    """
    library = _library()
    try:
        library.validators.validator_for(schema, default=library.Draft202012Validator).check_schema(
            schema
        )
    except library.SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "the top"
        raise InputError(
            f"{what} is no JSON Schema: {error.message} (at {place})",
            hint="see the keywords at json-schema.org",
        ) from error


def check_value(value: object, schema: Mapping[str, object], *, what: str) -> None:
    """Refuse a value that does not fit its schema.

    Raises:
        InputError: the message begins with `what` and lists what is wrong, and where.
    """
    try:
        problems = list(_validator(schema).iter_errors(value))
    except Exception as error:
        if not type(error).__module__.startswith(("referencing", "jsonschema")):
            raise
        raise InputError(
            f"{what} cannot be checked: its schema refers to {error}",
            hint="a schema may refer only to what stands in itself",
        ) from error
    if problems:
        raise InputError(
            f"{what} does not fit its schema: {_list(problems)}", hint="give a value that fits"
        )


def _validator(schema: Mapping[str, object]) -> _Validator:
    from referencing import Registry  # noqa: PLC0415 - loaded with the first schema

    library, registry = _library(), Registry[Any]()
    kind = library.validators.validator_for(schema, default=library.Draft202012Validator)
    return cast("_Validator", kind(schema, registry=registry))


def _library() -> Any:
    import jsonschema  # noqa: PLC0415 - loaded with the first schema

    return jsonschema


def _list(problems: list[_Problem]) -> str:
    lines = [f"{problem.message}{_place(problem.absolute_path)}" for problem in problems[:_SHOWN]]
    more = len(problems) - _SHOWN
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")


def _place(path: Iterable[object]) -> str:
    place = "/".join(map(str, path))
    return f" (at {place})" if place else ""
