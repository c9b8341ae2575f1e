// One voice session over as many sockets as it takes: after a dropped connection it resumes, sends again
// the audio that the server has not accepted, and asks for the messages it has missed.

import { asProblem, Problem, serverProblem } from "./problems.js";
import { SentAudio } from "./sent_audio.js";
import { parseAudio, parseMessage, startMessage } from "./voice_messages.js";

const OPEN = 1;
const NORMAL = 1000;
const REPLACED = 4409;
/** Closes after which the session waits for us: dropped, server going away or restarting, we were slow. */
const RESUMABLE = new Set([1001, 1006, 1012, 4504]);
const RETRY_MS = [100, 250, 500, 1000, 2000];
/** Speech kept while the first connection is made; the server takes 5 s at once. */
const OPENING_S = 3;

export class VoiceConnection {
  /**
   * `credential()` resolves to what `start` carries as `key`, anew for every socket: tickets work once.
   * `onMessage(message)` gets the server's messages, `onAudio({replyId, firstSample, pcm})` its audio,
   * `onState("connecting" | "open" | "reconnecting")` the connection's state and `onEnd(problem | null)` the
   * end of the session, once. `openSocket`, `later` and `now_ms` are the browser's, replaced in tests.
   */
  constructor({ url, credential, sampleRateHz, outputSampleRateHz, onMessage, onAudio, onState, onEnd, ...browser }) {
    this._url = url;
    this._credential = credential;
    this._greeting = { sampleRateHz, outputSampleRateHz };
    this._on = { message: onMessage, audio: onAudio, state: onState, end: onEnd };
    this._openSocket = browser.openSocket ?? ((address) => new WebSocket(address));
    this._later = browser.later ?? ((work, delay_ms) => setTimeout(work, delay_ms));
    this._now_ms = browser.now_ms ?? (() => performance.now());
    this._sent = new SentAudio(OPENING_S * sampleRateHz);
    this._session = null;
    this._outbox = [];
    this._ready = false;
    this._ended = false;
    this._problem = null;
    this._attempts = 0;
    this._lostAt_ms = 0;
  }

  open() {
    this._on.state("connecting");
    this._connect();
  }

  /** A frame of the microphone. While there is no connection it is kept for the next. */
  sendAudio(pcm) {
    if (this._ended) return;
    this._sent.add(pcm);
    if (this._writable) this._socket.send(pcm);
  }

  /** A question or a command; waits for the connection. */
  send(message) {
    if (this._ended) return;
    if (this._writable) this._socket.send(JSON.stringify(message));
    else this._outbox.push(message);
  }

  /** A report of playback: means nothing to a later connection, so it never waits. */
  report(replyId, samples) {
    if (this._writable) this.send({ type: "played", reply_id: replyId, samples });
  }

  /** Say goodbye: the session ends at once. `onEnd` is not called. */
  close() {
    this._ended = true;
    this._ready = false;
    this._socket?.close(NORMAL);
  }

  /** A socket that the server has begun to close takes nothing more, before we are told that it is closed. */
  get _writable() {
    return this._ready && this._socket.readyState === OPEN;
  }

  async _connect() {
    let key;
    try {
      key = await this._credential();
    } catch (error) {
      if (!this._ended) this._notAdmitted(asProblem(error));
      return;
    }
    if (this._ended) return;
    const socket = this._openSocket(this._url);
    socket.binaryType = "arraybuffer";
    this._socket = socket;
    const current = (handler) => (event) => {
      if (socket === this._socket && !this._ended) handler(event);
    };
    socket.onopen = current(() => socket.send(JSON.stringify(startMessage(this._start(key)))));
    socket.onmessage = current(({ data }) => this._receive(data));
    socket.onclose = current(({ code }) => this._closed(code));
  }

  _start(key) {
    const { _session: session } = this;
    const resume = session && {
      token: session.token,
      fromSample: this._sent.first,
      lastSequence: session.lastSequence,
    };
    return { ...this._greeting, key, session: resume };
  }

  _receive(data) {
    if (typeof data !== "string") {
      const audio = parseAudio(data);
      if (audio !== null) this._on.audio(audio);
      return;
    }
    const message = parseMessage(data);
    if (message === null) return;
    if (message.type === "ready") this._begin(message);
    else if (this._session !== null) this._session.lastSequence = message.sequence;
    if (message.type === "accepted") this._sent.accepted(message.samples);
    if (message.type === "error" && message.turn == null) this._problem = serverProblem(message);
    this._on.message(message);
  }

  _begin(ready) {
    const { resume: token, resume_s: resumeS, sequence: lastSequence } = ready;
    if (!ready.resumed) this._sent.restart();
    this._session = { token, resumeS, lastSequence };
    this._sent.mostSamples = (resumeS + 2) * this._greeting.sampleRateHz;
    this._attempts = 0;
    this._problem = null;
    this._ready = true;
    for (const pcm of this._sent.frames) this._socket.send(pcm);
    for (const message of this._outbox.splice(0)) this.send(message);
    this._on.state("open");
  }

  _closed(code) {
    const wasReady = this._ready;
    this._ready = false;
    if (this._session !== null && this._problem?.code === "not_resumable") {
      // The server no longer knows the session: what is said from here on begins a new one.
      this._session = null;
      this._problem = null;
      this._sent.mostSamples = OPENING_S * this._greeting.sampleRateHz;
      this._connect();
    } else if (this._session !== null && RESUMABLE.has(code)) {
      if (wasReady) this._lostAt_ms = this._now_ms();
      this._tryAgain();
    } else {
      this._end(code === NORMAL ? null : this._reason(code));
    }
  }

  /** No credential could be had: a server that is away may come back, one that refuses has spoken. */
  _notAdmitted(problem) {
    const away = problem.code === "server_unreachable" || problem.retryable;
    if (this._session !== null && away) this._tryAgain();
    else this._end(problem);
  }

  _tryAgain() {
    if (this._now_ms() - this._lostAt_ms > this._session.resumeS * 1000) {
      this._end(new Problem("connection_lost"));
      return;
    }
    this._on.state("reconnecting");
    const delay_ms = RETRY_MS[Math.min(this._attempts, RETRY_MS.length - 1)];
    this._attempts += 1;
    this._later(() => this._ended || this._connect(), delay_ms);
  }

  _reason(code) {
    if (code === REPLACED) return new Problem("replaced");
    return this._problem ?? new Problem(this._session === null ? "server_unreachable" : "connection_lost");
  }

  _end(problem) {
    this._ended = true;
    this._on.end(problem);
  }
}
