import * as React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { useTurns } from '../src/components/turns';

const TURNS = [['chart'], ['list', 'cells']] as const;

const drawAgain = vi.fn();
let host: HTMLElement;
let root: Root;

beforeEach(() => {
  vi.useFakeTimers();
  drawAgain.mockClear();
  host = document.createElement('div');
  root = createRoot(host);
});

afterEach(() => {
  act(() => {
    root.unmount();
  });
  vi.useRealTimers();
});

function Parts({ value, isTogether }: { value: number; isTogether: boolean }): React.JSX.Element {
  const { chart, list, cells } = useTurns(
    { chart: value, list: value, cells: value },
    TURNS,
    isTogether,
    drawAgain
  );
  return <p>{[chart, list, cells].join(' ')}</p>;
}

function drawn(value: number, isTogether = false): string | null {
  act(() => {
    root.render(<Parts value={value} isTogether={isTogether} />);
  });
  return host.textContent;
}

describe('parts that take turns', () => {
  it('are all drawn at first, then one turn after the other', () => {
    expect(drawn(1)).toBe('1 1 1');
    expect(drawn(2)).toBe('1 2 2');
    expect(drawn(3)).toBe('3 2 2');
    expect(drawn(4)).toBe('3 4 4');
  });

  it('ask to be drawn where nothing more is said and one of them was held back', () => {
    drawn(1);
    vi.advanceTimersByTime(1000);
    expect(drawAgain).not.toHaveBeenCalled();
    drawn(2);
    vi.advanceTimersByTime(1000);
    expect(drawAgain).toHaveBeenCalledTimes(1);
    expect(drawn(2)).toBe('2 2 2');
    vi.advanceTimersByTime(1000);
    expect(drawAgain).toHaveBeenCalledTimes(1);
  });

  it('are all drawn then, however many were held back', () => {
    drawn(1);
    drawn(2);
    expect(drawn(3)).toBe('3 2 2');
    expect(drawn(4)).toBe('3 4 4');
    expect(drawn(5)).toBe('5 4 4');
    drawn(6);
    vi.advanceTimersByTime(1000);
    expect(drawn(7)).toBe('7 7 7');
    expect(drawn(8)).toBe('8 7 7');
  });

  it('are drawn at once where they are drawn seldom', () => {
    drawn(1, true);
    expect(drawn(2, true)).toBe('2 2 2');
    expect(drawn(3, true)).toBe('3 3 3');
  });
});
