// Ask a proxy through the client `@anthropic-ai/sdk`: address and key come as arguments, all that was seen goes out as JSON.
import Anthropic from "@anthropic-ai/sdk";

const [address, apiKey] = process.argv.slice(2);
const client = new Anthropic({ baseURL: address, apiKey, maxRetries: 0 });
const asked = { max_tokens: 50, messages: [{ role: "user", content: "Add one to two" }] };
const input_schema = { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } };
const tools = [{ name: "add", input_schema }];

async function failure(asking) {
  try {
    await asking;
  } catch (error) {
    return {
      kind: error.constructor.name, status: error.status ?? null, id: error.requestID ?? null,
      type: error.error?.error?.type ?? null, message: error.message, after: error.headers?.get("retry-after") ?? null,
    };
  }
  return null;
}

async function read(stream, began) {
  const events = [];
  for await (const event of stream) {
    if (!events.length) began?.();
    events.push(event);
  }
  return events;
}

const text = (message) => message.content.filter((each) => each.type === "text").map((each) => each.text).join("");
const uses = (message) => message.content.filter((each) => each.type === "tool_use").map((each) => [each.id, each.name, each.input]);
const told = (message) => ({
  text: text(message), uses: uses(message), stop: message.stop_reason, usage: message.usage.output_tokens,
});

const cases = {
  async whole() {
    const { data, request_id, response } = await client.messages.create({ ...asked, model: "said" }).withResponse();
    return {
      ...told(data), id: request_id, ours: response.headers.get("x-holdfast-request-id"),
      cost: response.headers.get("x-holdfast-cost-msat"),
    };
  },
  async streamed() {
    return told(await client.messages.stream({ ...asked, model: "said" }).finalMessage());
  },
  async tools() {
    const whole = await client.messages.create({ ...asked, model: "calls", tools });
    const streamed = await client.messages.stream({ ...asked, model: "calls", tools }).finalMessage();
    const results = uses(whole).map(([id]) => ({ type: "tool_result", tool_use_id: id, content: "3" }));
    const messages = [...asked.messages, { role: "assistant", content: whole.content }, { role: "user", content: results }];
    const after = await client.messages.create({ ...asked, model: "said", messages, tools });
    return { whole: told(whole), streamed: told(streamed), after: text(after) };
  },
  async unknown() {
    return failure(client.messages.create({ ...asked, model: "none" }));
  },
  async stranger() {
    return failure(client.withOptions({ apiKey: "wrong" }).messages.create({ ...asked, model: "said" }));
  },
  async limited() {
    return failure(client.messages.create({ ...asked, model: "limited" }));
  },
  async broken() {
    const stream = await client.messages.create({ ...asked, model: "broken", stream: true });
    return failure(read(stream, () => console.log("begun")));
  },
};

const seen = {};
for (const [name, run] of Object.entries(cases)) seen[name] = await run();
console.log(JSON.stringify(seen));
