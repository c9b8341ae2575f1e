// Runs on the audio thread: plays replies and says how far it has come.
//
// In: {type: "audio", replyId, firstSample, pcm}, {type: "flush", replyId}, {type: "reset"}.
// Out: {replyId, samples} while playing, and once more when the sound ends.

import { JitterBuffer } from "./jitter_buffer.js";
import { toFloat } from "./pcm16.js";

const REPORT_MS = 60;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this._buffer = new JitterBuffer(sampleRate);
    this._wasPlaying = false;
    this._reported = null;
    this._sinceReport = 0;
    this.port.onmessage = ({ data }) => {
      if (data.type === "audio") this._buffer.push(data.replyId, data.firstSample, toFloat(data.pcm));
      else if (data.type === "flush") this._buffer.flush(data.replyId);
      else this._buffer.reset();
    };
  }

  process(_inputs, outputs) {
    const [first, ...others] = outputs[0];
    this._buffer.pull(first);
    for (const channel of others) channel.set(first);
    this._report(first.length);
    return true;
  }

  _report(count) {
    this._sinceReport += count;
    const playing = this._buffer.playing;
    const ended = this._wasPlaying && !playing;
    const due = this._sinceReport >= (REPORT_MS * sampleRate) / 1000;
    const played = this._buffer.played;
    if (played !== null && played !== this._reported && (due || ended)) {
      this.port.postMessage(played);
      this._reported = played;
      this._sinceReport = 0;
    }
    this._wasPlaying = playing;
  }
}

registerProcessor("aura-playback", Playback);
