// What a person does on this page, and what becomes of it: the one place that knows voice and text.

import { asProblem, needsSignIn, serverProblem } from "/shared/problems.js";
import { TalkSession } from "./talk_session.js";
import { advance, IDLE } from "./talk_state.js";

export class Talk {
  /** `onPhase(phase)`, `onLevel(0..1)`, `onProblem(problem | null)`, `onSpoken(text)` when a typed answer is whole. */
  constructor({ api, conversation, onPhase, onLevel, onProblem, onSpoken }) {
    this._api = api;
    this._conversation = conversation;
    this._on = { phase: onPhase, level: onLevel, problem: onProblem, spoken: onSpoken };
    this._state = IDLE;
    this._session = null;
    this._typed = null;
    this._chatId = null;
  }

  /** The round button and Space: talk, interrupt, or finish. */
  press() {
    const { phase } = this._state;
    if (phase === "idle") this._begin();
    else if (phase === "thinking" || phase === "speaking") this._interrupt();
    else if (phase === "listening" || phase === "hearing") this._session.finish();
    else this.stop();
  }

  /** Escape: everything off. */
  stop() {
    this._typed?.abort();
    this._session?.close();
    this._session = null;
    if (this._typed === null) this._take({ type: "ended" });
  }

  /** A typed question: aloud in a voice session, else in writing. */
  async ask(question) {
    this._on.problem(null);
    if (this._session !== null) {
      this._session.ask(question);
      return;
    }
    this._typed?.abort();
    const typed = new AbortController();
    this._typed = typed;
    this._take({ type: "asked" });
    await this._answerInWriting(question, typed);
    if (this._typed === typed) {
      this._typed = null;
      this._take({ type: "answered" });
    }
  }

  async _answerInWriting(question, typed) {
    const entry = this._conversation.begin(question);
    const show = (event) => {
      if (typed.signal.aborted) return;
      if (event.event === "done") this._chatId = event.data.session_id;
      this._conversation.applyAnswer(entry, event);
    };
    try {
      await this._api.ask(question, this._chatId, show, typed.signal);
      this._on.spoken(entry.answer);
    } catch (error) {
      if (typed.signal.aborted) {
        this._conversation.end(entry, entry.answer ? null : { code: "stopped", message: "Stopped." });
        return;
      }
      const problem = asProblem(error);
      // A conversation that the server no longer knows is begun anew with the next question.
      if (problem.code === "not_found") this._chatId = null;
      this._conversation.end(entry, problem);
      if (needsSignIn(problem)) this._on.problem(problem);
    }
  }

  _begin() {
    this._on.problem(null);
    this._session = new TalkSession({
      credential: () => this._api.socketCredential(),
      onMessage: (message) => this._take(message),
      onLevel: (level) => this._on.level(level),
      onEnd: (problem) => {
        this._session = null;
        this._take({ type: "ended" });
        if (problem !== null) this._on.problem(problem);
      },
    });
    this._session.start();
  }

  _interrupt() {
    if (this._typed !== null) {
      this._typed.abort();
      return;
    }
    this._take({ type: "cancelling" });
    this._session.interrupt();
  }

  _take(message) {
    this._conversation.apply(message);
    // A connection that is back needs no words about the one that was lost.
    if (message.type === "ready") this._on.problem(null);
    if (message.type === "error" && message.turn == null) this._on.problem(serverProblem(message));
    this._state = advance(this._state, message);
    this._on.phase(this._state.phase);
  }
}
