import { describe, expect, it } from 'vitest';
import {
  actionOf,
  changedView,
  FIRST_VIEW,
  rangeSpan,
  selected,
  type Span
} from '../src/components/chart-view';

const BOUNDS: Span = [0, 100];

function after(key: string, span: Span): Span {
  const action = actionOf(key, span, BOUNDS);
  if (action?.kind !== 'zoom') {
    throw new Error(`${key} does not zoom`);
  }
  return action.span;
}

describe('what the charts show', () => {
  it('follows the present over the chosen range', () => {
    expect(rangeSpan('minute', [0, 1000])).toEqual([940, 1000]);
    expect(rangeSpan('ten minutes', [0, 1000])).toEqual([400, 1000]);
    expect(rangeSpan('session', [0, 1000])).toEqual([0, 1000]);
    expect(rangeSpan('minute', [990, 1000])).toEqual([990, 1010]);
  });

  it('pans by keys, but not out of what there is', () => {
    expect(after('ArrowLeft', [50, 60])).toEqual([48, 58]);
    expect(after('ArrowRight', [50, 60])).toEqual([52, 62]);
    expect(after('ArrowLeft', [1, 11])).toEqual([0, 10]);
    expect(after('ArrowRight', [89, 99])).toEqual([90, 100]);
  });

  it('zooms by keys about the middle, between two seconds and all there is', () => {
    expect(after('+', [40, 70])).toEqual([45, 65]);
    expect(after('-', [40, 60])).toEqual([35, 65]);
    expect(after('+', [50, 52])).toEqual([50, 52]);
    expect(after('-', [10, 90])).toEqual([0, 100]);
    expect(actionOf('Escape', [40, 60], BOUNDS)).toEqual({ kind: 'reset' });
    expect(actionOf('x', [40, 60], BOUNDS)).toBeNull();
  });

  it('zooms to what was selected, forwards or backwards, and widens what is too short', () => {
    expect(selected([60, 40], BOUNDS)).toEqual([40, 60]);
    expect(selected([50, 50.1], BOUNDS)).toEqual([49.05, 51.05]);
  });

  it('returns to the paused picture when the zoom is reset, and to the present when it follows again', () => {
    const held = changedView(FIRST_VIEW, { kind: 'hold', span: [0, 60] });
    const zoomed = changedView(held, { kind: 'zoom', span: [10, 20] });
    expect(changedView(zoomed, { kind: 'reset' })).toEqual(held);
    expect(changedView(zoomed, { kind: 'follow' })).toEqual(FIRST_VIEW);
    expect(changedView(zoomed, { kind: 'range', range: 'session' })).toEqual({
      range: 'session',
      held: null,
      zoom: null
    });
  });
});
