// Microphone frames that the server may not have yet: kept until accepted, sent again after a dropped
// connection. Positions are samples since the start of the session.

export class SentAudio {
  /** Keeps at most `mostSamples`; the oldest go first. */
  constructor(mostSamples) {
    this.mostSamples = mostSamples;
    this._frames = [];
    /** Position of the first sample kept. */
    this.first = 0;
    /** Position after the last one. */
    this.end = 0;
  }

  add(pcm) {
    this._frames.push(pcm);
    this.end += pcm.length;
    while (this.end - this.first > this.mostSamples) this._dropOldest();
  }

  /** The server has everything before `position`. */
  accepted(position) {
    while (this._frames.length > 0 && this.first + this._frames[0].length <= position) this._dropOldest();
  }

  /** A new session begins: what is kept becomes its first samples. */
  restart() {
    this.end -= this.first;
    this.first = 0;
  }

  /** All frames kept, oldest first; the first begins at `first`. */
  get frames() {
    return [...this._frames];
  }

  _dropOldest() {
    this.first += this._frames.shift().length;
  }
}
