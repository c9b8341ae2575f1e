import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../ui/shared/problems.js";
import { VoiceConnection } from "../../ui/shared/voice_connection.js";

const RATE_HZ = 8000;
const FRAME = RATE_HZ / 50;

/** Lets what waits for a promise go on. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function setUp({ credential = async () => "aura_key" } = {}) {
  const sockets = [];
  const waiting = [];
  const seen = { messages: [], audio: [], states: [], ends: [] };
  const clock = { now_ms: 0 };
  const connection = new VoiceConnection({
    url: "ws://here/ws",
    credential,
    sampleRateHz: RATE_HZ,
    outputSampleRateHz: RATE_HZ,
    onMessage: (message) => seen.messages.push(message.type),
    onAudio: (audio) => seen.audio.push(audio),
    onState: (state) => seen.states.push(state),
    onEnd: (problem) => seen.ends.push(problem?.code ?? null),
    openSocket: () => {
      const socket = { readyState: 1, sent: [], closed: null, send: (data) => socket.sent.push(data), close: (code) => (socket.closed = code) };
      sockets.push(socket);
      return socket;
    },
    later: (work, delay_ms) => waiting.push({ work, delay_ms }),
    now_ms: () => clock.now_ms,
  });
  connection.open();
  await turn();
  return { connection, sockets, waiting, seen, clock };
}

const tell = (socket, message) => socket.onmessage({ data: JSON.stringify(message) });
const ready = (fields = {}) => ({ type: "ready", sequence: 1, resume: "token", resume_s: 30, resumed: false, ...fields });
const frame = (value) => new Int16Array(FRAME).fill(value);
const started = (socket) => JSON.parse(socket.sent[0]);
const audioOf = (socket) => socket.sent.filter((data) => typeof data !== "string").map((pcm) => pcm[0]);

test("speech from before the connection is sent once it is there, after `start`", async () => {
  const { connection, sockets, seen } = await setUp();
  connection.sendAudio(frame(7));
  connection.send({ type: "text", text: "hello" });
  sockets[0].onopen();
  assert.deepEqual(started(sockets[0]), {
    type: "start",
    key: "aura_key",
    sample_rate_hz: RATE_HZ,
    output_sample_rate_hz: RATE_HZ,
  });
  assert.equal(sockets[0].sent.length, 1);
  tell(sockets[0], ready());
  assert.deepEqual(audioOf(sockets[0]), [7]);
  assert.equal(JSON.parse(sockets[0].sent[2]).text, "hello");
  assert.deepEqual(seen.states, ["connecting", "open"]);
});

test("a dropped connection is resumed with the audio that was not accepted", async () => {
  const { connection, sockets, waiting, seen } = await setUp();
  sockets[0].onopen();
  tell(sockets[0], ready());
  for (let number = 1; number <= 4; number += 1) connection.sendAudio(frame(number));
  tell(sockets[0], { type: "accepted", sequence: 2, samples: 2 * FRAME + 5 });
  tell(sockets[0], { type: "partial_transcript", sequence: 3, turn: 1, text: "", stable_characters: 0 });
  sockets[0].onclose({ code: 1006 });
  connection.sendAudio(frame(5));
  assert.deepEqual(seen.states, ["connecting", "open", "reconnecting"]);
  waiting.shift().work();
  await turn();

  sockets[1].onopen();
  const { resume, from_sample: fromSample, last_sequence: lastSequence } = started(sockets[1]);
  assert.deepEqual([resume, fromSample, lastSequence], ["token", 2 * FRAME, 3]);
  tell(sockets[1], ready({ sequence: 3, resumed: true, resume: "token" }));
  assert.deepEqual(audioOf(sockets[1]), [3, 4, 5]);
  assert.deepEqual(seen.ends, []);
});

test("late messages of the dropped connection are not heard", async () => {
  const { sockets, waiting, seen } = await setUp();
  sockets[0].onopen();
  tell(sockets[0], ready());
  sockets[0].onclose({ code: 1006 });
  waiting.shift().work();
  await turn();
  tell(sockets[0], { type: "flush", sequence: 9, reply_id: 1, heard_samples: 0 });
  assert.deepEqual(seen.messages, ["ready"]);
});

test("a session that the server has forgotten begins anew", async () => {
  const { connection, sockets, waiting, seen } = await setUp();
  sockets[0].onopen();
  tell(sockets[0], ready());
  connection.sendAudio(frame(1));
  sockets[0].onclose({ code: 1012 });
  waiting.shift().work();
  await turn();
  sockets[1].onopen();
  tell(sockets[1], { type: "error", sequence: 1, code: "not_resumable", message: "gone", retryable: false });
  sockets[1].onclose({ code: 4404 });
  await turn();
  sockets[2].onopen();
  assert.equal(started(sockets[2]).resume, undefined);
  tell(sockets[2], ready({ resume: "other" }));
  assert.deepEqual(audioOf(sockets[2]), [1]);
  assert.deepEqual(seen.ends, []);
});

test("after the time a session waits, the connection is given up", async () => {
  const { sockets, waiting, seen, clock } = await setUp();
  sockets[0].onopen();
  tell(sockets[0], ready({ resume_s: 3 }));
  sockets[0].onclose({ code: 1006 });
  for (let attempt = 1; waiting.length > 0; attempt += 1) {
    const { work, delay_ms } = waiting.shift();
    clock.now_ms += delay_ms;
    work();
    await turn();
    sockets[attempt].onclose({ code: 1006 });
  }
  assert.deepEqual(seen.ends, ["connection_lost"]);
  assert.ok(sockets.length >= 5);
});

test("a refusal is told in the server's words, and a server that is not there by our own", async () => {
  const refused = await setUp();
  refused.sockets[0].onopen();
  tell(refused.sockets[0], { type: "error", sequence: 1, code: "authentication_failed", message: "no", retryable: false });
  refused.sockets[0].onclose({ code: 4401 });
  assert.deepEqual(refused.seen.ends, ["authentication_failed"]);

  const absent = await setUp();
  absent.sockets[0].onclose({ code: 1006 });
  assert.deepEqual(absent.seen.ends, ["server_unreachable"]);
});

test("goodbye closes with 1000 and is the end", async () => {
  const { connection, sockets, seen } = await setUp();
  sockets[0].onopen();
  tell(sockets[0], ready());
  connection.close();
  assert.equal(sockets[0].closed, 1000);
  sockets[0].onclose({ code: 1000 });
  connection.sendAudio(frame(1));
  assert.deepEqual([seen.ends, audioOf(sockets[0])], [[], []]);
});

test("every socket gets a credential of its own, because tickets work once", async () => {
  let issued = 0;
  const { sockets, waiting } = await setUp({ credential: async () => `ticket${(issued += 1)}` });
  sockets[0].onopen();
  tell(sockets[0], ready());
  sockets[0].onclose({ code: 1006 });
  waiting.shift().work();
  await turn();
  sockets[1].onopen();
  assert.deepEqual(sockets.map((socket) => started(socket).key), ["ticket1", "ticket2"]);
});

test("without a credential there is no socket; a server that is away is tried again, one that refuses is not", async () => {
  const credentials = [async () => "ticket"];
  const { sockets, waiting, seen } = await setUp({ credential: () => credentials.shift()() });
  sockets[0].onopen();
  tell(sockets[0], ready());
  sockets[0].onclose({ code: 1012 });
  credentials.push(() => Promise.reject(new TypeError("Failed to fetch")));
  waiting.shift().work();
  await turn();
  assert.deepEqual([sockets.length, seen.ends, waiting.length], [1, [], 1]);
  credentials.push(() => Promise.reject(new Problem("sign_in_over")));
  waiting.shift().work();
  await turn();
  assert.deepEqual([sockets.length, seen.ends, waiting.length], [1, ["sign_in_over"], 0]);
});

test("a goodbye while the credential is fetched opens no socket", async () => {
  let give;
  const { connection, sockets, seen } = await setUp({ credential: () => new Promise((resolve) => (give = resolve)) });
  connection.close();
  give("ticket");
  await turn();
  assert.deepEqual([sockets.length, seen.ends], [0, []]);
});

test("a socket that is being closed is sent nothing; what must not be lost waits for the next", async () => {
  const { connection, sockets, waiting } = await setUp();
  sockets[0].onopen();
  tell(sockets[0], ready());
  sockets[0].readyState = 2;
  connection.sendAudio(frame(1));
  connection.send({ type: "cancel" });
  connection.report(1, 480);
  assert.equal(sockets[0].sent.length, 1, "`start` alone");
  sockets[0].onclose({ code: 1012 });
  waiting.shift().work();
  await turn();
  sockets[1].onopen();
  tell(sockets[1], ready({ resumed: true }));
  assert.deepEqual([audioOf(sockets[1]), sockets[1].sent.length], [[1], 3]);
});
