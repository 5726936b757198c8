import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Pace } from '../src/pace';

const EVERY_MS = 250;
/** One frame of the stand-in clock, ms. */
const FRAME_MS = 16;

let isSeen = true;
const draw = vi.fn();
let pace: Pace;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: [
      'setTimeout',
      'clearTimeout',
      'requestAnimationFrame',
      'cancelAnimationFrame',
      'performance'
    ]
  });
  isSeen = true;
  draw.mockClear();
  pace = new Pace({ draw, isSeen: () => isSeen, every_ms: () => EVERY_MS });
});

afterEach(() => {
  pace.dispose();
  vi.useRealTimers();
});

describe('drawing', () => {
  it('happens in the next frame, once for many changes', () => {
    for (let change = 0; change < 5; change++) {
      pace.request();
    }
    expect(draw).not.toHaveBeenCalled();
    vi.advanceTimersByTime(FRAME_MS);
    expect(draw).toHaveBeenCalledOnce();
  });

  it('is not repeated before its time, and the last change is not lost', () => {
    pace.request();
    vi.advanceTimersByTime(FRAME_MS);
    pace.request();
    vi.advanceTimersByTime(EVERY_MS / 2);
    expect(draw).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(EVERY_MS);
    expect(draw).toHaveBeenCalledTimes(2);
  });

  it('does not wait for its time where the user does', () => {
    pace.request();
    vi.advanceTimersByTime(FRAME_MS);
    pace.request();
    pace.request(true);
    vi.advanceTimersByTime(FRAME_MS);
    expect(draw).toHaveBeenCalledTimes(2);
    vi.advanceTimersByTime(2 * EVERY_MS);
    expect(draw).toHaveBeenCalledTimes(2);
  });

  it('does not happen where nobody sees it, nor after the end', () => {
    isSeen = false;
    pace.request();
    vi.advanceTimersByTime(2 * EVERY_MS);
    isSeen = true;
    pace.request();
    pace.dispose();
    vi.advanceTimersByTime(2 * EVERY_MS);
    expect(draw).not.toHaveBeenCalled();
  });
});
