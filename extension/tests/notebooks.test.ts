import type { INotebookTracker } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { describe, expect, it, vi } from 'vitest';
import { NotebookStreams } from '../src/notebooks';

vi.mock('../src/stream', () => ({ KernelStream: vi.fn() }));

/** A notebook of such cells, and how often they have been gone through. */
function notebookOf(...ids: string[]) {
  const cells = {
    ids,
    readings: 0,
    changed: new Signal<unknown, void>({}),
    *[Symbol.iterator]() {
      cells.readings += 1;
      yield* cells.ids.map(id => ({ id }));
    }
  };
  return { cells, content: { model: { cells } } };
}

function trackerOf(notebook: ReturnType<typeof notebookOf>) {
  return {
    currentWidget: notebook as ReturnType<typeof notebookOf> | null,
    widgetAdded: new Signal<unknown, never>({}),
    currentChanged: new Signal<unknown, null>({}),
    forEach: vi.fn()
  };
}

describe('the order of the cells', () => {
  it('is read once, and again when cells or the notebook change', () => {
    const first = notebookOf('a', 'b');
    const tracker = trackerOf(first);
    const streams = new NotebookStreams(tracker as unknown as INotebookTracker, vi.fn());
    const order = streams.cellOrder;
    expect(order).toEqual(['a', 'b']);
    expect(streams.cellOrder).toBe(order);
    expect(first.cells.readings).toBe(1);

    const heard = vi.fn();
    streams.changed.connect(heard);
    first.cells.ids = ['b', 'a', 'c'];
    first.cells.changed.emit();
    expect(heard).toHaveBeenCalledTimes(1);
    expect(streams.cellOrder).toEqual(['b', 'a', 'c']);

    tracker.currentWidget = notebookOf('d');
    expect(streams.cellOrder).toEqual(['d']);
    first.cells.changed.emit();
    expect(heard).toHaveBeenCalledTimes(1);
    tracker.currentWidget = null;
    expect(streams.cellOrder).toEqual([]);
  });
});
