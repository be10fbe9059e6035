"""Ollama's own chat, which streams JSON lines.

Source: Ollama's API reference, "Generate a chat message" and "Thinking".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from holdfast.errors import MalformedAnswer, Untranslatable
from holdfast.routing.dialects import answers, failing
from holdfast.routing.dialects.framing import LineFrames
from holdfast.routing.dialects.requests import (
    BOOKKEEPING,
    Fields,
    Text,
    read_calls,
    read_choice,
    read_messages,
    read_parts,
    read_schema,
    read_tools,
)
from holdfast.routing.dialects.seam import Document, Object, Stamp
from holdfast.routing.dialects.values import (
    as_object,
    as_objects,
    as_text,
    excerpt,
    parse_object,
    write_json,
)
from holdfast.tracing.billing.usage import usage_of
from holdfast.tracing.meaning import TokenUsage

_EFFORTS: Mapping[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
}


class Ollama:
    """Speak /api/chat; the base address has no path."""

    @property
    def name(self) -> str:
        return "ollama"

    def path(self, model: str, *, stream: bool) -> str:  # noqa: ARG002 - one path for all
        return "/api/chat"

    def headers(self, key: str | None) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json"}
        return headers | ({"Authorization": f"Bearer {key}"} if key else {})

    def encode(self, body: Object) -> Document:
        fields = Fields(body)
        fields.refuse_foreign()
        fields.refuse(("logprobs", "top_logprobs"), "probabilities of tokens are not told here")
        # Ollama streams unless it is told not to.
        made: Document = {"model": fields.take("model"), "stream": bool(fields.take("stream"))}
        made |= _options(fields) | _tools(fields) | _output(fields)
        fields.usual_tier()
        fields.drop((*BOOKKEEPING, "messages"))
        made["messages"] = _messages(read_messages(body))
        return made | fields.rest

    def decode(self, document: Object, stamp: Stamp) -> Document:
        failing.raise_error(document.get("error"))
        if document.get("done") is not True or not isinstance(document.get("message"), Mapping):
            raise MalformedAnswer(
                f"the answer holds no whole message: {excerpt(write_json(document))}",
                hint="is this really an endpoint of Ollama?",
            )
        message = as_object(document["message"])
        made = answers.message(
            as_text(message.get("content")),
            _calls(message, stamp, first=0, streamed=False),
            reasoning=as_text(message.get("thinking")),
        )
        stamp = replace(stamp, model=as_text(document.get("model")) or stamp.model)
        finish = _finish(document, called=bool(message.get("tool_calls")))
        return answers.completion(stamp, made, finish, self.usage(document))

    def frames(self) -> LineFrames:
        return LineFrames()

    def reader(self, stamp: Stamp) -> OllamaReader:
        return OllamaReader(stamp)

    def usage(self, document: Object) -> TokenUsage:
        return usage_of(document)

    def error_text(self, status: int, body: bytes) -> str:  # noqa: ARG002 - the body says it
        return failing.error_text(body)


class OllamaReader:
    """Read one stream, whose last line is done."""

    passes = False

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._calls = 0
        self._last: Object = {}
        self._begun = self.finished = False
        self.reason = ""

    @property
    def ended(self) -> bool:
        return self.finished

    @property
    def usage(self) -> TokenUsage:
        return usage_of(self._last)

    def feed(self, event: str | None, data: bytes) -> Sequence[Document]:  # noqa: ARG002 - unnamed
        if self.finished:
            return ()
        line = parse_object(data)
        failing.raise_error(line.get("error"))
        if not isinstance(line.get("message"), Mapping) and line.get("done") is not True:
            raise MalformedAnswer(f"a line of the stream holds no message: {excerpt(data)}")
        chunks = [answers.chunk(self._stamp, delta) for delta in self._deltas(line)]
        if line.get("done") is True:
            self._last, self.finished = line, True
            self.reason = _finish(line, called=self._calls > 0)
            chunks.append(answers.chunk(self._stamp, {}, self.reason))
            chunks += answers.usage_chunk(self._stamp, self.usage)
        return chunks

    def _deltas(self, line: Object) -> list[Document]:
        deltas: list[Document] = []
        if not self._begun:
            self._begun = True
            self._stamp = replace(
                self._stamp, model=as_text(line.get("model")) or self._stamp.model
            )
            deltas.append({"role": "assistant", "content": ""})
        message = as_object(line.get("message"))
        for name, given in (("reasoning_content", "thinking"), ("content", "content")):
            if text := as_text(message.get(given)):
                deltas.append({name: text})
        if calls := _calls(message, self._stamp, first=self._calls, streamed=True):
            self._calls += len(calls)
            deltas.append({"tool_calls": calls})
        return deltas


def _finish(line: Object, *, called: bool) -> str:
    if line.get("done_reason") == "length":
        return "length"
    return "tool_calls" if called else "stop"


def _calls(message: Object, stamp: Stamp, *, first: int, streamed: bool) -> list[Document]:
    """Return the calls, which Ollama gives ids of their own only in newer versions."""
    made: list[Document] = []
    for index, call in enumerate(as_objects(message.get("tool_calls")), first):
        function = as_object(call.get("function"))
        made.append(
            answers.call(
                as_text(call.get("id")) or f"call_{stamp.id}_{index}",
                as_text(function.get("name")),
                write_json(as_object(function.get("arguments"))),
                index=index if streamed else None,
            )
        )
    return made


def _options(fields: Fields) -> Document:
    made: Document = {
        **as_object(fields.take("options")),
        "num_predict": fields.limit(),
        "stop": fields.stops() or None,
        "temperature": fields.number("temperature", least=0, most=2),
    }
    for name in ("top_p", "top_k", "seed", "presence_penalty", "frequency_penalty"):
        made[name] = fields.take(name)
    told = {name: value for name, value in made.items() if value is not None}
    return {"options": told} if told else {}


def _tools(fields: Fields) -> Document:
    tools, choice = read_tools(fields.take("tools")), read_choice(fields.take("tool_choice"))
    if choice is not None and choice.mode in ("required", "function"):
        raise Untranslatable("tool_choice", "a call cannot be forced here", hint="leave it to auto")
    if fields.take("parallel_tool_calls") is False and tools:
        raise Untranslatable(
            "parallel_tool_calls", "several calls at once cannot be forbidden here"
        )
    if not tools or (choice is not None and choice.mode == "none"):
        return {}
    return {
        "tools": [
            {
                "type": "function",
                "function": {"name": tool.name, "parameters": dict(tool.parameters)}
                | ({"description": tool.description} if tool.description is not None else {}),
            }
            for tool in tools
        ]
    }


def _output(fields: Fields) -> Document:
    form, effort = fields.take("response_format"), fields.take("reasoning_effort")
    made: Document = {}
    if as_object(form).get("type") == "json_object":
        made["format"] = "json"
    elif (schema := read_schema(form)) is not None:
        made["format"] = dict(schema)
    if effort is not None:
        if str(effort) not in _EFFORTS:
            raise Untranslatable("reasoning_effort", f"must be one of {', '.join(_EFFORTS)}")
        made["think"] = _EFFORTS[str(effort)]
    return made


def _messages(messages: Sequence[Object]) -> list[Document]:
    names: dict[str, str] = {}
    return [_message(each, f"messages[{at}]", names) for at, each in enumerate(messages)]


def _message(message: Object, where: str, names: dict[str, str]) -> Document:
    role = "system" if message["role"] == "developer" else message["role"]
    if role == "function":
        raise Untranslatable(
            f"{where}.role", f"{role!r} is deprecated", hint="answer calls with the role tool"
        )
    if message.get("name") and role != "tool":
        raise Untranslatable(f"{where}.name", "who speaks cannot be named here")
    content = message.get("content") or message.get("refusal")
    made: Document = {"role": role} | _content(content, f"{where}.content")
    if role == "tool":
        identity = as_text(message.get("tool_call_id"))
        return made | {"tool_call_id": identity} | _named(names, identity)
    calls = list(read_calls(message, where)) if role == "assistant" else []
    if calls:
        names |= {call.id: call.name for call in calls}
        made["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    if thought := as_text(message.get("reasoning_content")):
        made["thinking"] = thought
    return made


def _content(content: object, where: str) -> Document:
    texts: list[str] = []
    images: list[str] = []
    for part in read_parts(content, where):
        if isinstance(part, Text):
            texts.append(part.text)
        elif part.url or not part.is_image:
            raise Untranslatable(part.where, "only images in base64 can be sent here")
        else:
            images.append(part.data)
    made: Document = {"content": "".join(texts)}
    return made | ({"images": images} if images else {})


def _named(names: dict[str, str], identity: str) -> Document:
    return {"tool_name": names[identity]} if identity in names else {}
