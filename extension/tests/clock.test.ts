import { describe, expect, it } from 'vitest';
import { clock, clockFor, clockWithoutSeconds } from '../src/clock';

const at_s = new Date(2026, 0, 31, 9, 5, 7).getTime() / 1000;

describe('the time of day', () => {
  it('is told to the second, or without', () => {
    expect(clock(at_s)).toBe('09:05:07');
    expect(clockWithoutSeconds(at_s)).toBe('09:05');
  });

  it('has seconds along a stretch of a few minutes, and none along a longer one', () => {
    expect(clockFor(60)(at_s)).toBe('09:05:07');
    expect(clockFor(600)(at_s)).toBe('09:05');
  });
});
