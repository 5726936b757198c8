import { describe, expect, it } from 'vitest';
import { BandLanes, seenOf } from '../src/components/band-lanes';
import type { CellMessage } from '../src/messages';
import { RunSpans } from '../src/runs';
import { cell } from './messages';

function run(changes: Partial<CellMessage> & { run_id: string }): CellMessage {
  return cell({ status: 'ok', started_at_ms: 0, ended_at_ms: null, ...changes });
}

function spansOf(...messages: CellMessage[]): RunSpans {
  const spans = new RunSpans();
  messages.forEach(message => spans.take(message));
  return spans;
}

describe('the runs on the time axis', () => {
  it('remembers each run of a cell, though messages tell of the latest only', () => {
    const spans = spansOf(
      run({ run_id: 'a', started_at_ms: 1_000, ended_at_ms: 2_000 }),
      run({ run_id: 'b', started_at_ms: 5_000, ended_at_ms: 6_000 })
    );
    expect(spans.within(0, 10).map(({ from_s, to_s }) => [from_s, to_s])).toEqual([
      [1, 2],
      [5, 6]
    ]);
    expect(spans.within(3, 4)).toEqual([]);
  });

  it('lets a run that goes on end when its end is told, or the cell’s next run begins', () => {
    const spans = spansOf(
      run({ run_id: 'a', status: 'running', started_at_ms: 1_000, at_ms: 3_000 }),
      run({ run_id: 'b', status: 'running', started_at_ms: 9_000, at_ms: 9_100 })
    );
    expect(spans.within(0, 10).map(({ to_s }) => to_s)).toEqual([3, null]);
    spans.take(run({ run_id: 'b', started_at_ms: 9_000, ended_at_ms: 9_500 }));
    expect(spans.within(0, 10).map(({ to_s }) => to_s)).toEqual([3, 9.5]);
  });

  it('knows whether a run was open all the time', () => {
    const spans = spansOf(
      run({ run_id: 'a', started_at_ms: 1_000, ended_at_ms: 4_000 }),
      run({ run_id: 'b', cell_id: 'other', status: 'running', started_at_ms: 6_000 })
    );
    expect(spans.cover(2, 3)).toBe(true);
    expect(spans.cover(3, 5)).toBe(false);
    expect(spans.cover(3, 7)).toBe(false);
    expect(spans.cover(7, 99)).toBe(true);
  });

  it('does without a kernel that does not tell when runs began', () => {
    expect(spansOf(cell()).within(0, 1e12)).toEqual([]);
  });

  it('stays bounded', () => {
    const spans = new RunSpans();
    for (let index = 0; index < 5000; index++) {
      spans.take(run({ run_id: `run-${index}`, started_at_ms: index, ended_at_ms: index + 1 }));
    }
    expect(spans.within(0, 10)).toHaveLength(2000);
  });

  it('puts overlapping runs in lanes, and the running one until now', () => {
    const spans = spansOf(
      run({ run_id: 'outer', cell_id: '1', started_at_ms: 0, ended_at_ms: 10_000 }),
      run({ run_id: 'inner', cell_id: '2', started_at_ms: 2_000, ended_at_ms: 4_000 }),
      run({ run_id: 'now', cell_id: '3', status: 'running', started_at_ms: 11_000 })
    );
    const { bands } = new BandLanes().choose(spans, [1, 20], 13);
    expect(bands.map(({ run, lane }) => [run.run_id, seenOf(run, [1, 20], 13), lane])).toEqual([
      ['outer', [1, 10], 0],
      ['inner', [2, 4], 1],
      ['now', [11, 13], 0]
    ]);
  });

  it('marks the longest where there are too many', () => {
    const runs = Array.from({ length: 200 }, (_, index) =>
      run({
        run_id: `${index}`,
        cell_id: `${index}`,
        started_at_ms: index * 1000,
        ended_at_ms: index * 1000 + index + 1
      })
    );
    const { bands, more } = new BandLanes().choose(spansOf(...runs), [0, 300], 300);
    expect(bands).toHaveLength(40);
    expect(more).toBe(160);
    expect(bands[0]?.run.run_id).toBe('160');
  });

  it('looks at the runs anew only when one begins, ends, comes into view or leaves it', () => {
    const spans = spansOf(
      run({ run_id: 'a', cell_id: '1', started_at_ms: 2_000, ended_at_ms: 4_000 }),
      run({ run_id: 'b', cell_id: '2', status: 'running', started_at_ms: 10_000 }),
      run({ run_id: 'c', cell_id: '3', started_at_ms: 20_000, ended_at_ms: 21_000 })
    );
    const lanes = new BandLanes();
    const chosen = (from_s: number, to_s: number) => lanes.choose(spans, [from_s, to_s], to_s);
    const idsOf = ({ bands }: ReturnType<typeof chosen>) => bands.map(band => band.run.run_id);
    const first = chosen(1, 11);
    expect(idsOf(first)).toEqual(['a', 'b']);
    spans.take(run({ run_id: 'b', cell_id: '2', status: 'running', started_at_ms: 10_000 }));
    expect(chosen(3, 13)).toBe(first);
    expect(idsOf(chosen(4, 14))).toEqual(['b']);
    expect(idsOf(chosen(3, 13))).toEqual(['a', 'b']);
    expect(idsOf(chosen(11, 21))).toEqual(['b', 'c']);
    expect(idsOf(chosen(1, 9))).toEqual(['a']);
    spans.take(run({ run_id: 'b', cell_id: '2', started_at_ms: 8_000, ended_at_ms: 9_000 }));
    expect(idsOf(chosen(1, 9))).toEqual(['a', 'b']);
  });
});
