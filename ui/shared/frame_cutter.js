// Cuts a stream of float samples into frames of equal length.

export class FrameCutter {
  constructor(frameSamples) {
    this._frame = new Float32Array(frameSamples);
    this._filled = 0;
  }

  /** Take samples of any length; returns the frames that are now full, each a new array. */
  push(samples) {
    const frames = [];
    let taken = 0;
    while (taken < samples.length) {
      const count = Math.min(this._frame.length - this._filled, samples.length - taken);
      this._frame.set(samples.subarray(taken, taken + count), this._filled);
      this._filled += count;
      taken += count;
      if (this._filled === this._frame.length) {
        frames.push(this._frame.slice());
        this._filled = 0;
      }
    }
    return frames;
  }
}
