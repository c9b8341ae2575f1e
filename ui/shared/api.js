// The server's HTTP interface, for whoever the session says. Everything throws `Problem`.

import { asProblem, Problem, serverProblem } from "./problems.js";
import { ServerEvents } from "./server_events.js";

export class Api {
  constructor(session) {
    this._session = session;
  }

  /** Who this is and what they may do: `{kind, label, tenant, tenant_id, role, permissions}`. */
  async account() {
    return (await this._call("/api/me")).json();
  }

  /** Which engine does each job: the body of `GET /voice/status`. */
  async voiceStatus() {
    return (await this._call("/voice/status")).json();
  }

  /** All documents, oldest first. */
  async listDocuments() {
    return (await (await this._call("/api/documents")).json()).documents;
  }

  async deleteDocument(id) {
    await this._call(`/api/documents/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /** What opens one voice socket: an API key does by itself, a person gets a ticket, good once and for 30 s. */
  async socketCredential() {
    if (this._session.key !== null) return this._session.key;
    return (await (await this._call("/api/tickets", { method: "POST" })).json()).ticket;
  }

  /** Ask by text; `onEvent({event, data})` gets `citations`, `delta` and `done`. `signal` ends it early. */
  async ask(question, sessionId, onEvent, signal) {
    const body = sessionId === null ? { question } : { question, session_id: sessionId };
    const answer = await this._call("/api/chat", {
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
  async uploadDocument(file, onProgress) {
    const { status, body } = await this._session.authorized((bearer) => sendFile(file, bearer, onProgress));
    if (status < 300) return body;
    throw problemIn(body);
  }

  async _call(path, { headers = {}, ...options } = {}) {
    const answer = await this._session.authorized((bearer) =>
      fetch(path, { ...options, headers: { ...headers, authorization: `Bearer ${bearer}` } }).catch((error) => {
        throw error.name === "AbortError" ? error : asProblem(error);
      }),
    );
    if (answer.ok) return answer;
    throw problemIn(await answer.json().catch(() => null));
  }
}

function problemIn(body) {
  return serverProblem(body?.error ?? { code: "internal_error" });
}

/** Resolves to `{status, body}`; fetch could not tell how much of a body has been sent. */
function sendFile(file, bearer, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/documents/upload");
    request.setRequestHeader("authorization", `Bearer ${bearer}`);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onerror = () => reject(new Problem("server_unreachable"));
    request.onload = () => resolve({ status: request.status, body: request.response });
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}
