"""Say what an operation is in the words of a convention, as instrumentations of the field do.

Sources: the GenAI semantic conventions of OpenTelemetry 1.41, the semantic conventions of
OpenInference, and the attributes that the router and the engine of Holdfast write.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from holdfast.tracing.span import Value

Began = tuple[str, str, dict[str, Value]]
"""The kind, the name and the first attributes of a span."""


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class Speech:
    """A convention."""

    name: str

    def began(self, role: str, name: str, arguments: object) -> Began:
        """Return how a span begins."""
        if role == "database":
            return "client", name, {"db.system.name": "sqlite", "db.query.text": _text(arguments)}
        if role == "http":
            return "client", name, {"http.request.method": "POST", "url.full": _text(arguments)}
        return getattr(self, f"_{self.name}")(role, name, arguments)

    def ended(self, role: str, output: object, finish: str) -> dict[str, Value]:
        """Return what a span says at its end."""
        if role == "http":
            return {"http.response.status_code": output if isinstance(output, int) else 200}
        if role in {"database", "run", "step"}:
            return {}
        return getattr(self, f"_{self.name}_ended")(role, _text(output), finish)

    def _holdfast(self, role: str, name: str, arguments: object) -> Began:
        kind = {"search": "retrieval", "json": "model"}.get(role, role)
        attributes: dict[str, Value] = {} if arguments is None else {"input": _text(arguments)}
        if kind == "model":
            attributes |= {"provider": "offline", "model": "small"}
        if kind == "tool":
            attributes["tool"] = name
        return kind, f"offline/{name}" if kind == "model" else name, attributes

    def _holdfast_ended(self, role: str, output: str, finish: str) -> dict[str, Value]:
        if role in {"model", "json"}:
            return {
                "output": output,
                "finish_reason": finish,
                "input_tokens": 900,
                "output_tokens": 80,
            }
        return {"output": output}

    def _genai(self, role: str, name: str, arguments: object) -> Began:
        if role in {"model", "json"}:
            said = [{"role": "user", "parts": [{"type": "text", "content": _text(arguments)}]}]
            return "client", "chat gpt-4o", {
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o", "gen_ai.input.messages": json.dumps(said),
            }  # fmt: skip
        if role in {"tool", "search"}:
            return "internal", f"execute_tool {name}", {
                "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name,
                "gen_ai.tool.call.arguments": _text(arguments),
            }  # fmt: skip
        if role == "agent":
            return "internal", f"invoke_agent {name}", {
                "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name,
            }  # fmt: skip
        return "internal", name, {}

    def _genai_ended(self, role: str, output: str, finish: str) -> dict[str, Value]:
        if role in {"model", "json"}:
            part = {"type": "text", "content": output}
            said = [{"role": "assistant", "parts": [part], "finish_reason": finish}]
            return {
                "gen_ai.response.finish_reasons": [finish],
                "gen_ai.output.messages": json.dumps(said),
                "gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 80,
            }  # fmt: skip
        return {"gen_ai.tool.call.result": output} if role in {"tool", "search"} else {}

    def _openinference(self, role: str, name: str, arguments: object) -> Began:
        kinds = {"model": "LLM", "json": "LLM", "tool": "TOOL", "search": "RETRIEVER",
                 "agent": "AGENT"}  # fmt: skip
        attributes: dict[str, Value] = {"openinference.span.kind": kinds.get(role, "CHAIN")}
        if arguments is not None:
            attributes["input.value"] = _text(arguments)
        if role in {"model", "json"}:
            attributes |= {"llm.model_name": "gpt-4o", "llm.provider": "openai"}
        if role == "tool":
            attributes["tool.name"] = name
        return "internal", "ChatCompletion" if role in {"model", "json"} else name, attributes

    def _openinference_ended(self, role: str, output: str, finish: str) -> dict[str, Value]:
        attributes: dict[str, Value] = {"output.value": output}
        if role in {"model", "json"}:
            attributes |= {
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": output,
                "llm.finish_reason": finish,
                "llm.token_count.prompt": 900, "llm.token_count.completion": 80,
            }  # fmt: skip
        return attributes


SPEECHES = tuple(Speech(name) for name in ("holdfast", "genai", "openinference"))
