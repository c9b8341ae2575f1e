// What was said so far: one entry per turn, fed by the server's messages. Knows nothing of the page.
//
// An entry: `question` with its first `stableCharacters` certain, `final` once the turn is over; `answer`,
// of which `heard` was heard when it was `cancelled`; `citations`, `timings` in ms by stage, `problem`.

export class Conversation {
  /** `onChange(entry)` after each change of one, `onRemove(entry)` when nothing was said after all. */
  constructor({ onChange, onRemove }) {
    this._onChange = onChange;
    this._onRemove = onRemove;
    this.entries = [];
    this.newSession();
  }

  /** Turns and replies are counted anew; what was said stays. */
  newSession() {
    this._turns = new Map();
    this._replies = new Map();
  }

  /** Take a message of a voice session; those that say nothing about a turn are passed over. */
  apply(message) {
    if (message.type === "ready" && !message.resumed) this.newSession();
    const entry = this._entryOf(message);
    if (entry === undefined) return;
    if (message.type === "final_transcript" && message.text === "") {
      this._remove(entry);
      return;
    }
    Object.assign(entry, CHANGES[message.type](entry, message));
    if (message.type === "reply_started") this._replies.set(message.reply_id, entry);
    this._onChange(entry);
  }

  /** A typed question that no voice session answers. */
  begin(question) {
    return this._add({ question, stableCharacters: question.length, final: true });
  }

  /** An event of `POST /api/chat` for such an entry. */
  applyAnswer(entry, { event, data }) {
    if (event === "citations") entry.citations = data.citations;
    else if (event === "delta") entry.answer += data.text;
    else if (event === "done") {
      const { answer, citations, timings } = data;
      Object.assign(entry, { answer, citations, timings, finished: true });
    }
    this._onChange(entry);
  }

  /** The entry ends here: with a problem, or cut short by the person. */
  end(entry, problem) {
    Object.assign(entry, { finished: true, problem });
    this._onChange(entry);
  }

  _entryOf(message) {
    if (!(message.type in CHANGES)) return undefined;
    if (message.turn == null || message.type === "turn_metrics") return this._replies.get(message.reply_id);
    const known = this._turns.get(message.turn);
    if (known !== undefined || (message.type === "final_transcript" && message.text === "")) return known;
    const entry = this._add({});
    this._turns.set(message.turn, entry);
    return entry;
  }

  _add(fields) {
    const entry = { ...EMPTY, ...fields };
    this.entries.push(entry);
    this._onChange(entry);
    return entry;
  }

  _remove(entry) {
    this.entries.splice(this.entries.indexOf(entry), 1);
    for (const [turn, known] of this._turns) if (known === entry) this._turns.delete(turn);
    this._onRemove(entry);
  }
}

const EMPTY = Object.freeze({
  question: "",
  stableCharacters: 0,
  final: false,
  replyId: null,
  answer: "",
  heard: "",
  cancelled: false,
  finished: false,
  citations: [],
  timings: null,
  problem: null,
});

const NO_ANSWER = { replyId: null, answer: "", heard: "", cancelled: false, finished: false, citations: [] };

const CHANGES = {
  // Words after the turn seemed over: the answer that was begun is taken back.
  partial_transcript: (_entry, { text, stable_characters: stableCharacters }) => ({
    ...NO_ANSWER,
    question: text,
    stableCharacters,
    final: false,
  }),
  final_transcript: (_entry, { text }) => ({ question: text, stableCharacters: text.length, final: true }),
  reply_started: (_entry, { reply_id: replyId }) => ({ ...NO_ANSWER, replyId }),
  reply_text_delta: (entry, { reply_id: id, text }) => current(entry, id, { answer: entry.answer + text }),
  citations: (entry, { reply_id: id, citations }) => current(entry, id, { citations }),
  reply_finished: (entry, { reply_id: id, text, heard_text: heard, cancelled }) =>
    current(entry, id, { answer: text, heard, cancelled, finished: true }),
  turn_metrics: (entry, { reply_id: id, stages_ms: timings }) => current(entry, id, { timings }),
  error: (_entry, { code, message }) => ({ finished: true, problem: { code, message } }),
};

/** A change that an earlier reply of the same turn must not make. */
function current(entry, replyId, change) {
  return entry.replyId === replyId ? change : {};
}

/** Split an answer after the words that were heard; white space is not compared, the server joins its own. */
export function splitHeard(answer, heard) {
  const words = heard.split(/\s+/).filter(Boolean).length;
  const found = [...answer.matchAll(/\S+/g)];
  if (words === 0) return ["", answer];
  if (words >= found.length) return [answer, ""];
  return [answer.slice(0, found[words].index), answer.slice(found[words].index)];
}
