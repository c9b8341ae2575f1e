// What lies between the socket, which delivers unevenly, and the loudspeaker, which never waits.
//
// Pure: time is the number of samples pulled. Positions are samples of a reply. After a dropped connection
// the server sends again what may be lost; what is here already is recognised by its position.

const FADE_SAMPLES = 32;

export class JitterBuffer {
  /** Playing starts with `leastMs` queued; more after audio has run out in mid-reply, at most `mostMs`. */
  constructor(sampleRateHz, { leastMs = 40, mostMs = 200, stepMs = 20 } = {}) {
    const samples = (duration_ms) => Math.round((duration_ms * sampleRateHz) / 1000);
    this._least = samples(leastMs);
    this._most = samples(mostMs);
    this._step = samples(stepMs);
    this.startSamples = this._least;
    this.underruns = 0;
    this.reset();
  }

  /** Forget everything, as at the start of a session. What was learnt of the network stays. */
  reset() {
    this._queue = [];
    this._offset = 0;
    this.queuedSamples = 0;
    this._replyId = null;
    this._end = null;
    this._playing = false;
    this._waited = 0;
    this._last = 0;
    this._fading = 0;
    this._fadeIn = 0;
    /** What has been played: `{replyId, samples}`, null before the first sample. */
    this.played = null;
  }

  get playing() {
    return this._playing;
  }

  /** Queue float samples that begin at `firstSample` of the reply; those that are here already are dropped. */
  push(replyId, firstSample, samples) {
    if (replyId !== this._replyId) {
      // A reply without a gap lets the next one start a little earlier again.
      this.startSamples = Math.max(this._least, this.startSamples - this._step / 2);
      this._replyId = replyId;
      this._end = null;
    }
    const known = this._end === null ? 0 : Math.max(0, this._end - firstSample);
    if (known >= samples.length) return;
    const ranDry = this._end !== null && !this._playing && this.queuedSamples === 0;
    if (ranDry) {
      this.underruns += 1;
      this.startSamples = Math.min(this._most, this.startSamples + this._step);
    }
    this._queue.push({ replyId, first: firstSample + known, samples: samples.subarray(known) });
    this.queuedSamples += samples.length - known;
    this._end = firstSample + samples.length;
  }

  /** Be silent about a reply, within 32 samples. It may go on later, from any position. */
  flush(replyId) {
    const kept = this._queue.filter((piece) => piece.replyId !== replyId);
    if (kept.length < this._queue.length && this._queue[0].replyId === replyId) {
      this._offset = 0;
      if (this._playing) this._stop();
    }
    this._queue = kept;
    this.queuedSamples = kept.reduce((sum, piece) => sum + piece.samples.length, 0) - this._offset;
    if (replyId === this._replyId) this._end = null;
  }

  /** Fill `output` with what is to be heard now; returns whether any of it is speech. */
  pull(output) {
    let spoken = false;
    for (let index = 0; index < output.length; index += 1) {
      if (!this._playing) this._maybeStart();
      if (this._playing) {
        output[index] = this._next();
        spoken = true;
      } else {
        output[index] = this._fade();
      }
    }
    return spoken;
  }

  _maybeStart() {
    if (this.queuedSamples === 0) return;
    this._waited += 1;
    // The end of a reply may be shorter than the queue we would like: it is played all the same.
    if (this.queuedSamples < this.startSamples && this._waited <= this.startSamples) return;
    this._playing = true;
    this._waited = 0;
    this._fadeIn = this._queue[0].first + this._offset > 0 ? FADE_SAMPLES : 0;
  }

  _next() {
    const piece = this._queue[0];
    let value = piece.samples[this._offset];
    if (this._fadeIn > 0) {
      value *= 1 - this._fadeIn / FADE_SAMPLES;
      this._fadeIn -= 1;
    }
    this._offset += 1;
    this.queuedSamples -= 1;
    this.played = { replyId: piece.replyId, samples: piece.first + this._offset };
    this._last = value;
    if (this._offset === piece.samples.length) {
      this._queue.shift();
      this._offset = 0;
      if (this._queue.length === 0) this._stop();
    }
    return value;
  }

  _stop() {
    this._playing = false;
    this._waited = 0;
    this._fading = FADE_SAMPLES;
  }

  /** From the last sample down to silence: a cut in the middle of a wave is a click. */
  _fade() {
    if (this._fading === 0) return 0;
    this._fading -= 1;
    return (this._last * this._fading) / FADE_SAMPLES;
  }
}
