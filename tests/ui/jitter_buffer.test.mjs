import assert from "node:assert/strict";
import { test } from "node:test";
import { JitterBuffer } from "../../ui/shared/jitter_buffer.js";

const RATE_HZ = 8000;
const samples = (duration_ms) => (duration_ms * RATE_HZ) / 1000;
const ramp = (first, count) => Float32Array.from({ length: count }, (_, index) => (first + index) / 1e5);

function pull(buffer, count) {
  const output = new Float32Array(count).fill(9);
  buffer.pull(output);
  return [...output];
}

test("nothing is heard before 40 ms are queued, and then everything in order", () => {
  const buffer = new JitterBuffer(RATE_HZ);
  buffer.push(1, 0, ramp(0, samples(20)));
  assert.deepEqual(new Set(pull(buffer, 16)), new Set([0]));
  buffer.push(1, samples(20), ramp(samples(20), samples(20)));
  assert.deepEqual(pull(buffer, samples(40)), [...ramp(0, samples(40))]);
  assert.deepEqual(buffer.played, { replyId: 1, samples: samples(40) });
});

test("a reply shorter than the start is played all the same", () => {
  const buffer = new JitterBuffer(RATE_HZ);
  buffer.push(1, 0, ramp(1, 8));
  pull(buffer, samples(40) + 64);
  assert.deepEqual(buffer.played, { replyId: 1, samples: 8 });
});

test("what a resumed connection sends again is heard once", () => {
  const buffer = new JitterBuffer(RATE_HZ);
  buffer.push(1, 0, ramp(0, 400));
  buffer.push(1, 200, ramp(200, 400));
  buffer.push(1, 100, ramp(100, 300));
  assert.equal(buffer.queuedSamples, 600);
  assert.deepEqual(pull(buffer, 600), [...ramp(0, 600)]);
});

test("flush fades to silence within 32 samples, and the reply may go on from an earlier place", () => {
  const buffer = new JitterBuffer(RATE_HZ);
  buffer.push(1, 0, new Float32Array(800).fill(0.5));
  pull(buffer, 100);
  buffer.flush(1);
  const faded = pull(buffer, 40);
  assert.ok(faded[0] > 0.4 && faded[0] < 0.5);
  for (let index = 1; index < 32; index += 1) assert.ok(faded[index] < faded[index - 1]);
  assert.deepEqual(faded.slice(32), Array(8).fill(0));
  assert.equal(buffer.queuedSamples, 0);

  buffer.push(1, 90, new Float32Array(400).fill(0.5));
  const resumed = pull(buffer, 100);
  assert.equal(resumed[0], 0);
  assert.equal(resumed[50], 0.5);
  assert.deepEqual(buffer.played, { replyId: 1, samples: 190 });
});

test("flush of one reply leaves the next one queued", () => {
  const buffer = new JitterBuffer(RATE_HZ);
  buffer.push(1, 0, ramp(0, 400));
  pull(buffer, 100);
  buffer.push(2, 0, ramp(5000, 400));
  buffer.flush(1);
  assert.equal(buffer.queuedSamples, 400);
  pull(buffer, 33);
  assert.equal(buffer.played.replyId, 2);
});

test("running dry in mid-reply makes the start later, never beyond 200 ms; a good reply makes it earlier", () => {
  const buffer = new JitterBuffer(RATE_HZ);
  let position = 0;
  for (let round = 0; round < 20; round += 1) {
    buffer.push(1, position, ramp(position, samples(200)));
    position += samples(200);
    pull(buffer, samples(600));
  }
  assert.equal(buffer.underruns, 19);
  assert.equal(buffer.startSamples, samples(200));
  for (let reply = 2; reply < 30; reply += 1) {
    buffer.push(reply, 0, ramp(0, samples(200)));
    pull(buffer, samples(600));
  }
  assert.equal(buffer.startSamples, samples(40));
});
