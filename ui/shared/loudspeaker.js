// The loudspeaker: replies go in with their positions, what has been heard comes out.

const WORKLET = "/shared/playback_worklet.js";
/** Sample rates the voice socket takes; contexts outside of them run at the highest. */
const RATES_HZ = { least: 8000, most: 48000 };

/** An audio context whose rate the server can speak and hear. Call it from a click, or it stays silent. */
export function openAudioContext() {
  const context = new AudioContext({ latencyHint: "interactive" });
  if (context.sampleRate >= RATES_HZ.least && context.sampleRate <= RATES_HZ.most) return context;
  context.close();
  return new AudioContext({ latencyHint: "interactive", sampleRate: RATES_HZ.most });
}

/** `onPlayed(replyId, samples)` reports how far a reply has left the loudspeaker. */
export async function openLoudspeaker(context, onPlayed) {
  await context.audioWorklet.addModule(WORKLET);
  const node = new AudioWorkletNode(context, "aura-playback", { numberOfInputs: 0, outputChannelCount: [1] });
  node.connect(context.destination);
  node.port.onmessage = ({ data }) => {
    // Samples leave the worklet before they leave the loudspeaker: what is reported is what is heard.
    const latency_ms = 1000 * (context.outputLatency || context.baseLatency || 0);
    setTimeout(() => onPlayed(data.replyId, data.samples), latency_ms);
  };
  return {
    play({ replyId, firstSample, pcm }) {
      node.port.postMessage({ type: "audio", replyId, firstSample, pcm }, [pcm.buffer]);
    },
    flush(replyId) {
      node.port.postMessage({ type: "flush", replyId });
    },
    reset() {
      node.port.postMessage({ type: "reset" });
    },
    close() {
      node.port.onmessage = null;
      node.disconnect();
    },
  };
}
