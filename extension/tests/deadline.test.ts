import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../src/deadline';

const onPassed = vi.fn();
let deadline: Deadline;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onPassed.mockClear();
  deadline = new Deadline(onPassed);
});

afterEach(() => {
  deadline.dispose();
  vi.useRealTimers();
});

describe('a deadline', () => {
  it('passes once', () => {
    deadline.setIn(300);
    vi.advanceTimersByTime(299);
    expect(onPassed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(onPassed).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(1000);
    expect(onPassed).toHaveBeenCalledOnce();
  });

  it('does not pass as long as it moves away, and then at its last instant', () => {
    const timers = vi.spyOn(window, 'setTimeout');
    for (let step = 0; step < 8; step++) {
      deadline.setIn(300);
      vi.advanceTimersByTime(50);
    }
    expect(timers.mock.calls.length).toBeLessThan(4);
    vi.advanceTimersByTime(249);
    expect(onPassed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(onPassed).toHaveBeenCalledOnce();
  });

  it('passes sooner where it is moved nearer', () => {
    deadline.setIn(300);
    deadline.setIn(100);
    vi.advanceTimersByTime(100);
    expect(onPassed).toHaveBeenCalledOnce();
  });

  it('does not pass where it is taken back, nor after the end', () => {
    deadline.setIn(300);
    deadline.setIn(null);
    vi.advanceTimersByTime(1000);
    deadline.setIn(300);
    deadline.dispose();
    vi.advanceTimersByTime(1000);
    deadline.setIn(300);
    vi.advanceTimersByTime(1000);
    expect(onPassed).not.toHaveBeenCalled();
  });
});
