import { describe, expect, it } from 'vitest';
import { formatBasis, formatDay, formatDuration, formatMoment } from '../src/times';
import { basis } from './messages';
import { trans } from './trans';

describe('a duration', () => {
  it('keeps the two units that matter', () => {
    expect(formatDuration(0.0123, trans)).toBe('12.3 ms');
    expect(formatDuration(12.34, trans)).toBe('12.3 s');
    expect(formatDuration(185, trans)).toBe('3 min 05 s');
    expect(formatDuration(3725, trans)).toBe('1 h 02 min');
  });
});

describe('a date', () => {
  it('is told in local time', () => {
    expect(formatDay(new Date(2026, 0, 3, 23, 59))).toBe('2026-01-03');
    expect(formatMoment('2026-01-31T12:34:00')).toContain('2026');
  });

  it('that is none is not made up', () => {
    expect(formatDay(new Date('noon'))).toBe('');
    expect(formatMoment('noon')).toBe('noon');
  });
});

describe('a baseline', () => {
  const at = '2026-01-31T12:34:00';

  it('is named with its time, and the day where that was another one', () => {
    expect(formatBasis(basis(at), new Date('2026-01-31T23:00:00'), trans)).toBe(
      'measured 12:34 (10 s)'
    );
    expect(formatBasis(basis(at, { how: 'learnt' }), new Date('2026-02-01T00:01:00'), trans)).toBe(
      'learnt 2026-01-31 12:34'
    );
  });

  it('whose time cannot be read is named without it', () => {
    expect(formatBasis({ ...basis(at), at: 'noon' }, new Date(at), trans)).toBe('measured (10 s)');
  });
});
