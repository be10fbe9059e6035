"""Read chat requests, the form that questions have inside Holdfast, and refuse what is none.

What `Untranslatable` names is the way to the field in the request, as `messages[2].content[0]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from holdfast.errors import Untranslatable
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.dialects.values import as_list, as_object, is_number, parse_arguments

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
BOOKKEEPING = (
    "metadata", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "safety_identifier", "store", "stream_options", "user",
)  # fmt: skip
"""Fields that change how a request is kept, billed or sped up, never what the answer may be."""

_DEPRECATED = "is the deprecated way to call functions"
_FOREIGN = {
    "audio": "spoken answers are not to be had here",
    "function_call": _DEPRECATED,
    "functions": _DEPRECATED,
    "logit_bias": "weights of single tokens cannot be set here",
    "moderation": "moderation is not to be had here",
    "verbosity": "there is no such setting here",
    "web_search_options": "searching the web is not to be had here",
}


def check_request(body: Object) -> None:
    """Check that a body has a model and messages.

    Raises:
        Untranslatable: it has not, or a message is no object or of no known role.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Untranslatable("model", "must be the name of a model")
    read_messages(body)


def read_messages(body: Object) -> Sequence[Object]:
    """Return the messages of a body.

    Raises:
        Untranslatable: they are no list of objects with a known role, or there are none.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Untranslatable("messages", "must be a list with at least one message")
    for place, message in enumerate(cast("list[object]", messages)):
        if type(message) is not dict and not isinstance(message, Mapping):
            raise Untranslatable(f"messages[{place}]", "must be an object")
        role = cast("Object", message).get("role")
        if role not in ROLES:
            raise Untranslatable(
                f"messages[{place}].role", f"must be one of {', '.join(ROLES)}, not {role!r}"
            )
    return cast("list[Object]", messages)


class Fields:
    """The fields of a request that nobody has taken yet; null is as good as absent."""

    def __init__(self, body: Object) -> None:
        check_request(body)
        self.rest: Document = {name: value for name, value in body.items() if value is not None}

    def take(self, name: str) -> object:
        """Return a field and count it as dealt with."""
        return self.rest.pop(name, None)

    def number(self, name: str, *, least: float, most: float) -> float | None:
        """Return a number within bounds."""
        value = self.take(name)
        if value is None:
            return None
        if not is_number(value) or not least <= cast("float", value) <= most:
            raise Untranslatable(name, f"must be a number from {least:g} to {most:g} here")
        return cast("float", value)

    def count(self, name: str) -> int | None:
        """Return a whole number above zero."""
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise Untranslatable(name, "must be a whole number above zero")
        return value

    def limit(self) -> int | None:
        """Return the limit of tokens, under either of its names."""
        older, newer = self.count("max_tokens"), self.count("max_completion_tokens")
        return newer if newer is not None else older

    def stops(self) -> list[str]:
        """Return the texts that end an answer."""
        value = self.take("stop")
        stops = [value] if isinstance(value, str) else as_list(value)
        texts = [each for each in stops if isinstance(each, str)]
        if len(texts) < len(stops) or (value is not None and not isinstance(value, str | list)):
            raise Untranslatable("stop", "must be a text or a list of texts")
        return texts

    def usual_tier(self) -> None:
        """Take the service tier, of which there is only the usual one."""
        tier = self.take("service_tier")
        if tier not in (None, "auto", "default", "standard_only"):
            hint = "leave service_tier out, or ask another provider"
            raise Untranslatable("service_tier", f"{tier!r} is none here", hint=hint)

    def drop(self, names: Iterable[str]) -> None:
        """Leave out what says nothing to the endpoint and nothing about the answer."""
        for name in names:
            self.rest.pop(name, None)

    def refuse(self, names: Iterable[str], reason: str) -> None:
        """Refuse fields that ask for something; false, zero and empty ask for nothing."""
        for name in names:
            if self.take(name):
                raise Untranslatable(
                    name, reason, hint=f"leave {name} out, or ask another provider"
                )

    def refuse_foreign(self) -> None:
        """Refuse what no endpoint but OpenAI's own knows."""
        for name, reason in _FOREIGN.items():
            hint = "use tools and tool_choice" if reason is _DEPRECATED else f"leave {name} out"
            if self.take(name):
                raise Untranslatable(name, reason, hint=hint)
        if (several := self.take("n")) not in (None, 1):
            raise Untranslatable("n", f"only one answer can be had here, not {several!r}")
        if self.take("modalities") not in (None, ["text"]):
            raise Untranslatable("modalities", "only text can be had here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A part of a message that is text; `extras` holds fields beside it, as `cache_control`."""

    text: str
    extras: Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image or a file: its bytes in base64 with their type, or where they are."""

    where: str
    is_image: bool
    media_type: str
    data: str
    url: str
    name: str
    extras: Object


Part = Text | Media


def read_parts(content: object, where: str) -> Iterator[Part]:
    """Return the parts of a message's content, which is a text, a list of parts, or nothing.

    Raises:
        Untranslatable: a part is malformed, or neither text, an image nor a file with its bytes.
    """
    if content is None:
        return
    if isinstance(content, str):
        yield Text(text=content, extras={})
        return
    if not isinstance(content, list):
        raise Untranslatable(where, "must be a text or a list of parts")
    for place, part in enumerate(cast("list[object]", content)):
        yield _read_part(as_object(part), f"{where}[{place}]")


def read_text(content: object, where: str) -> str:
    """Return a content that must be text alone."""
    texts: list[str] = []
    for part in read_parts(content, where):
        if not isinstance(part, Text):
            raise Untranslatable(part.where, "only text can stand here")
        texts.append(part.text)
    return "".join(texts)


def _read_part(part: Object, where: str) -> Part:
    kind = part.get("type")
    extras = {name: value for name, value in part.items() if name == "cache_control" and value}
    match kind:
        case "text" | "refusal":
            text = part.get(str(kind))
            if not isinstance(text, str):
                raise Untranslatable(f"{where}.{kind}", "must be a text")
            return Text(text=text, extras=extras)
        case "image_url":
            url = as_object(part.get("image_url")).get("url")
            return _read_media(url, f"{where}.image_url.url", is_image=True, name="", extras=extras)
        case "file":
            file = as_object(part.get("file"))
            name = file.get("filename")
            return _read_media(
                file.get("file_data"),
                f"{where}.file.file_data",
                is_image=False,
                name=name if isinstance(name, str) else "",
                extras=extras,
            )
        case _:
            raise Untranslatable(
                f"{where}.type",
                f"a part of the type {kind!r} cannot be sent here",
                hint="send text, image_url, or a file with its file_data",
            )


def _read_media(url: object, where: str, *, is_image: bool, name: str, extras: Object) -> Media:
    media_type = data = ""
    if isinstance(url, str) and url.startswith("data:"):
        head, _, data = url.removeprefix("data:").partition(",")
        media_type, _, coding = head.partition(";")
        if coding != "base64" or not media_type or not data:
            raise Untranslatable(where, "must be data:TYPE;base64,DATA")
        url = ""
    elif not isinstance(url, str) or not is_image or not url.startswith(("http://", "https://")):
        wanted = "an http or data address" if is_image else "the bytes, as data:TYPE;base64,DATA"
        raise Untranslatable(where, f"must be {wanted}")
    return Media(
        where=where, is_image=is_image, media_type=media_type, data=data, url=url, name=name,
        extras=extras,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a tool that the assistant made."""

    id: str
    name: str
    arguments: Document
    extras: Object


def read_calls(message: Object, where: str) -> Iterator[Call]:
    """Return the calls in an assistant's message.

    Raises:
        Untranslatable: a call is malformed, or its arguments are no JSON object.
    """
    if message.get("function_call"):
        raise Untranslatable(f"{where}.function_call", _DEPRECATED, hint="use tool_calls")
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise Untranslatable(f"{where}.tool_calls", "must be a list of calls")
    for place, each in enumerate(as_list(calls)):  # pyright: ignore[reportUnknownArgumentType]
        at = f"{where}.tool_calls[{place}]"
        call = as_object(each)
        function = as_object(call.get("function"))
        identity, name, text = call.get("id"), function.get("name"), function.get("arguments")
        if not isinstance(identity, str) or not isinstance(name, str) or not name:
            raise Untranslatable(at, "must be a call of a function, with an id and a name")
        arguments = parse_arguments(text) if isinstance(text, str) else None
        if arguments is None:
            raise Untranslatable(
                f"{at}.function.arguments", "must be a JSON object, written as text"
            )
        yield Call(
            id=identity, name=name, arguments=arguments, extras=as_object(call.get("extra_content"))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str | None
    parameters: Object
    strict: bool
    extras: Object


def read_tools(value: object) -> list[Tool]:
    """Return the tools of a request.

    Raises:
        Untranslatable: one is malformed, or no function.
    """
    if value is not None and not isinstance(value, list):
        raise Untranslatable("tools", "must be a list of tools")
    return [
        _read_tool(as_object(each), f"tools[{place}]")
        for place, each in enumerate(as_list(value))  # pyright: ignore[reportUnknownArgumentType]
    ]


def _read_tool(tool: Object, where: str) -> Tool:
    if tool.get("type") != "function":
        raise Untranslatable(
            f"{where}.type", f"only functions can be offered here, not {tool.get('type')!r}"
        )
    function = as_object(tool.get("function"))
    name, description = function.get("name"), function.get("description")
    if not isinstance(name, str) or not name:
        raise Untranslatable(f"{where}.function.name", "must be the name of the function")
    return Tool(
        name=name,
        description=description if isinstance(description, str) else None,
        parameters=as_object(function.get("parameters")) or {"type": "object", "properties": {}},
        strict=function.get("strict") is True,
        extras={"cache_control": tool["cache_control"]} if tool.get("cache_control") else {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Whether tools are to be called: auto, none, required, or the one called `name`."""

    mode: str
    name: str = ""


def read_choice(value: object) -> Choice | None:
    """Return the choice of tools, None if the request leaves it open.

    Raises:
        Untranslatable: it is malformed, or limits the tools to some of them.
    """
    if value is None:
        return None
    if value in ("auto", "none", "required"):
        return Choice(mode=cast("str", value))
    choice = as_object(value)
    name = as_object(choice.get("function")).get("name")
    if choice.get("type") != "function" or not isinstance(name, str):
        raise Untranslatable(
            "tool_choice", "must be auto, none, required or the name of one function"
        )
    return Choice(mode="function", name=name)


def read_schema(value: object) -> Object | None:
    """Return the JSON Schema that an answer must fit, None if it may be any text.

    Raises:
        Untranslatable: JSON is wanted without a schema (`json_object`), or the field is malformed.
    """
    form = as_object(value)
    if value is None or form.get("type") == "text":
        return None
    schema = as_object(form.get("json_schema")).get("schema")
    if form.get("type") != "json_schema" or not isinstance(schema, Mapping):
        raise Untranslatable(
            "response_format",
            f"{form.get('type')!r} cannot be kept here",
            hint="give the schema: {type: json_schema, json_schema: {name: ..., schema: {...}}}",
        )
    return cast("Object", schema)
