"""A provider of models on loopback that answers, or fails, exactly as it is told.

It speaks chat completions, Anthropic's messages, Gemini and Ollama, each by its path, and never
sleeps: what hangs or stalls goes on when the test says so, or ends when the client leaves.

    async with Upstream() as upstream:
        upstream.script(Act(fault=Fault.CUT, after=2), Act(reply=Reply(text="Hello there")))
        ...                                   # ask `upstream.url` twice
        first, second = upstream.exchanges
        await first.left.wait()
"""

from __future__ import annotations

from holdfast.testing.upstream.acts import Act, Fault
from holdfast.testing.upstream.exchanges import Exchange
from holdfast.testing.upstream.replies import Counts, Reply, ToolUse
from holdfast.testing.upstream.server import Upstream

__all__ = ["Act", "Counts", "Exchange", "Fault", "Reply", "ToolUse", "Upstream"]
