// The chat page; table.js answers the rows of a file on it. It calls only the server that it came from, through OpenAI's interface.
// All text reaches the page as text nodes.

export const $ = (id) => document.getElementById(id);
const NUMBERS = ["temperature", "top_p", "max_tokens", "seed"];
const FEW = 5; // tokens: too few to measure a speed

let key = ""; // in memory alone
let models = []; // as /v1/models has them
let turns = []; // [{prompt, element, answers: [{model, text}]}]
let loading = null; // the first request for the models
let running = null; // the AbortController of what is being answered
let remembers = null; // whether earlier messages are sent, once the user has chosen
let following = true; // whether the page scrolls with the answer

// ---- the server

export async function ask(path, { body, signal } = {}) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = "application/json";
  const method = body ? "POST" : "GET";
  let reply;
  try {
    reply = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error("The server cannot be reached. Is it still running?");
  }
  if (reply.ok) return reply;
  if (reply.status === 401) {
    showKeyForm();
    throw new Error(key ? "The API key is wrong." : "The server needs an API key.");
  }
  const wait = reply.headers.get("Retry-After");
  const message = (await reply.json().catch(() => null))?.error?.message;
  const what = message || `The server answers with ${reply.status} ${reply.statusText}`.trim() + ".";
  throw new Error(wait ? `${what} Try again in ${wait} seconds.` : what);
}

// The objects of a stream of server-sent events, up to its [DONE].
async function* events(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) throw new Error("The connection was lost before the answer was complete.");
    const parts = (held + value).split(/\r?\n\r?\n/);
    held = parts.pop();
    for (const part of parts) {
      if (!part.startsWith("data:")) continue;
      const data = part.slice(5).trim();
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

// ---- models and the key

const named = (model) => `${model.id} (${model.form})`;

async function load() {
  try {
    models = (await (await ask("v1/models")).json()).data;
  } catch (error) {
    const asksForKey = !$("key-form").hidden;
    $("trouble").hidden = asksForKey;
    const where = asksForKey ? $("key-error") : $("trouble").querySelector("p");
    where.textContent = asksForKey && !key ? "" : error.message;
    say(where.textContent);
    return false;
  }
  $("trouble").hidden = true;
  for (const select of [$("model"), $("other")]) {
    const before = select.value;
    const none = [...select.options].filter((option) => !option.value);
    select.replaceChildren(...none, ...models.map((one) => new Option(named(one), one.id)));
    if (models.some(({ id }) => id === before)) select.value = before;
  }
  describe();
  return true;
}

function describe() {
  const model = models.find(({ id }) => id === $("model").value);
  if (!model) return;
  const context = model.context_length;
  const facts = [named(model)];
  if (context) facts.push(`a context of ${context.toLocaleString("en")} tokens`);
  if (model.demonstration) facts.push("a demonstration model for testing the pipeline only");
  $("remember").checked = remembers ?? model.task === "chat";
  $("about").textContent = `${facts.join(", ")}.`;
  const remarks = [model, models.find(({ id }) => id === $("other").value)];
  $("remark").textContent = remarks.find((one) => one?.remark)?.remark ?? "";
  $("remark").hidden = !$("remark").textContent;
  $("alone").hidden = models.length > 1;
  $("system").placeholder = model.system ?? "none";
  showColumns(model.columns ?? []);
  document.title = `${model.id}: chat`;
}

export function chosen() {
  return models.find(({ id }) => id === $("model").value);
}

// A box for each column of the prompt, where there are several.
function showColumns(columns) {
  const names = columns.length > 1 ? columns : [];
  const shown = [...$("columns").querySelectorAll("textarea")].map((box) => box.name);
  if (JSON.stringify(shown) === JSON.stringify(names)) return;
  const boxes = names.map((name) => {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("textarea"), { name, rows: 1, dir: "auto" });
    box.autocomplete = "off";
    label.append(name, box);
    return label;
  });
  $("columns").replaceChildren(...boxes);
  $("columns").hidden = !names.length;
  $("prompt").hidden = document.querySelector("label[for=prompt]").hidden = names.length > 0;
  if (names.length && document.activeElement === document.body) focusPrompt();
}

const boxes = () => [...$("columns").querySelectorAll("textarea")];

function focusPrompt() {
  (boxes()[0] ?? $("prompt")).focus();
}

// What a user typed, as it is sent and as it is shown; empty where there is nothing.
function typed() {
  if (!boxes().length) return { prompt: $("prompt").value, shown: $("prompt").value };
  const values = boxes().map((box) => [box.name, box.value]);
  if (!values.some(([, text]) => text.trim())) return { prompt: "", shown: "" };
  const shown = values.map(([name, text]) => `${name}: ${text}`).join("\n");
  return { prompt: JSON.stringify(Object.fromEntries(values)), shown };
}

function showKeyForm() {
  $("key-form").hidden = false;
  $("trouble").hidden = true;
  $("key").focus();
}

async function retry() {
  if (await load()) focusPrompt(); // the button is gone, and the focus would be with it
}

async function useKey(event) {
  event.preventDefault();
  key = $("key").value.trim();
  $("key-error").textContent = "";
  $("key-form").hidden = true;
  if (!(await load())) return;
  $("key").value = "";
  focusPrompt();
}

// ---- answers

async function send(event) {
  event?.preventDefault();
  await loading; // a prompt typed meanwhile is not lost
  const { prompt, shown } = typed();
  if (running || !ready()) return;
  if (!prompt.trim()) return focusPrompt();
  const element = $("turn").content.cloneNode(true).firstElementChild;
  element.querySelector(".prompt").textContent = shown;
  $("conversation").append(element);
  $("welcome").hidden = true;
  for (const box of [$("prompt"), ...boxes()]) box.value = "";
  const turn = { prompt, element, answers: [] };
  turns.push(turn);
  following = true;
  answer(turn);
}

// Whether the settings can be sent; what is wrong with them is shown.
export function ready() {
  if (!models.length) {
    ($("key-form").hidden ? $("retry") : $("key")).focus();
    return false;
  }
  if (!$("settings").checkValidity()) $("settings").querySelector("details").open = true;
  return $("settings").reportValidity();
}

// One model after the other, as on the server: so the measured time of one has no waiting in it.
async function answer(turn) {
  const mine = new AbortController();
  running = mine;
  busy();
  const chosen = [$("model").value, $("other").value].filter(Boolean);
  turn.answers = chosen.map((id, side) => {
    // decided now: a setting that is changed meanwhile does not affect the second request
    const request = { model: id, ...settings(), messages: messages(turn, side) };
    return new Answer(models.find((model) => model.id === id), request);
  });
  turn.element.querySelector(".sides").replaceChildren(...turn.answers.map(({ element }) => element));
  follow();
  for (const one of turn.answers) {
    await one.get(mine.signal);
    follow();
  }
  if (running !== mine) return; // a new conversation has begun meanwhile
  running = null;
  busy();
  say(turn.answers.map((one) => one.spoken).join(" "));
}

function settings() {
  const values = {};
  for (const name of NUMBERS) if ($(name).value !== "") values[name] = $(name).valueAsNumber;
  return values;
}

// The conversation so far: each model gets its own answers. A turn without one is left out.
function messages(turn, side) {
  const sent = [];
  if ($("system").value.trim()) sent.push({ role: "system", content: $("system").value });
  const before = $("remember").checked ? turns.slice(0, turns.indexOf(turn)) : [];
  for (const { prompt, answers } of before) {
    const { text } = answers[side] ?? answers[0];
    if (!text) continue;
    sent.push({ role: "user", content: prompt }, { role: "assistant", content: text });
  }
  return [...sent, { role: "user", content: turn.prompt }];
}

class Answer {
  constructor(model, request) {
    this.model = model;
    this.request = request;
    this.text = "";
    this.spoken = ""; // what a screen reader says at the end
    this.element = $("answer").content.cloneNode(true).firstElementChild;
    this.part = (name) => this.element.querySelector(name);
    this.part("h3").textContent = named(model);
    this.part(".numbers").textContent = "waiting …";
    this.part(".copy").setAttribute("aria-label", `Copy the answer of ${named(model)}`);
    this.part(".copy").addEventListener("click", () => copy(this));
  }

  async get(signal) {
    const node = this.part(".text").appendChild(new Text());
    const began = performance.now();
    const seconds = (until) => (until - began) / 1000;
    let [first, tokens, pieces, finish] = [null, null, 0, null];
    let trouble = "";
    try {
      const stream = { stream: true, stream_options: { include_usage: true } };
      const reply = await ask("v1/chat/completions", {
        body: { ...this.request, ...stream },
        signal,
      });
      first = performance.now();
      this.part(".numbers").textContent = "answering …";
      for await (const { choices, usage } of events(reply)) {
        tokens = usage?.completion_tokens ?? tokens;
        finish = choices[0]?.finish_reason ?? finish;
        const piece = choices[0]?.delta?.content;
        if (!piece) continue;
        pieces += 1;
        this.text += piece;
        node.appendData(piece);
        follow();
      }
    } catch (error) {
      if (signal.aborted) finish = "abort";
      else trouble = error.message;
    }
    const notes = [];
    if (finish === "abort") notes.push("stopped");
    if (finish === "length") notes.push("truncated at the maximum of tokens");
    if (first && (tokens ?? pieces)) {
      notes.unshift(measured(tokens, pieces, seconds(performance.now()), seconds(first)));
    } else if (finish === "stop") notes.unshift("an empty answer");
    this.part(".numbers").textContent = notes.join("; ");
    this.part(".error").textContent = trouble;
    this.part(".error").hidden = !trouble;
    this.part(".copy").hidden = !this.text;
    const outcome = trouble ? `Error: ${trouble}` : notes.slice(1).join("; ");
    this.spoken = `${this.model.id}: ${[this.text, outcome].filter(Boolean).join(" ") || notes[0]}`;
  }
}

// Only a complete answer comes with its number of tokens; else the pieces are counted. The speed is
// that after the first token, as everywhere; of a few tokens only that of the whole is meaningful.
function measured(tokens, pieces, whole, first) {
  const count = tokens ?? pieces;
  const enough = count > FEW;
  const rate = (enough ? count - 1 : count) / Math.max(enough ? whole - first : whole, 0.001);
  const about = tokens === null ? "about " : "";
  const words = `${count} ${count === 1 ? "token" : "tokens"} in ${whole.toFixed(2)}\u00a0s`;
  const speed = `${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s${enough ? "" : " overall"}`;
  return `${about}${speed}: ${words}, the first after ${first.toFixed(2)}\u00a0s`;
}

async function copy(answer) {
  let done = false;
  try {
    await navigator.clipboard.writeText(answer.text);
    done = true;
  } catch {
    // there is no clipboard on a page from another machine over http
    getSelection().selectAllChildren(answer.part(".text"));
    done = document.execCommand("copy");
  }
  const button = answer.part(".copy");
  button.textContent = done ? "Copied" : "Selected: press Ctrl+C";
  say(button.textContent);
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

// ---- the page

function busy() {
  const able = { send: !running, stop: running, again: !running && turns.length };
  for (const [id, yes] of Object.entries(able)) $(id).setAttribute("aria-disabled", String(!yes));
  $("conversation").setAttribute("aria-busy", String(Boolean(running)));
  if (running) say("Answering.");
}

// For screen readers, once for each event: never the pieces of an answer.
export function say(text) {
  $("status").replaceChildren(text);
}

function follow() {
  if (!following || follow.frame) return;
  follow.frame = requestAnimationFrame(() => {
    follow.frame = 0;
    if (following) scrollTo(0, document.documentElement.scrollHeight);
  });
}

function stop() {
  running?.abort();
}

function regenerate() {
  if (!running && turns.length && ready()) answer(turns.at(-1));
}

function reset() {
  stop();
  running = null;
  turns = [];
  $("conversation").replaceChildren();
  $("welcome").hidden = false;
  busy();
  say("New conversation.");
  focusPrompt();
}

$("composer").addEventListener("submit", send);
$("settings").addEventListener("submit", (event) => event.preventDefault());
$("key-form").addEventListener("submit", useKey);
$("retry").addEventListener("click", retry);
$("stop").addEventListener("click", stop);
$("again").addEventListener("click", regenerate);
$("new").addEventListener("click", reset);
$("remember").addEventListener("change", () => (remembers = $("remember").checked));
$("top_p").addEventListener("input", () => {
  // the server samples at temperature 1 where only a top p is set
  $("temperature").placeholder = $("top_p").valueAsNumber > 0 ? "1" : "0";
});
for (const id of ["model", "other"]) $(id).addEventListener("change", describe);
$("composer").addEventListener("keydown", (event) => {
  if (event.target.localName !== "textarea") return;
  const composing = event.isComposing || event.keyCode === 229; // Enter accepts a suggestion then
  if (event.key === "Enter" && !event.shiftKey && !composing) send(event);
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running && !event.isComposing) stop();
});
let height = 0;
addEventListener("scroll", () => {
  const left = document.documentElement.scrollHeight - innerHeight - scrollY;
  // the answer may have grown since the page was scrolled to its end; a user who scrolls up stays
  // there, however little it was, unless the page has only become shorter
  following = scrollY < height ? left < 2 : following || left < 60;
  height = scrollY;
});

loading = load();
