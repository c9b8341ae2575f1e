// Runs on the audio thread: the microphone's samples as 20 ms frames of PCM16.

import { FrameCutter } from "./frame_cutter.js";
import { toPcm16 } from "./pcm16.js";

const FRAMES_PER_S = 50;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this._cutter = new FrameCutter(Math.round(sampleRate / FRAMES_PER_S));
  }

  process(inputs) {
    const channels = inputs[0];
    // No channel means that the microphone has not begun or has ended; then there is nothing to send.
    if (channels.length > 0) {
      for (const frame of this._cutter.push(channels[0])) {
        const pcm = toPcm16(frame);
        this.port.postMessage(pcm, [pcm.buffer]);
      }
    }
    return true;
  }
}

registerProcessor("aura-capture", Capture);
