// Ask a proxy through the client `openai`: address and key come as arguments, all that was seen goes out as JSON.
import OpenAI from "openai";

const [address, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "Add one to two" }];
const parameters = { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } };
const tools = [{ type: "function", function: { name: "add", parameters } }];

async function failure(asking) {
  try {
    await asking;
  } catch (error) {
    return {
      kind: error.constructor.name, status: error.status, id: error.requestID ?? null,
      type: error.type ?? null, message: error.message, after: error.headers?.get("retry-after") ?? null,
    };
  }
  return null;
}

async function read(stream, began) {
  const chunks = [];
  for await (const chunk of stream) {
    if (!chunks.length) began?.();
    chunks.push(chunk);
  }
  return chunks;
}

const calls = (message) => message.tool_calls.map((each) => [each.id, each.function.name, each.function.arguments]);

const cases = {
  async whole() {
    const { data, request_id, response } = await client.chat.completions.create({ model: "said", messages }).withResponse();
    return {
      text: data.choices[0].message.content, finish: data.choices[0].finish_reason, usage: data.usage.total_tokens,
      id: request_id, ours: response.headers.get("x-holdfast-request-id"), cost: response.headers.get("x-holdfast-cost-msat"),
    };
  },
  async streamed() {
    const chunks = await read(await client.chat.completions.create({
      model: "said", messages, stream: true, stream_options: { include_usage: true },
    }));
    return {
      text: chunks.map((each) => each.choices[0]?.delta?.content ?? "").join(""),
      usage: chunks.filter((each) => each.usage && !each.choices.length).map((each) => each.usage.total_tokens),
      cost: chunks.at(-1).holdfast?.cost_msat,
    };
  },
  async tools() {
    const whole = await client.chat.completions.create({ model: "calls", messages, tools });
    const streamed = await client.chat.completions.stream({ model: "calls", messages, tools }).finalChatCompletion();
    const [{ message }] = whole.choices;
    const answers = message.tool_calls.map((each) => ({ role: "tool", tool_call_id: each.id, content: "3" }));
    const after = await client.chat.completions.create({ model: "said", messages: [...messages, message, ...answers], tools });
    return {
      whole: calls(message), streamed: calls(streamed.choices[0].message), after: after.choices[0].message.content,
      finish: [whole.choices[0].finish_reason, streamed.choices[0].finish_reason],
    };
  },
  async responses() {
    const asked = { model: "calls", input: "Add", store: false, tools: [{ type: "function", name: "add", parameters, strict: false }] };
    const whole = await client.responses.create(asked);
    const streamed = await client.responses.stream(asked).finalResponse();
    return [whole, streamed].map((each) => ({
      status: each.status, text: each.output_text, usage: each.usage.total_tokens,
      calls: each.output.filter((item) => item.type === "function_call").map((item) => [item.call_id, item.name, item.arguments]),
    }));
  },
  async models() {
    return (await read(client.models.list())).map((each) => each.id);
  },
  async unknown() {
    return failure(client.chat.completions.create({ model: "none", messages }));
  },
  async stranger() {
    return failure(client.withOptions({ apiKey: "wrong" }).models.list());
  },
  async limited() {
    return failure(client.chat.completions.create({ model: "limited", messages }));
  },
  async broken() {
    const stream = await client.chat.completions.create({ model: "broken", messages, stream: true });
    return failure(read(stream, () => console.log("begun")));
  },
};

const seen = {};
for (const [name, run] of Object.entries(cases)) seen[name] = await run();
console.log(JSON.stringify(seen));
