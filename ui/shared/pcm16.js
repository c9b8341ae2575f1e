// 16-bit little-endian PCM, the form in which audio crosses the socket.

const FULL_SCALE = 32768;

/** Float samples in -1..1 as PCM16; what is louder is clipped, what is no number is silence. */
export function toPcm16(samples) {
  const pcm = new Int16Array(samples.length);
  for (let index = 0; index < samples.length; index += 1) {
    const value = Math.round(samples[index] * FULL_SCALE);
    pcm[index] = Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, value)) || 0;
  }
  return pcm;
}

/** PCM16 as float samples in -1..1. */
export function toFloat(pcm) {
  const samples = new Float32Array(pcm.length);
  for (let index = 0; index < pcm.length; index += 1) samples[index] = pcm[index] / FULL_SCALE;
  return samples;
}

/** Loudness of PCM16 as 0..1 over the range that speech has, -54 to -12 dBFS. */
export function loudness(pcm) {
  let sum = 0;
  for (const value of pcm) sum += value * value;
  const level_db = 20 * Math.log10(Math.sqrt(sum / Math.max(1, pcm.length)) / FULL_SCALE + 1e-9);
  return Math.max(0, Math.min(1, (level_db + 54) / 42));
}
