// Whose turn it is, as the page shows it. Pure: `advance(state, message)` returns the next state.
//
// Messages are the server's, and the page's own: `connecting`, `lost`, `ended`, `cancelling` (we asked the
// server to stop), `asked` and `answered` (a typed question without a voice session).

export const IDLE = Object.freeze({ phase: "idle", reply: null, cancelling: false, before: null });

/** What the state is called, and what the button does in it. */
export const WORDS = Object.freeze({
  idle: { state: "Press to talk", button: "Talk" },
  connecting: { state: "Connecting", button: "Stop" },
  reconnecting: { state: "The connection was lost. Trying again", button: "Stop" },
  listening: { state: "I'm listening", button: "Stop listening" },
  hearing: { state: "I hear you", button: "Finish" },
  thinking: { state: "Looking it up", button: "Interrupt" },
  speaking: { state: "Speaking", button: "Interrupt" },
});

export function advance(state, message) {
  const step = STEPS[message.type];
  return step === undefined ? state : { ...state, ...step(state, message) };
}

const STEPS = {
  connecting: () => ({ ...IDLE, phase: "connecting" }),
  lost: (state) => (state.phase === "reconnecting" ? {} : { phase: "reconnecting", before: state.phase }),
  ended: () => IDLE,
  asked: () => ({ ...IDLE, phase: "thinking" }),
  answered: () => IDLE,
  cancelling: () => ({ cancelling: true }),
  ready: (state, { resumed }) =>
    resumed ? { phase: state.before ?? "listening", before: null } : { ...IDLE, phase: "listening" },
  speech_started: () => ({ phase: "hearing", cancelling: false }),
  partial_transcript: () => ({ phase: "hearing" }),
  final_transcript: (state, { text }) => ({ phase: text ? "thinking" : atRest(state), cancelling: false }),
  reply_started: (_state, { reply_id: id }) => ({ phase: "thinking", reply: { id, audible: false } }),
  reply_audio_started: (state, { reply_id: id }) =>
    state.reply?.id === id ? { phase: "speaking", reply: { id, audible: true } } : {},
  flush: flushed,
  reply_finished: (state, { reply_id: id }) => (state.reply?.id === id ? withoutReply(state) : {}),
  error: (state, { turn }) => (turn == null ? {} : withoutReply(state)),
};

/** Nobody said anything after all: an interrupted reply goes on, otherwise we listen. */
function atRest({ reply }) {
  return reply?.audible ? "speaking" : "listening";
}

/** A reply taken back before it was heard means that the person goes on speaking, unless we asked for it. */
function flushed(state, { reply_id: id }) {
  if (state.reply?.id !== id || state.reply.audible || state.cancelling) return {};
  return { phase: "hearing", reply: null };
}

function withoutReply({ phase }) {
  return { reply: null, cancelling: false, phase: phase === "hearing" ? "hearing" : "listening" };
}
