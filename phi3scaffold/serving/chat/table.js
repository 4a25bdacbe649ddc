// The rows of a CSV file, answered one after the other by this server alone; then to download.

import { $, ask, chosen, ready, say } from "./chat.js";

const SHOWN = 200; // rows of the table on the page
const LONGEST = 20 << 20; // bytes of a file
const NEW = ["answer", "probability", "runner_up", "runner_up_probability", "error"];

let table = null; // {name, delimiter, mark, header, rows}: rows of {cells, text, answer, ...}
let answering = null; // the AbortController of the run
let filter = null; // the answer whose rows are shown; null: all

// ---- the file

function decode(buffer) {
  const bytes = new Uint8Array(buffer);
  const wide = { "255,254": "utf-16le", "254,255": "utf-16be" }[bytes.subarray(0, 2).join()];
  if (wide) return new TextDecoder(wide).decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

// The cells of each record; quotes as RFC 4180 has them.
function parse(text, delimiter) {
  const records = [];
  let [record, cell, quoted] = [[], "", false];
  const endRecord = () => {
    record.push(cell);
    if (record.some((one) => one)) records.push(record);
    [record, cell] = [[], ""];
  };
  for (let at = 0; at < text.length; at += 1) {
    const mark = text[at];
    if (quoted) {
      if (mark !== '"') cell += mark;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else quoted = false;
    } else if (mark === '"' && !cell) quoted = true;
    else if (mark === delimiter) {
      record.push(cell);
      cell = "";
    } else if (mark === "\n" || mark === "\r") {
      if (mark === "\r" && text[at + 1] === "\n") at += 1;
      endRecord();
    } else cell += mark;
  }
  if (quoted) throw new Error("A quote is opened and never closed.");
  if (cell || record.length) endRecord();
  return records;
}

function read(name, text) {
  const line = text.split(/[\r\n]/, 1)[0];
  const excel = /^"?sep=([\t,;|])"?$/i.exec(line);
  const marks = [..."\t,;|"].map((mark) => [line.split(mark).length, mark]);
  const delimiter = excel?.[1] ?? marks.sort((a, b) => b[0] - a[0])[0][1];
  const [header, ...records] = parse(excel ? text.slice(line.length) : text, delimiter);
  if (!records.length) throw new Error("The file has no rows below its header.");
  const names = header.map((one) => one.trim());
  const columns = chosen().columns;
  let places = columns.map((column) => names.indexOf(column));
  if (columns.length === 1 && names.length === 1) places = [0];
  const missing = columns.filter((_, n) => places[n] < 0);
  if (missing.length) {
    throw new Error(`The file has no column ${missing.join(", ")}; it has: ${names.join(", ")}.`);
  }
  const rows = records.map((cells) => {
    const values = places.map((place) => cells[place] ?? "");
    const pairs = columns.map((column, n) => [column, values[n]]);
    const content = columns.length > 1 ? JSON.stringify(Object.fromEntries(pairs)) : values[0];
    return { cells, content, text: values.join(" | ") };
  });
  return { name, delimiter, header, rows };
}

async function open(file) {
  if (!ready()) return;
  answering?.abort();
  [table, filter] = [null, null];
  $("table").hidden = false;
  $("table-name").textContent = file.name;
  for (const id of ["table-error", "table-state", "more"]) $(id).textContent = "";
  try {
    if (file.size > LONGEST) throw new Error("The file is larger than 20 MiB: use infer --input.");
    table = read(file.name, decode(await file.arrayBuffer()));
  } catch (error) {
    show();
    return fail(error);
  }
  show();
  $("table").scrollIntoView({ block: "start" });
  answerAll(table, chosen());
}

// ---- answers

async function answerAll(mine, model) {
  const run = new AbortController();
  answering = run;
  const began = performance.now();
  let done = 0;
  for (const row of mine.rows) {
    const left = ((performance.now() - began) / Math.max(1, done)) * (mine.rows.length - done);
    const wait = done ? `, ${duration(left / 1000)} left` : "";
    $("table-state").textContent = `${done} of ${mine.rows.length} rows answered${wait}`;
    try {
      Object.assign(row, await answer(row.content, model, run.signal));
    } catch (error) {
      if (run.signal.aborted) break;
      row.error = error.message;
      if (/reached|API key/.test(error.message)) {
        row.error = undefined;
        fail(error);
        break;
      }
    }
    if (table !== mine) return; // another file has been dropped meanwhile
    done += 1;
    add(row);
  }
  if (answering !== run) return;
  answering = null;
  const failed = mine.rows.filter((row) => row.error).length;
  const errors = failed ? `; ${failed} could not be` : "";
  $("table-state").textContent = `${done - failed} of ${mine.rows.length} rows answered${errors}`;
  say($("table-state").textContent);
  controls();
}

async function answer(content, model, signal) {
  const body = { model: model.id, messages: [{ role: "user", content }] };
  if (model.labels?.length) body.logprobs = true;
  const reply = await ask("v1/chat/completions", { body, signal });
  const [choice] = (await reply.json()).choices;
  const text = choice.message.content;
  const labels = choice.logprobs?.labels ?? [];
  const other = labels.find(({ label }) => label !== text.trim());
  return {
    answer: text,
    probability: labels.find(({ label }) => label === text.trim())?.probability,
    runner_up: other?.label,
    runner_up_probability: other?.probability,
  };
}

const duration = (seconds) =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;

// ---- the page

const percent = (value) => (value === undefined ? "" : `${(100 * value).toFixed(1)}\u00a0%`);
const kind = (row) => row.answer ?? "(no answer)";
const finished = () => table?.rows.filter((row) => row.answer !== undefined || row.error) ?? [];

function fail(error) {
  $("table-error").textContent = error.message;
  say(error.message);
  controls();
}

function line(row) {
  const element = document.createElement("tr");
  const next = row.runner_up ? `${row.runner_up} ${percent(row.runner_up_probability)}` : "";
  const cells = [table.rows.indexOf(row) + 1, row.text, row.error ?? row.answer, percent(row.probability), next];
  element.append(
    ...cells.map((text, place) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      cell.dir = "auto";
      if (place === 3) cell.className = "number";
      if (place === 2 && row.error) cell.className = "error";
      return cell;
    }),
  );
  return element;
}

function add(row) {
  const shown = filter === null || kind(row) === filter;
  if (shown && $("rows").rows.length < SHOWN) $("rows").append(line(row));
  counts();
}

function show() {
  const rows = finished().filter((row) => filter === null || kind(row) === filter);
  $("rows").replaceChildren(...rows.slice(0, SHOWN).map(line));
  counts();
  controls();
}

// A button for each answer, while there are few different ones, to see only its rows.
function counts() {
  const numbers = new Map(chosen()?.labels?.map((label) => [label, 0]));
  for (const row of finished()) numbers.set(kind(row), (numbers.get(kind(row)) ?? 0) + 1);
  const total = finished().length;
  const few = numbers.size <= 30 ? [...numbers] : [];
  const wanted = [[null, "all", total], ...few.map(([name, count]) => [name, name, count])];
  const before = [...$("filters").children];
  wanted.forEach(([value, name, count], place) => {
    const button = before[place] ?? $("filters").appendChild(document.createElement("button"));
    button.type = "button";
    button.textContent = `${name} ${count}`;
    button.ariaPressed = String(filter === value);
    button.onclick = () => {
      filter = value;
      show();
    };
  });
  before.slice(wanted.length).forEach((button) => button.remove());
  const hidden = (filter === null ? total : (numbers.get(filter) ?? 0)) - $("rows").rows.length;
  $("more").textContent = hidden > 0 ? `${hidden} more rows are in the download.` : "";
}

function controls() {
  $("halt").hidden = !answering;
  $("save").hidden = !table;
}

// ---- the download

// A spreadsheet would run an answer that begins like a formula; infer --output does the same.
function harmless(text) {
  const runs = /^[=+@\t\r-]/.test(text) && !/^[+-]?[\d.,]+(e[+-]?\d+)?\s*%?$/i.test(text);
  return runs ? `'${text}` : text;
}

function save() {
  const free = NEW.map((name) => (table.header.includes(name) ? `model_${name}` : name));
  const used = NEW.map((name) => table.rows.some((row) => row[name] !== undefined) || name === "answer");
  const chosenOf = (values) => values.filter((_, place) => used[place]);
  const written = (value) => (typeof value === "number" ? value.toFixed(4) : harmless(value ?? ""));
  const width = table.header.length;
  const records = [
    [...table.header, ...chosenOf(free)],
    ...table.rows.map((row) => [
      ...Array.from({ length: Math.max(width, row.cells.length) }, (_, n) => row.cells[n] ?? ""),
      ...chosenOf(NEW.map((name) => written(row[name]))),
    ]),
  ];
  const special = new RegExp(`["\\r\\n${table.delimiter === "|" ? "\\|" : table.delimiter}]`);
  const cell = (text) => (special.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const text = records.map((one) => one.map(cell).join(table.delimiter)).join("\r\n");
  // with the mark that tells spreadsheets that it is UTF-8
  const url = URL.createObjectURL(new Blob(["\ufeff", text, "\r\n"], { type: "text/csv" }));
  const name = table.name.replace(/(\.\w+)?$/, "-answered.csv");
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function close() {
  answering?.abort();
  [table, answering] = [null, null];
  $("table").hidden = true;
}

$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (file) open(file);
  $("file").value = ""; // the same file can be chosen again
});
$("save").addEventListener("click", save);
$("halt").addEventListener("click", () => answering?.abort());
$("close").addEventListener("click", close);
for (const name of ["dragover", "drop"]) {
  addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (name === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
}
