"""Say a chat request in the words of Gemini."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from holdfast.errors import Untranslatable
from holdfast.routing.dialects.requests import (
    BOOKKEEPING,
    Fields,
    Part,
    Text,
    read_calls,
    read_choice,
    read_messages,
    read_parts,
    read_schema,
    read_text,
    read_tools,
)
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.dialects.values import as_object, as_text

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "function": "ANY"}
_LEVELS = {each: each.upper() for each in ("minimal", "low", "medium", "high")}
# What Google's own compatible endpoint makes of the efforts for models that count a budget.
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}


def encode_request(body: Object) -> Document:
    """Return the JSON of a request; model and streaming stand in its path.

    Raises:
        Untranslatable: Gemini has no words for a field.
    """
    fields = Fields(body)
    fields.refuse_foreign()
    fields.refuse(("logprobs", "top_logprobs"), "probabilities of tokens are not told here")
    made = _tools(fields)
    config = _config(fields, as_text(body.get("model")))
    fields.usual_tier()
    fields.drop((*BOOKKEEPING, "messages", "model", "stream"))
    system, contents = _contents(read_messages(body))
    made["contents"] = contents
    if system:
        made["systemInstruction"] = {"parts": system}
    if config:
        made["generationConfig"] = config
    return made | fields.rest


def _config(fields: Fields, model: str) -> Document:
    form = fields.take("response_format")
    wants_json = as_object(form).get("type") == "json_object"
    schema = None if wants_json else read_schema(form)
    made: Document = {
        **as_object(fields.take("generationConfig")),
        "temperature": fields.number("temperature", least=0, most=2),
        "topP": fields.number("top_p", least=0, most=1),
        "topK": fields.take("top_k"),
        "maxOutputTokens": fields.limit(),
        "stopSequences": fields.stops() or None,
        "seed": fields.take("seed"),
        "presencePenalty": fields.take("presence_penalty"),
        "frequencyPenalty": fields.take("frequency_penalty"),
        "responseMimeType": "application/json" if wants_json or schema is not None else None,
        "responseJsonSchema": schema,
        "thinkingConfig": _thinking(fields.take("reasoning_effort"), model),
    }
    return {name: value for name, value in made.items() if value is not None}


def _thinking(effort: object, model: str) -> Document | None:
    if effort is None:
        return None
    wanted = str(effort)
    if "gemini-2" in model and wanted in _BUDGETS:
        return {"thinkingBudget": _BUDGETS[wanted], "includeThoughts": wanted != "none"}
    if wanted not in _LEVELS:
        raise Untranslatable("reasoning_effort", f"must be one of {', '.join(_LEVELS)} here")
    return {"thinkingLevel": _LEVELS[wanted], "includeThoughts": True}


def _tools(fields: Fields) -> Document:
    made: Document = {}
    tools, choice = read_tools(fields.take("tools")), read_choice(fields.take("tool_choice"))
    if fields.take("parallel_tool_calls") is False and tools:
        raise Untranslatable(
            "parallel_tool_calls", "several calls at once cannot be forbidden here"
        )
    if tools:
        declared = [
            {"name": tool.name, "parametersJsonSchema": dict(tool.parameters)}
            | ({"description": tool.description} if tool.description is not None else {})
            for tool in tools
        ]
        made["tools"] = [{"functionDeclarations": declared}]
    if choice is not None:
        wanted: Document = {"mode": _MODES[choice.mode]}
        if choice.name:
            wanted["allowedFunctionNames"] = [choice.name]
        made["toolConfig"] = {"functionCallingConfig": wanted}
    return made


def _contents(messages: Sequence[Object]) -> tuple[list[Document], list[Document]]:
    """Return the system prompt's parts and the turns; what one side says in a row is one turn."""
    system: list[Document] = []
    turns: list[Document] = []
    names: dict[str, str] = {}
    for place, message in enumerate(messages):
        where, role = f"messages[{place}]", message["role"]
        if message.get("name") and role != "tool":
            raise Untranslatable(f"{where}.name", "who speaks cannot be named here")
        if role in ("system", "developer"):
            if turns:
                raise Untranslatable(
                    where, "instructions can only stand before all turns", hint="put it first"
                )
            system.append({"text": read_text(message.get("content"), f"{where}.content")})
            continue
        said = list(_said(message, where, names))
        side = "model" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == side:
            cast("list[Document]", turns[-1]["parts"]).extend(said)
        elif said:
            turns.append({"role": side, "parts": said})
    return system, turns


def _said(message: Object, where: str, names: dict[str, str]) -> Iterator[Document]:
    content = message.get("content")
    match message["role"]:
        case "assistant":
            for part in read_parts(content or message.get("refusal"), f"{where}.content"):
                if not isinstance(part, Text) or part.text:
                    yield _part(part)
            for call in read_calls(message, where):
                names[call.id] = call.name
                asked = {"id": call.id, "name": call.name, "args": call.arguments}
                signature = as_object(call.extras.get("google")).get("thought_signature")
                kept = {"thoughtSignature": signature} if signature else {}
                yield {"functionCall": asked} | kept
        case "tool":
            identity = as_text(message.get("tool_call_id"))
            if identity not in names:
                raise Untranslatable(f"{where}.tool_call_id", "must be the id of an earlier call")
            text = read_text(content, f"{where}.content")
            result = {"error" if message.get("is_error") is True else "output": text}
            answered = {"id": identity, "name": names[identity], "response": result}
            yield {"functionResponse": answered}
        case "user":
            yield from (_part(part) for part in read_parts(content, f"{where}.content"))
        case role:
            raise Untranslatable(
                f"{where}.role", f"{role!r} is deprecated", hint="answer calls with the role tool"
            )


def _part(part: Part) -> Document:
    if isinstance(part, Text):
        return {"text": part.text}
    if part.url:
        raise Untranslatable(
            part.where, "addresses are not fetched here", hint="send data:TYPE;base64,DATA"
        )
    return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
