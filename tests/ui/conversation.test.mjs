import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation, splitHeard } from "../../ui/app/conversation.js";
import { advance, IDLE, WORDS } from "../../ui/app/talk_state.js";

const READY = { type: "ready", resumed: false };
const speech = (turn) => ({ type: "speech_started", turn, sample: 0 });
const partial = (turn, text, stable) => ({ type: "partial_transcript", turn, text, stable_characters: stable });
const final = (turn, text) => ({ type: "final_transcript", turn, text });
const reply = (id, turn) => ({ type: "reply_started", reply_id: id, turn });
const audio = (id) => ({ type: "reply_audio_started", reply_id: id });
const delta = (id, text) => ({ type: "reply_text_delta", reply_id: id, text });
const flush = (id) => ({ type: "flush", reply_id: id, heard_samples: 0 });
const finished = (id, text, heard = text) => ({
  type: "reply_finished",
  reply_id: id,
  text,
  heard_text: heard,
  cancelled: heard !== text,
});

const phasesOf = (...messages) => {
  const phases = [];
  messages.reduce((state, message) => {
    const next = advance(state, message);
    phases.push(next.phase);
    return next;
  }, IDLE);
  return phases;
};

function talk(...messages) {
  const removed = [];
  const conversation = new Conversation({ onChange: () => {}, onRemove: (entry) => removed.push(entry) });
  for (const message of messages) conversation.apply(message);
  return { entries: conversation.entries, removed, conversation };
}

test("a turn passes through every phase, and each has its words", () => {
  const phases = phasesOf(
    { type: "connecting" }, READY, speech(1), final(1, "open"), reply(1, 1), audio(1), finished(1, "Nine."), { type: "ended" },
  );
  assert.deepEqual(phases, ["connecting", "listening", "hearing", "thinking", "thinking", "speaking", "listening", "idle"]);
  for (const phase of phases) assert.ok(WORDS[phase].state && WORDS[phase].button);
});

test("a noise over the answer interrupts it, and it goes on", () => {
  const phases = phasesOf(READY, final(1, "open"), reply(1, 1), audio(1), flush(1), speech(2), final(2, ""));
  assert.deepEqual(phases.slice(-4), ["speaking", "speaking", "hearing", "speaking"]);
});

test("the end of an interrupted reply does not end the one that follows it", () => {
  const before = [READY, final(1, "open"), reply(1, 1), audio(1), flush(1), speech(2), final(2, "close"), reply(2, 2)];
  assert.equal(phasesOf(...before, finished(1, "Nine. Ten.", "Nine."), audio(2)).at(-2), "thinking");
  assert.equal(phasesOf(...before, finished(1, "Nine. Ten.", "Nine."), audio(2)).at(-1), "speaking");
});

test("a reply taken back before it is heard means hearing, one that we stopped means listening", () => {
  assert.equal(phasesOf(READY, final(1, "a"), reply(1, 1), flush(1), finished(1, "x", "")).at(-1), "hearing");
  const stopped = [READY, final(1, "a"), reply(1, 1), { type: "cancelling" }, flush(1), finished(1, "x", "")];
  assert.equal(phasesOf(...stopped).at(-1), "listening");
});

test("a lost connection that is resumed goes on where it was", () => {
  const phases = phasesOf(READY, final(1, "a"), reply(1, 1), audio(1), { type: "lost" }, { type: "lost" }, { type: "ready", resumed: true });
  assert.deepEqual(phases.slice(-3), ["reconnecting", "reconnecting", "speaking"]);
});

test("words become certain, then the answer grows with its source and times", () => {
  const { entries } = talk(
    READY, partial(1, "what time", 4), final(1, "what time"), reply(1, 1),
    { type: "citations", reply_id: 1, citations: [{ document: "hours.md" }] },
    delta(1, "Nine. "), delta(1, "Every day."), finished(1, "Nine. Every day."),
    { type: "turn_metrics", turn: 1, reply_id: 1, stages_ms: { committed: 200 }, work: {} },
  );
  assert.equal(entries.length, 1);
  const [{ question, stableCharacters, answer, cancelled, citations, timings }] = entries;
  assert.deepEqual([question, stableCharacters, answer, cancelled], ["what time", 9, "Nine. Every day.", false]);
  assert.deepEqual([citations[0].document, timings.committed], ["hours.md", 200]);
});

test("when the person goes on, the answer that was begun disappears, and its end changes nothing", () => {
  const { entries } = talk(
    final(1, "what time"), reply(1, 1), delta(1, "Wrong."), partial(1, "what time on friday", 0),
    final(1, "what time on friday"), reply(2, 1), delta(2, "Ten."), finished(1, "Wrong.", ""),
  );
  assert.equal(entries.length, 1);
  assert.deepEqual([entries[0].question, entries[0].answer, entries[0].cancelled], ["what time on friday", "Ten.", false]);
});

test("words that were none leave nothing", () => {
  const { entries, removed } = talk(partial(1, "uh", 0), final(1, ""), final(2, ""));
  assert.deepEqual([entries.length, removed.length], [0, 1]);
});

test("turns of a new session are new entries", () => {
  const { entries } = talk(READY, final(1, "one"), READY, final(1, "two"));
  assert.deepEqual(entries.map(({ question }) => question), ["one", "two"]);
});

test("an answer is split after the words that were heard", () => {
  assert.deepEqual(splitHeard("The museum  opens at nine.", "The museum opens"), ["The museum  opens ", "at nine."]);
  assert.deepEqual(splitHeard("Nine.", "Nine."), ["Nine.", ""]);
  assert.deepEqual(splitHeard("Nine.", ""), ["", "Nine."]);
});
