import assert from "node:assert/strict";
import { test } from "node:test";
import { takeFromAddress } from "../../ui/shared/address.js";
import { FrameCutter } from "../../ui/shared/frame_cutter.js";
import { loudness, toFloat, toPcm16 } from "../../ui/shared/pcm16.js";
import { asProblem, microphoneProblem, needsSignIn, Problem, serverProblem } from "../../ui/shared/problems.js";
import { SentAudio } from "../../ui/shared/sent_audio.js";
import { ServerEvents } from "../../ui/shared/server_events.js";
import { parseAudio, parseMessage } from "../../ui/shared/voice_messages.js";

test("float samples become PCM16 and back; loud ones are clipped, broken ones silent", () => {
  assert.deepEqual([...toPcm16(Float32Array.of(0, 0.5, -1, 1, 7, -7, NaN))], [0, 16384, -32768, 32767, 32767, -32768, 0]);
  assert.deepEqual([...toFloat(Int16Array.of(0, 16384, -32768))], [0, 0.5, -1]);
});

test("loudness is 0 in silence, 1 when shouting, and grows in between", () => {
  const at = (amplitude) => loudness(new Int16Array(100).fill(amplitude));
  assert.equal(at(0), 0);
  assert.equal(at(20000), 1);
  assert.ok(at(200) < at(1000) && at(1000) < at(5000));
});

test("blocks of 128 become frames of 160 without losing a sample", () => {
  const cutter = new FrameCutter(160);
  const frames = [];
  for (let block = 0; block < 5; block += 1) {
    frames.push(...cutter.push(Float32Array.from({ length: 128 }, (_, index) => block * 128 + index)));
  }
  assert.deepEqual(frames.map((frame) => frame.length), [160, 160, 160, 160]);
  assert.deepEqual(frames.flatMap((frame) => [...frame]), Array.from({ length: 640 }, (_, index) => index));
});

test("an audio message has a header of 16 bytes, little-endian", () => {
  const bytes = Uint8Array.of(1, 1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0x00, 0x80);
  const { replyId, firstSample, pcm } = parseAudio(bytes.buffer);
  assert.deepEqual([replyId, firstSample, [...pcm]], [258, 2 ** 32, [-1, -32768]]);
});

test("audio of another version or kind, and a cut header, are passed over", () => {
  const message = new Uint8Array(18).fill(0);
  message.set([1, 1]);
  assert.notEqual(parseAudio(message.buffer), null);
  assert.equal(parseAudio(Uint8Array.of(2, 1, ...message.slice(2)).buffer), null);
  assert.equal(parseAudio(Uint8Array.of(1, 9, ...message.slice(2)).buffer), null);
  assert.equal(parseAudio(message.buffer.slice(0, 15)), null);
});

test("text that is no message is passed over", () => {
  assert.deepEqual(parseMessage('{"type":"ready"}'), { type: "ready" });
  for (const text of ["", "{", "null", "3", '{"a":1}']) assert.equal(parseMessage(text), null);
});

test("sent audio is kept until accepted, and never beyond its bound", () => {
  const sent = new SentAudio(30);
  for (let number = 0; number < 4; number += 1) sent.add(new Int16Array(10).fill(number));
  assert.deepEqual([sent.first, sent.end], [10, 40]);
  sent.accepted(25);
  assert.deepEqual([sent.first, sent.frames.map((pcm) => pcm[0])], [20, [2, 3]]);
  sent.restart();
  assert.deepEqual([sent.first, sent.end], [0, 20]);
});

test("server-sent events are read from pieces cut anywhere", () => {
  const text = 'event: delta\ndata: {"text": "Nine. "}\n\nevent: done\ndata: {"answer": "Nine."}\n\n';
  for (let size = 1; size < text.length; size += 7) {
    const events = new ServerEvents();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...events.push(text.slice(at, at + size)));
    assert.deepEqual(found, [
      { event: "delta", data: { text: "Nine. " } },
      { event: "done", data: { answer: "Nine." } },
    ]);
  }
});

test("a key and a link leave the address, and nothing else does", () => {
  const addresses = [];
  const page = {
    location: { hash: "#key=aura_1", pathname: "/", search: "?a=1" },
    history: { replaceState: (_state, _title, address) => addresses.push(address) },
  };
  assert.deepEqual(takeFromAddress(page), { key: "aura_1", link: null });
  page.location.hash = "#link=secret_-2";
  assert.deepEqual(takeFromAddress(page), { key: null, link: "secret_-2" });
  for (const hash of ["", "#key=", "#elsewhere"]) {
    page.location.hash = hash;
    assert.deepEqual(takeFromAddress(page), { key: null, link: null });
  }
  assert.deepEqual(addresses, ["/?a=1", "/?a=1"]);
});

test("what went wrong is told in plain words, the server's own where there are none", () => {
  const denied = microphoneProblem({ name: "NotAllowedError" });
  assert.deepEqual([denied.code, /may not use the microphone/.test(denied.message)], ["microphone_denied", true]);
  assert.equal(microphoneProblem({ name: "NotFoundError" }).code, "microphone_missing");
  assert.equal(microphoneProblem({ name: "NotReadableError" }).code, "microphone_busy");
  const missing = serverProblem({ code: "model_missing", message: "Get it with `aura models`.", retryable: false });
  assert.equal(missing.message, "Get it with `aura models`.");
  assert.equal(asProblem(new TypeError("Failed to fetch")).code, "server_unreachable");
  assert.equal(asProblem(denied), denied);
  for (const code of ["authentication_failed", "access_withdrawn", "tenant_suspended"]) {
    assert.ok(needsSignIn(new Problem(code)), code);
  }
  assert.ok(!needsSignIn(denied) && !needsSignIn(new Problem("permission_denied")));
});
