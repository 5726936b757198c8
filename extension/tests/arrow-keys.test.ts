import { describe, expect, it } from 'vitest';
import { indexAfter } from '../src/components/arrow-keys';

describe('an arrow key', () => {
  const steps = { ArrowUp: -1, ArrowDown: 1, PageDown: 10 };
  const from = (index: number, key: string) => indexAfter(key, index, 30, steps);

  it('leads as far as its step', () => {
    expect(from(5, 'ArrowUp')).toBe(4);
    expect(from(5, 'ArrowDown')).toBe(6);
    expect(from(5, 'PageDown')).toBe(15);
  });

  it('leads no further than to the first and the last, as Home and End do at once', () => {
    expect(from(0, 'ArrowUp')).toBe(0);
    expect(from(25, 'PageDown')).toBe(29);
    expect(from(5, 'Home')).toBe(0);
    expect(from(5, 'End')).toBe(29);
  });

  it('that has no step here leads nowhere', () => {
    expect(from(5, 'ArrowLeft')).toBeNull();
    expect(from(5, 'a')).toBeNull();
  });
});
