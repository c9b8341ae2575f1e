// The server's HTTP interface. Everything throws `Problem`.

import { currentKey } from "./key.js";
import { asProblem, Problem, serverProblem } from "./problems.js";
import { ServerEvents } from "./server_events.js";

/** Which engine does each job: the body of `GET /voice/status`. */
export async function voiceStatus() {
  return (await call("/voice/status")).json();
}

/** All documents, oldest first. */
export async function listDocuments() {
  return (await (await call("/api/documents")).json()).documents;
}

export async function deleteDocument(id) {
  await call(`/api/documents/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** Ask by text; `onEvent({event, data})` gets `citations`, `delta` and `done`. `signal` ends it early. */
export async function ask(question, sessionId, onEvent, signal) {
  const body = sessionId === null ? { question } : { question, session_id: sessionId };
  const answer = await call("/api/chat", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify(body),
    signal,
  });
  const events = new ServerEvents();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const event of events.push(value)) {
      if (event.event === "error") throw serverProblem(event.data);
      onEvent(event);
    }
  }
}

/** Upload one file; `onProgress` gets the share sent, 0..1. Resolves to the document's record. */
export function uploadDocument(file, onProgress) {
  return new Promise((resolve, reject) => {
    // fetch cannot tell how much of a body has been sent.
    const request = new XMLHttpRequest();
    request.open("POST", "/api/documents/upload");
    request.setRequestHeader("authorization", `Bearer ${requireKey()}`);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onerror = () => reject(new Problem("server_unreachable"));
    request.onload = () => {
      if (request.status < 300) resolve(request.response);
      else reject(serverProblem(request.response?.error ?? { code: "internal_error" }));
    };
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}

function requireKey() {
  const key = currentKey();
  if (key === null) throw new Problem("key_missing");
  return key;
}

async function call(path, { headers = {}, ...options } = {}) {
  const authorization = `Bearer ${requireKey()}`;
  const answer = await fetch(path, { ...options, headers: { ...headers, authorization } }).catch((error) => {
    throw error.name === "AbortError" ? error : asProblem(error);
  });
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({ error: { code: "internal_error" } }));
  throw serverProblem(error);
}
