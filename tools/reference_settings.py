"""The page of the settings: their keys as the code reads them, with a meaning for each."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from holdfast.routing.breakers.rules import Rules
from holdfast.routing.config import Budgets, ProviderConfig, RoutingConfig, Timeouts
from holdfast.routing.quality.complexity import ComplexityRules, Signals
from holdfast.routing.quality.rules import QualityRules
from holdfast.routing.selection.policies import Policy
from holdfast.settings import FILE_NAME, Settings, load
from holdfast.settings.reader import Problems, Section
from holdfast.settings.tracing import TracingSettings
from tools.reference_text import code, table

MEANINGS = {
    "store": "The store: `sqlite:PATH` (one file; a relative path begins at the folder of "
    "`holdfast.toml`) or `memory://` (gone with the process).",
    "ack": "What an acknowledged write survives: `disk` a power cut, `os` the death of the process, "
    "`memory` nothing. Where it is set the ledger of model calls follows it, else that survives the death of the process.",
    "model": "The model of nodes that name none, where their workflow names none either. Without it the "
    "first model of the first provider that names any, else `offline/extract`.",
    "engine.lease_seconds": "How long a process that does not answer any more keeps its runs. On one "
    "machine a dead process is noticed at once all the same.",
    "engine.concurrency": "How many steps of one process run at once.",
    "tools.read": "The folders below which tools may read. Relative ones begin at the project's folder.",
    "tools.write": "The folders below which tools may write.",
    "tools.hosts": "Hosts (`host` or `host:port`) that `http_get` may reach although their addresses are "
    "inside the machine or its network.",
    "tracing.store": "Where traces are kept: `sqlite:PATH` (a relative path begins at the project's folder) or "
    "`postgres://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE[?schema=NAME]` for a team (the schema is "
    "`holdfast_traces` without it; needs `holdfast[postgres]`). Without it `traces/traces.db` in the folder "
    "of the store.",
    "tracing.payloads": "How much of prompts, answers and arguments is kept: `full`, `previews` (their "
    "beginnings) or `off` (only how long they were).",
    "tracing.redact_keys": "Names of attributes whose values are taken out, besides the usual ones.",
    "tracing.redact_patterns": "Regular expressions; what matches is taken out, besides the usual secrets.",
    "tracing.redact_hook": "A function of yours, as `module:function`, that gets each text and returns what "
    "may be kept of it.",
    "tracing.keep_days": "How long traces are kept; a pinned one stays.",
    "tracing.keep_payload_days": "How long prompts, answers and arguments are kept; without it as long as "
    "their trace.",
    "tracing.keep_mib": "How large the traces may grow, in MiB; the oldest go first. Without it as large as "
    "they get.",
    "tracing.release": "The name of the release that this project traces, for `holdfast trace compare`.",
    "tracing.opentelemetry": "Whether spans of libraries that speak OpenTelemetry come along, from their "
    "instrumentors. Needs `holdfast[otel]`.",
    "prices": "What models cost that no provider above has prices for: a table a model, `NAME` or "
    "`PROVIDER/NAME`, with `currency` (`sat` or a code), prices for a million tokens (`input`, `output`, "
    "`cache_read`, `cache_write`, `reasoning`, ...), `request`, and `since`; or a list of such tables.",
    "money.currency": "The currency that costs are shown in beside sats, such as `EUR`.",
    "money.bitcoin": "What a bitcoin is worth in that currency, by the day from which it holds: "
    "`bitcoin = { 2026-11-01 = 81000 }`.",
    "money.bitcoin_in": "The same of other currencies, in which prices may be written and providers may say what "
    "they charged: `bitcoin_in = { USD = { 2026-11-01 = 95000 } }`.",
    "providers.NAME.base_url": "The address of an endpoint, of an OpenAI-compatible one without "
    "`/chat/completions`. Must be given, but for the kind `litellm`.",
    "providers.NAME.api_key": "`${VARIABLE}` for the value of an environment variable; a key in the file "
    "itself works and is warned of. Without it the variable `HOLDFAST_NAME_API_KEY`, where it is set.",
    "providers.NAME.models": "The models that may be asked for: a list of names, or a table with prices "
    "for each. Without it the endpoint is asked for any model.",
    "providers.NAME.structured_output": "Whether the endpoint constrains replies to a JSON Schema: `auto` "
    "tries and sees, `json_schema` always, `none` never. Replies are checked in any case.",
    "providers.NAME.timeouts.connect": "Seconds for name lookup, connection and TLS.",
    "providers.NAME.timeouts.first_byte": "Seconds from there to the first byte of the answer's body.",
    "providers.NAME.timeouts.idle": "The longest silence after that, in seconds.",
    "providers.NAME.timeouts.total": "Seconds for the whole answer. Without it it may take as long as it takes.",
    "providers.NAME.kind": "The wire format of the endpoint: `openai` (chat completions), `anthropic` "
    "(messages), `gemini` or `ollama`. `routstr` is a node that speaks as OpenAI does and is paid with ecash; "
    "`litellm` is the library, for all others, and needs `holdfast[litellm]`.",
    "providers.NAME.prefix": "Only for `litellm`: what it calls the provider, such as `bedrock`. The model is asked for as "
    "`PREFIX/MODEL`.",
    "providers.NAME.options": "Only for `litellm`: a table of further arguments for it, such as `aws_region_name`; "
    "`${VARIABLE}` for the value of an environment variable.",
    "providers.NAME.tier": "How able its models are held to be: `local`, `standard` or `frontier`.",
    "providers.NAME.trace_context": "Whether the endpoint is told, by `traceparent`, `tracestate` and "
    "`baggage`, of which trace a request is: for gateways of your own.",
    "providers.NAME.auto_discover": "Whether the endpoint is asked which models it has, and what they cost.",
    "providers.NAME.models.MODEL.cache_read_sats_per_million": "The price of a million tokens in that the "
    "endpoint still had in its cache; without it that of others.",
    "providers.NAME.models.MODEL.cache_write_sats_per_million": "The price of a million tokens in that are "
    "written to the cache; without it that of others.",
    "providers.NAME.models.MODEL.reasoning_sats_per_million": "The price of a million tokens of reasoning; "
    "without it that of others out.",
    "routing.strategy": "How endpoints that may be asked are ordered: `cheapest` by expected cost, `fastest`, "
    "`balanced` by both, `round_robin`.",
    "routing.file": "A file in the shape of arbstr's (`[[providers]]`, `[policies]`), whose providers and "
    "policies count as well. A relative path begins at the project's folder.",
    "routing.file_rates_per": "For how many tokens the rates of that file are: `million`, or `1k` as arbstr counted them "
    "at first. A file with `max_sats_per_1k_output` must be told which.",
    "routing.rounds": "How often all endpoints of a model are tried before a request fails. There is a pause "
    "between two rounds only.",
    "routing.discover_seconds": "How often providers with `auto_discover` are asked for their models and "
    "prices; each process a tenth sooner or later.",
    "routing.untold_max_tokens": "The most tokens out of a request under a budget that names no limit itself, where its "
    "model has no lower one and answers to such requests were not longer.",
    "routing.stale_seconds": "How long what they said counts where they do not answer.",
    "routing.wait_seconds": "How long a request waits at most for another's probe, when all circuits are open.",
    "routing.breaker.failures": "After how many failures in a row an endpoint is left alone.",
    "routing.breaker.open_seconds": "For how long, the first time; each time in a row twice as long.",
    "routing.breaker.most_open_seconds": "The longest that an endpoint is left alone.",
    "routing.breaker.failure_rate": "The share of failures among the last 32 calls that opens a circuit as "
    "well. Without it only failures in a row count.",
    "routing.breaker.slow_seconds": "A first byte that takes longer counts as a failure. Without it none does.",
    "routing.policies.NAME.models": "The only models that the policy allows.",
    "routing.policies.NAME.providers": "The only providers that the policy allows.",
    "routing.policies.NAME.privacy": "Where data may go: `local` stays on this machine, `named` goes to "
    "`providers` only, `anyone`.",
    "routing.policies.NAME.strategy": "The strategy of the policy, in place of the general one.",
    "routing.policies.NAME.most_output_sats_per_million": "The most that a million tokens out may cost.",
    "routing.policies.NAME.most_request_sats": "The most that a request may be expected to cost.",
    "routing.policies.NAME.tier": "The highest tier that may be asked.",
    "routing.policies.NAME.keywords": "Words in the last message of the user that call for this policy where "
    "a request names none; the first policy wins.",
    "routing.policies.NAME.min_quality": "The share of the reference's quality that the model chosen for "
    "`auto` must be shown to have.",
    "routing.policies.NAME.reference": "The model that others are measured by.",
    "routing.policies.NAME.cascade": "Whether a cheap model answers `auto` first where the answer can be checked, and "
    "the next one if the check fails: `true`, or a list of models in the order in which they are asked.",
    "routing.policies.NAME.check": "A Python function, `package.module:function`, of the question and the answer that "
    "returns whether the answer will do.",
    "routing.quality.chooser": "How a model for `auto` is chosen: by the score of `complexity`, by what was `learned` of "
    "requests like it, or `auto` by whichever knows enough.",
    "routing.quality.min_quality": "`min_quality` for requests whose policy says none.",
    "routing.quality.reference": "`reference` for requests whose policy names none.",
    "routing.quality.alpha": "The greatest probability that a model which is not good enough ever serves.",
    "routing.quality.check_share": "The share of requests that the reference answers too, while a cheaper model serves.",
    "routing.quality.prove_share": "The share of requests that a cheaper model answers too, while its proof is open.",
    "routing.quality.recheck_share": "The share of requests that a model answers too which was found not good enough: it may "
    "have become better. 0 never looks again.",
    "routing.quality.judge": "Who compares two answers: a `model`, `agreement` with the reference, `validity` of the form "
    "only, or a Python function, `package.module:function`.",
    "routing.quality.judge_model": "The model that judges; without it the reference does.",
    "routing.quality.check_day_sats": "The most that checks may cost on a day (UTC).",
    "routing.quality.concurrent_checks": "How many checks are made at once.",
    "routing.quality.min_evidence": "How many judged answers to requests like it a prediction needs.",
    "routing.quality.embedder": "A Python function, `package.module:function`, of a list of texts that returns a vector (a list "
    "of numbers) for each: what requests are like. Without it words are counted.",
    "routing.quality.complexity.low": "The score below which any tier will do.",
    "routing.quality.complexity.high": "The score above which only `frontier` will do.",
    "routing.quality.complexity.extra_keywords": "Words that make a request look hard, besides the usual ones.",
    "routing.quality.complexity.weights.context_length": "The weight of the length; 0 leaves a signal out.",
    "routing.quality.complexity.weights.code_blocks": "The weight of fenced code.",
    "routing.quality.complexity.weights.multi_file": "The weight of named files.",
    "routing.quality.complexity.weights.reasoning_keywords": "The weight of words such as *refactor*.",
    "routing.quality.complexity.weights.conversation_depth": "The weight of the number of messages.",
    "routing.budgets.run_sats": "The most that a run may spend.",
    "routing.budgets.owner_sats": "The most that an owner may spend.",
    "routing.budgets.key_sats": "The most that a client's key may spend at the proxy.",
    "routing.budgets.day_sats": "The most that may be spent on a day (UTC).",
    "routing.budgets.total_sats": "The most that may be spent at all.",
    "providers.NAME.topup_sats": "Of the kind `routstr`: by how many sats the balance at the node is topped up at a "
    "time; more if one request needs more.",
    "providers.NAME.limit_sats": "Of the kind `routstr`: the most that the node may have of your money, and so the most "
    "that it can make off with.",
    "providers.NAME.mint": "Of the kind `routstr`: the mint whose coins it is paid with, one of `wallet.mints`. Without it "
    "the first of them.",
    "wallet.mints": "The mints whose ecash is taken, the usual one first. Whoever runs a mint holds the money. "
    "Needs `holdfast[ecash]`.",
    "wallet.relays": "Nostr relays (`wss://...`) that are asked for nodes by `holdfast wallet nodes`.",
    "proxy.requests_per_minute": "How many requests a minute the proxy takes from each key.",
    "providers.NAME.models.MODEL.input_sats_per_million": "The price of a million tokens in, in sats.",
    "providers.NAME.models.MODEL.output_sats_per_million": "The price of a million tokens out.",
    "providers.NAME.models.MODEL.request_sats": "What each request costs besides.",
}
"""What each setting means. A key that the code reads and that is missing here is an error."""

_TABLES = (
    "engine", "tools", "tracing", "money", "providers", "providers.NAME.timeouts", "routing", "proxy", "wallet",
    "routing.breaker", "routing.policies", "routing.budgets", "routing.quality",
    "routing.quality.complexity", "routing.quality.complexity.weights",
)  # fmt: skip
_OTHER = {
    "routing.breaker.open_seconds": "`30.0`",
    "routing.breaker.most_open_seconds": "`600.0`",
    "tools.read": '`["."]`',
    "tools.write": '`["."]`',
    "tools.hosts": "`[]`",
}


class _Recorded(dict[str, object]):
    """A table that remembers which keys were looked for."""

    def __init__(self, members: Mapping[str, object], path: str, seen: dict[str, None]) -> None:
        super().__init__(members)
        self._path, self._seen = path, seen

    def __contains__(self, key: object) -> bool:
        self._seen[f"{self._path}{key}"] = None
        return super().__contains__(key)


def setting_keys() -> list[str]:
    """Return the dotted names of every setting, found by letting the code read a file."""
    seen: dict[str, None] = {}

    def inner(path: str, **members: object) -> _Recorded:
        return _Recorded(members, path, seen)

    price = inner("providers.NAME.models.MODEL.")
    provider = inner(
        "providers.NAME.",
        base_url="https://example.com/v1",
        kind="routstr",
        models={"MODEL": price},
        timeouts=inner("providers.NAME.timeouts."),
    )
    document = inner(
        "",
        engine=inner("engine."),
        tools=inner("tools."),
        tracing=inner("tracing."),
        money=inner("money."),
        providers={"NAME": provider},
        routing=inner(
            "routing.",
            breaker=inner("routing.breaker."),
            policies={"NAME": inner("routing.policies.NAME.")},
            budgets=inner("routing.budgets."),
            quality=inner(
                "routing.quality.",
                complexity=inner(
                    "routing.quality.complexity.",
                    weights=inner("routing.quality.complexity.weights."),
                ),
            ),
        ),
        proxy=inner("proxy."),
        wallet=inner("wallet."),
    )
    found = Problems()
    load._from_file(Section(found, FILE_NAME, "", document), Path("/"), {})  # noqa: SLF001
    found.raise_all()
    return [key for key in seen if key not in _TABLES]


def settings_page() -> list[str]:
    """Return the parts of the page."""
    keys = setting_keys()
    if set(keys) != set(MEANINGS):
        raise SystemExit(f"tools/reference_settings.py: {sorted(set(keys) ^ set(MEANINGS))}")
    rows = [(code(key), _default(key), _variable(key), MEANINGS[key]) for key in keys]
    return [
        "# Settings",
        (
            f"Everything can be left out. Settings come from, the earlier one winning: the option `--store`, "
            f"the environment, `{FILE_NAME}` in the working directory or the nearest folder above it, the "
            f"defaults. The folder of `{FILE_NAME}` is the project's folder; without the file that is the "
            "working directory. An unknown key is an error, and all mistakes are shown at once."
        ),
        table(("key", "default", "environment", "meaning"), rows),
        (
            "An empty environment variable counts as not set. A relative path in `HOLDFAST_STORE` or `--store` "
            "begins at the working directory. Both the price in and the "
            "price out are given, or neither. A model without prices costs an unknown amount, never 0."
        ),
        (
            "Where a key of `providers` or `routing` says `sats`, any unit may stand: `sats`, `msats`, or the code of a "
            "currency in small letters (`input_usd_per_million`, `day_eur`); where it says `per_million`, also "
            "`per_1k`. An amount in sats must come to whole msat; one in a currency is turned into msat, rounded up, "
            "by what `[money]` says of the day on which the process starts."
        ),
        f'## An example\n\n```toml title="{FILE_NAME}"\n{_EXAMPLE}```',
    ]


_EXAMPLE = """\
model = "small"

[engine]
concurrency = 20

[tools]
read = [".", "../documents"]
hosts = ["localhost:8080"]

[providers.local]
base_url = "http://localhost:8080/v1"

[providers.local.models."small"]
input_sats_per_million = 0
output_sats_per_million = 0
"""


_ROUTING: dict[str, Any] = {
    "routing": RoutingConfig, "routing.breaker": Rules, "routing.budgets": Budgets,
    "routing.quality": QualityRules, "routing.quality.complexity": ComplexityRules,
    "routing.quality.complexity.weights": Signals,
}  # fmt: skip


def _default(key: str) -> str:
    if key in _OTHER:
        return _OTHER[key]
    if key == "store":
        return code(load._DEFAULT_STORE)  # noqa: SLF001 - nowhere else
    name = key.rpartition(".")[2]
    kind: Any = Settings
    if key.startswith("providers."):
        kind = Timeouts if ".timeouts." in key else ProviderConfig
    elif key.startswith("tracing."):
        kind = TracingSettings
    elif key.startswith("routing."):
        kind = _ROUTING.get(key.rpartition(".")[0], Policy)
    found = next((each for each in fields(kind) if each.name == name), None)
    default = MISSING if found is None else found.default
    return "" if default in (MISSING, None) else code(default)


def _variable(key: str) -> str:
    if key == "tracing.store":
        return code(load.TRACES_VARIABLE)
    name = key.rpartition(".")[2]
    general = {**load._GENERAL, **load._ENGINE}  # noqa: SLF001 - nowhere else
    known = name in general and not key.startswith(("providers.", "tracing."))
    return code(load._spell(name)) if known else ""  # noqa: SLF001
