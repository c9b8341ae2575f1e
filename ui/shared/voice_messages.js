// The wire of /ws/voice/continuous as server/README.md describes it.

export const VOICE_PATH = "/ws/voice/continuous";

const HEADER_BYTES = 16;
const VERSION = 1;
const REPLY_AUDIO = 1;

/** A text message of the server, or null for one that cannot be understood. */
export function parseMessage(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  return message !== null && typeof message === "object" && typeof message.type === "string" ? message : null;
}

/** A binary message as `{replyId, firstSample, pcm}`, or null for a kind that is not known here. */
export function parseAudio(buffer) {
  if (buffer.byteLength < HEADER_BYTES) return null;
  const view = new DataView(buffer);
  if (view.getUint8(0) !== VERSION || view.getUint8(1) !== REPLY_AUDIO) return null;
  const samples = Math.floor((buffer.byteLength - HEADER_BYTES) / 2);
  const pcm = new Int16Array(samples);
  for (let index = 0; index < samples; index += 1) pcm[index] = view.getInt16(HEADER_BYTES + 2 * index, true);
  return { replyId: view.getUint32(4, true), firstSample: Number(view.getBigUint64(8, true)), pcm };
}

/** The first message of a connection; `session` is what an earlier `ready` gave, null for a new one. */
export function startMessage({ key, sampleRateHz, outputSampleRateHz, session }) {
  const message = {
    type: "start",
    key,
    sample_rate_hz: sampleRateHz,
    output_sample_rate_hz: outputSampleRateHz,
  };
  if (session === null) return message;
  return {
    ...message,
    resume: session.token,
    from_sample: session.fromSample,
    last_sequence: session.lastSequence,
  };
}
