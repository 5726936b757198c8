import type { INotebookModel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { NotebookMetadata } from '../src/preferences';
import { RecordKeeper } from '../src/record-keeper';
import { EnergySession } from '../src/session';
import type { KernelStream } from '../src/stream';
import { cell, record, SESSION } from './messages';

interface Kernel {
  what?: NotebookMetadata;
  kernelId?: string;
  path?: string;
}

/** A notebook of two cells, and a kernel that has a record of every run. */
function arrange({ what = 'everything', kernelId = 'kernel-1', path = 'a.ipynb' }: Kernel = {}) {
  const session = new EnergySession(SESSION);
  const asked: string[] = [];
  const written: unknown[] = [];
  const sender = {};
  const kernel = {
    id: kernelId,
    clientId: 'client',
    username: '',
    connectionStatusChanged: new Signal<object, string>(sender),
    answers: true,
    sendControlMessage: ({ content }: { content: { run_id: string } }) => {
      asked.push(content.run_id);
      const future = {
        onReply: vi.fn<(reply: unknown) => void>(),
        done: new Promise(() => undefined),
        dispose: () => undefined
      };
      const answer = { status: 'ok', schema: 1, record: record({ run_id: content.run_id }) };
      if (kernel.answers) {
        queueMicrotask(() => future.onReply({ content: answer }));
      }
      return future;
    }
  };
  const stream = {
    session,
    context: {
      path,
      session: { kernel },
      kernelChanged: new Signal<object, { oldValue: unknown }>(sender),
      disposed: new Signal<object, void>(sender)
    },
    changed: new Signal<object, void>(sender)
  };
  const cells = ['cell-1', 'cell-2'].map(id => ({
    id,
    getMetadata: () => undefined,
    setMetadata: (_: string, value: unknown) => written.push(value)
  }));
  const notebook = { isDisposed: false, cells };
  const keeper = new RecordKeeper(
    notebook as unknown as INotebookModel,
    stream as unknown as KernelStream,
    () => what
  );
  return {
    asked,
    written,
    notebook,
    kernel,
    stream,
    run: (id: string) => keeper.onScheduled(id),
    say: async (message: ReturnType<typeof cell>) => {
      session.accept(message);
      stream.changed.emit();
      await vi.waitFor(() => expect(asked.length).toBe(written.length));
    },
    /** The same where no answer comes. */
    sayInVain: async (message: ReturnType<typeof cell>) => {
      kernel.answers = false;
      session.accept(message);
      stream.changed.emit();
      await vi.waitFor(() => expect(asked.length).toBe(written.length + 1));
    }
  };
}

const settled = { status: 'ok', settled: true } as const;

afterEach(() => sessionStorage.clear());

describe('a settled record', () => {
  it('is written once for each run of this page, when it is settled', async () => {
    const { asked, written, run, say } = arrange();
    run('cell-1');
    await say(cell({ seq: 1 }));
    await say(cell({ seq: 2, status: 'ok' }));
    expect(asked).toEqual([]);
    await say(cell({ seq: 3, ...settled }));
    await say(cell({ seq: 4, ...settled }));
    expect(asked).toEqual(['run-1']);
    expect(written).toEqual([record()]);
  });

  it('of the run before is not taken for the one that was just told to run', async () => {
    const { asked, run, say } = arrange();
    await say(cell({ seq: 1, ...settled }));
    run('cell-1');
    await say(cell({ seq: 2, ...settled }));
    expect(asked).toEqual([]);
    await say(cell({ seq: 3, run_id: 'run-2', ...settled }));
    expect(asked).toEqual(['run-2']);
  });

  it('of a cell that another page ran is left to that page', async () => {
    const { asked, run, say } = arrange();
    run('cell-2');
    await say(cell({ seq: 1, ...settled }));
    expect(asked).toEqual([]);
  });

  it('is written by the page that was loaded again while the cell ran', async () => {
    arrange().run('cell-1');
    const { asked, written, say } = arrange();
    await say(cell({ seq: 1, ...settled }));
    expect(asked).toEqual(['run-1']);
    expect(written).toEqual([record()]);
    expect(sessionStorage.length).toBe(0);
  });

  it('is asked for again where the answer was lost with the connection', async () => {
    const { asked, written, kernel, stream, run, say, sayInVain } = arrange();
    run('cell-1');
    await sayInVain(cell({ seq: 1, ...settled }));
    kernel.connectionStatusChanged.emit('connecting');
    await new Promise(resolve => setTimeout(resolve));
    expect(sessionStorage.length).toBe(1);
    kernel.answers = true;
    asked.length = 0;
    kernel.connectionStatusChanged.emit('connected');
    await say(cell({ seq: 2, ...settled }));
    expect(asked).toEqual(['run-1']);
    expect(written).toEqual([record()]);
    stream.changed.emit();
    expect(asked).toEqual(['run-1']);
    expect(sessionStorage.length).toBe(0);
  });

  it('is left to the next opening where the notebook is closed before it comes', async () => {
    const { notebook, stream, written, run, say } = arrange();
    run('cell-1');
    notebook.isDisposed = true;
    stream.context.disposed.emit();
    stream.context.kernelChanged.emit({ oldValue: { id: 'kernel-1' } });
    await say(cell({ seq: 1, ...settled }));
    expect(written).toEqual([]);
    const again = arrange();
    await again.say(cell({ seq: 2, ...settled }));
    expect(again.written).toEqual([record()]);
  });

  it('is not waited for by another notebook that shares the kernel', async () => {
    arrange().run('cell-1');
    const { asked, run, say } = arrange({ path: 'copy.ipynb' });
    await say(cell({ seq: 1, ...settled }));
    run('cell-2');
    expect(asked).toEqual([]);
    const again = arrange();
    await again.say(cell({ seq: 2, ...settled }));
    expect(again.written).toEqual([record()]);
  });

  it('of a cell told to run again while it is asked for is followed by the next one', async () => {
    const { asked, written, run, say } = arrange();
    run('cell-1');
    const answered = say(cell({ seq: 1, ...settled }));
    run('cell-1');
    await answered;
    expect(asked).toEqual(['run-1']);
    await say(cell({ seq: 2, run_id: 'run-2', ...settled }));
    expect(asked).toEqual(['run-1', 'run-2']);
    expect(written).toHaveLength(2);
  });

  it('is not waited for in another kernel', async () => {
    arrange().run('cell-1');
    const { asked, say } = arrange({ kernelId: 'kernel-2' });
    await say(cell({ seq: 1, ...settled }));
    expect(asked).toEqual([]);
  });

  it.each(['[', '{"cell-1": null}', '[["cell-1"], [1, null], ["cell-1", 7], null]'])(
    'is not made of what somebody else has left in the browser: %s',
    async text => {
      sessionStorage.setItem('greenllm:awaited:kernel-1:a.ipynb', text);
      const { asked, say } = arrange();
      await say(cell({ seq: 1, ...settled }));
      expect(asked).toEqual([]);
    }
  );

  it('is not even asked for where nothing is to be stored', async () => {
    const { asked, run, say } = arrange({ what: 'nothing' });
    run('cell-1');
    await say(cell({ seq: 1, ...settled }));
    expect(asked).toEqual([]);
  });
});
