// A voice session of this page: microphone, connection and loudspeaker together.

import { listenTo, release, requestMicrophone } from "/shared/microphone.js";
import { openAudioContext, openLoudspeaker } from "/shared/loudspeaker.js";
import { loudness } from "/shared/pcm16.js";
import { asProblem, Problem } from "/shared/problems.js";
import { VoiceConnection } from "/shared/voice_connection.js";
import { VOICE_PATH } from "/shared/voice_messages.js";

export class TalkSession {
  /**
   * `credential()` resolves to what opens one socket. `onMessage` gets the server's messages and `connecting` and `lost`, `onLevel` the loudness of the
   * microphone 0..1 for each frame, `onEnd(problem | null)` the end, once, unless `close` was called.
   */
  constructor({ credential, onMessage, onLevel, onEnd }) {
    this._credential = credential;
    this._onMessage = onMessage;
    this._onLevel = onLevel;
    this._onEnd = onEnd;
    this._over = false;
    this._cleanUp = [];
  }

  /** Begin; call it from a click or a key, or the browser keeps the loudspeaker silent. */
  async start() {
    this._onMessage({ type: "connecting" });
    try {
      await this._open();
    } catch (error) {
      this._end(asProblem(error));
    }
  }

  /** A typed question, answered aloud. */
  ask(text) {
    this._connection?.send({ type: "text", text });
  }

  /** Stop the running reply and listen. */
  interrupt() {
    this._connection?.send({ type: "cancel" });
  }

  /** The microphone goes off; what was said is still answered. */
  finish() {
    this._stopListening?.();
    this._stopListening = null;
    this._connection?.send({ type: "stop" });
  }

  /** Everything off, now. */
  close() {
    this._over = true;
    for (const step of this._cleanUp.splice(0).reverse()) step();
  }

  async _open() {
    const stream = await requestMicrophone();
    if (!this._keep(() => release(stream))) return;
    const context = openAudioContext();
    if (!this._keep(() => context.close())) return;
    await context.resume();
    const loudspeaker = await openLoudspeaker(context, (replyId, samples) => {
      this._connection.report(replyId, samples);
    });
    if (!this._keep(() => loudspeaker.close())) return;
    this._connection = this._connect(context.sampleRate, loudspeaker);
    this._keep(() => this._connection.close());
    const hear = (pcm) => {
      this._connection.sendAudio(pcm);
      this._onLevel(loudness(pcm));
    };
    this._stopListening = await listenTo(context, stream, hear, () => {
      this._end(new Problem("microphone_lost"));
    });
    if (this._keep(() => this._stopListening?.())) this._connection.open();
  }

  _connect(sampleRateHz, loudspeaker) {
    return new VoiceConnection({
      url: `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${VOICE_PATH}`,
      credential: this._credential,
      sampleRateHz,
      outputSampleRateHz: sampleRateHz,
      onAudio: (audio) => loudspeaker.play(audio),
      onMessage: (message) => {
        if (message.type === "flush") loudspeaker.flush(message.reply_id);
        if (message.type === "ready" && !message.resumed) loudspeaker.reset();
        this._onMessage(message);
      },
      onState: (state) => {
        if (state === "reconnecting") this._onMessage({ type: "lost" });
      },
      onEnd: (problem) => this._end(problem),
    });
  }

  /** Remember how to undo a step; false, and undone at once, when the session is over already. */
  _keep(undo) {
    if (this._over) undo();
    else this._cleanUp.push(undo);
    return !this._over;
  }

  _end(problem) {
    if (this._over) return;
    this.close();
    this._onEnd(problem);
  }
}
