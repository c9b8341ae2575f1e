// The microphone as a source of 20 ms PCM16 frames.

import { microphoneProblem, Problem } from "./problems.js";

const WORKLET = "/shared/capture_worklet.js";

/**
 * Ask for the microphone. Throws a `Problem` that says why it cannot be had.
 * The echo of our own voice is taken out by the browser.
 */
export async function requestMicrophone() {
  if (!window.isSecureContext) throw new Problem("insecure_page");
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw new Problem("audio_unsupported");
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
  } catch (error) {
    throw microphoneProblem(error);
  }
}

/** Pass frames of `stream` to `onFrame` until the returned function is called; `onLost` when it is unplugged. */
export async function listenTo(context, stream, onFrame, onLost) {
  await context.audioWorklet.addModule(WORKLET);
  const source = context.createMediaStreamSource(stream);
  const capture = new AudioWorkletNode(context, "aura-capture", {
    channelCount: 1,
    channelCountMode: "explicit",
  });
  capture.port.onmessage = ({ data }) => onFrame(data);
  // Its output is silence; a node that leads nowhere is not run by every browser.
  source.connect(capture).connect(context.destination);
  const [track] = stream.getAudioTracks();
  track.addEventListener("ended", onLost);
  return () => {
    track.removeEventListener("ended", onLost);
    capture.port.onmessage = null;
    source.disconnect();
    capture.disconnect();
    release(stream);
  };
}

/** Give the microphone back; the browser's sign for it goes out. */
export function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}
