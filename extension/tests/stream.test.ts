import type { ISessionContext } from '@jupyterlab/apputils';
import { ServerConnection } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KernelStream } from '../src/stream';
import { panelState } from '../src/state';
import type { SnapshotReply } from '../src/messages';
import type { StreamMessage } from '../src/validate';
import { cell, hello, power, SESSION } from './messages';

interface Future {
  onReply: (message: unknown) => void;
  onIOPub: (message: unknown) => void;
  done: Promise<unknown>;
  dispose: () => void;
}

/** A kernel that answers, or not, as a test says. */
class FakeKernel {
  status = 'idle';
  clientId = 'client';
  username = '';
  spec: Promise<{ language: string }>;
  snapshots: SnapshotReply[] = [];
  requests: number[] = [];
  knowsRequest = true;
  loadReply: object = { status: 'ok' };
  reconnects = 0;
  serverSettings = { baseUrl: 'http://localhost/' };
  loads: { code: string; silent: boolean; store_history: boolean }[] = [];
  connectionStatusChanged = new Signal<this, string>(this);
  /** Whether replies come: a connection that goes down may take them with it. */
  replies = true;

  constructor(language = 'python') {
    this.spec = Promise.resolve({ language });
  }

  sendControlMessage(message: { content: { page: number } }): Future {
    const { page } = message.content;
    this.requests.push(page);
    const future: Future = {
      onReply: () => undefined,
      onIOPub: () => undefined,
      done: new Promise(() => undefined),
      dispose: () => undefined
    };
    const idle = { header: { msg_type: 'status' }, content: { execution_state: 'idle' } };
    queueMicrotask(() => {
      if (!this.replies) {
        return;
      }
      if (this.knowsRequest) {
        future.onReply({ content: this.snapshots[page] });
      }
      future.onIOPub(idle);
    });
    return future;
  }

  reconnect(): Promise<void> {
    this.reconnects += 1;
    return Promise.resolve();
  }

  requestExecute(content: FakeKernel['loads'][number]): Pick<Future, 'done' | 'dispose'> {
    this.loads.push(content);
    const done = this.replies
      ? Promise.resolve({ content: this.loadReply })
      : new Promise(() => undefined);
    return { done, dispose: () => undefined };
  }
}

/** What KernelStream uses of a session context. */
class FakeContext {
  session: { kernel: FakeKernel } | null;
  kernelDisplayStatus = 'idle';
  ready = Promise.resolve();
  kernelChanged = new Signal<this, void>(this);
  statusChanged = new Signal<this, string>(this);
  connectionStatusChanged = new Signal<this, string>(this);
  iopubMessage = new Signal<this, unknown>(this);
  disposed = new Signal<this, void>(this);

  constructor(readonly kernel: FakeKernel) {
    this.session = { kernel };
  }

  say(message: StreamMessage | object): void {
    this.iopubMessage.emit({ header: { msg_type: 'greenllm_event' }, content: message });
  }

  connection(status: string): void {
    this.connectionStatusChanged.emit(status);
    this.kernel.connectionStatusChanged.emit(status);
  }

  turn(status: string): void {
    this.kernel.status = status;
    this.statusChanged.emit(status);
  }
}

function snapshot(messages: StreamMessage[], changes: Partial<SnapshotReply> = {}): SnapshotReply {
  return {
    status: 'ok',
    schema: 1,
    session_id: messages[0]?.session_id ?? SESSION,
    messages,
    next_page: null,
    ...changes
  };
}

function follow(kernel: FakeKernel): { stream: KernelStream; context: FakeContext } {
  const context = new FakeContext(kernel);
  return { stream: new KernelStream(context as unknown as ISessionContext), context };
}

const soon = () => vi.advanceTimersByTimeAsync(2000);

describe('a stream', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('asks for what was measured before the page joined, page by page', async () => {
    const kernel = new FakeKernel();
    kernel.snapshots = [
      snapshot([hello(), cell()], { next_page: 1 }),
      snapshot([cell({ cell_id: 'cell-2' })])
    ];
    const { stream } = follow(kernel);
    await soon();
    expect(kernel.requests).toEqual([0, 1]);
    expect(stream.session?.cells.size).toBe(2);
    expect(panelState(stream.facts)).toBe('measured');
  });

  it('knows a kernel that is not measured, and measures it on request', async () => {
    const kernel = new FakeKernel();
    kernel.knowsRequest = false;
    const { stream } = follow(kernel);
    expect(panelState(stream.facts)).toBe('asking');
    await soon();
    expect(panelState(stream.facts)).toBe('not measured');

    kernel.knowsRequest = true;
    kernel.snapshots = [snapshot([hello()])];
    void stream.measure();
    await soon();
    expect(kernel.loads).toMatchObject([
      { code: '%load_ext greenllm_kernel', silent: true, store_history: false }
    ]);
    expect(panelState(stream.facts)).toBe('waiting for the first cell');
  });

  it.each([
    ['ModuleNotFoundError', "No module named 'greenllm_kernel'", 'not installed'],
    ['ModuleNotFoundError', "No module named 'psutil'", 'failed'],
    ['RuntimeError', 'no', 'failed']
  ])('tells why measuring failed: %s, %s', async (ename, evalue, reason) => {
    const kernel = new FakeKernel();
    kernel.knowsRequest = false;
    kernel.loadReply = { status: 'error', ename, evalue };
    const { stream } = follow(kernel);
    await soon();
    void stream.measure();
    await soon();
    expect(stream.failure).toEqual({ reason, text: `${ename}: ${evalue}` });
    expect(stream.isLoading).toBe(false);
  });

  it('does not ask a kernel of another language', async () => {
    const kernel = new FakeKernel('R');
    const { stream } = follow(kernel);
    await soon();
    expect(kernel.requests).toEqual([]);
    expect(panelState(stream.facts)).toBe('not python');
  });

  it('is filled by messages alone where the kernel cannot answer', async () => {
    const kernel = new FakeKernel();
    kernel.sendControlMessage = () => ({
      onReply: () => undefined,
      onIOPub: () => undefined,
      done: new Promise(() => undefined),
      dispose: () => undefined
    });
    kernel.status = 'busy';
    const { stream, context } = follow(kernel);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(panelState(stream.facts)).toBe('not answering');
    context.say(hello({ seq: 900 }));
    context.say(cell({ seq: 901 }));
    expect(panelState(stream.facts)).toBe('measured');
  });

  it('begins anew when the kernel restarts, and takes nothing more of the old session', async () => {
    const kernel = new FakeKernel();
    kernel.snapshots = [snapshot([hello(), cell()])];
    const { stream, context } = follow(kernel);
    await soon();
    context.turn('restarting');
    expect(stream.session).toBeNull();
    expect(panelState(stream.facts)).toBe('kernel restarting');
    context.say(power({ seq: 99 }));
    expect(stream.session).toBeNull();

    kernel.snapshots = [snapshot([hello({ session_id: 'session-2' })])];
    context.turn('idle');
    await soon();
    expect(stream.session?.id).toBe('session-2');
    expect(stream.session?.cells.size).toBe(0);
  });

  it('drops an answer that belongs to the kernel before the restart', async () => {
    const kernel = new FakeKernel();
    kernel.snapshots = [snapshot([hello(), cell()])];
    const { stream, context } = follow(kernel);
    context.turn('restarting');
    await soon();
    expect(stream.session).toBeNull();
  });

  it('ignores messages that do not fit the schema', async () => {
    const kernel = new FakeKernel();
    kernel.knowsRequest = false;
    const { stream, context } = follow(kernel);
    await soon();
    const changed = vi.fn();
    stream.changed.connect(changed);
    context.say({ ...hello(), channels: 'all' });
    context.say({ ...cell(), name: { toString: 'x' } });
    context.iopubMessage.emit({ header: { msg_type: 'stream' }, content: hello() });
    expect(stream.session).toBeNull();
    expect(changed).not.toHaveBeenCalled();
  });

  it('asks again where the kernel is idle but a cell is still said to run', async () => {
    const kernel = new FakeKernel();
    kernel.snapshots = [snapshot([hello(), cell({ seq: 5 })])];
    const { stream, context } = follow(kernel);
    await soon();
    kernel.snapshots = [snapshot([hello({ seq: 8 }), cell({ seq: 9, status: 'ok' })])];
    context.turn('idle');
    await vi.advanceTimersByTimeAsync(5000);
    expect(stream.session?.isRunning).toBe(false);
  });

  it('asks anew for emissions when the carbon intensity in force becomes another one', async () => {
    const at = (place: string, value: number) => ({
      value_gco2e_per_kwh: value,
      interval_gco2e_per_kwh: [0.8 * value, 1.2 * value] as [number, number],
      place,
      source: 'a test',
      vintage: '2025'
    });
    const kernel = new FakeKernel();
    kernel.snapshots = [snapshot([hello({ intensity: at('world', 480) }), cell()])];
    const { stream, context } = follow(kernel);
    await soon();
    expect(kernel.requests).toEqual([0]);
    context.say(hello({ seq: 5, intensity: at('world', 480) }));
    await soon();
    expect(kernel.requests).toEqual([0]);
    const moved = [hello({ seq: 7, intensity: at('FR', 56) }), cell({ seq: 8, mass_gco2e: 0.001 })];
    kernel.snapshots = [snapshot(moved)];
    context.say(hello({ seq: 6, intensity: at('FR', 56) }));
    await soon();
    expect(kernel.requests).toEqual([0, 0]);
    expect(stream.session?.cells.get('cell-1')?.mass_gco2e).toBe(0.001);
  });

  describe('whose connection is lost', () => {
    const server = vi.spyOn(ServerConnection, 'makeRequest');
    afterEach(() => server.mockReset());

    async function lose(answer: () => Promise<Response>): Promise<ReturnType<typeof follow>> {
      const kernel = new FakeKernel();
      kernel.snapshots = [snapshot([hello(), cell()])];
      const followed = follow(kernel);
      await soon();
      server.mockImplementation(answer);
      followed.context.connection('connecting');
      return followed;
    }

    it('says that it reconnects, keeps its figures, and has the rest once it is back', async () => {
      const { stream, context } = await lose(() => Promise.resolve(new Response('{}')));
      await soon();
      expect(panelState(stream.facts)).toBe('reconnecting');
      expect(stream.session?.cells.size).toBe(1);

      context.kernel.snapshots = [snapshot([hello({ seq: 8 }), cell({ seq: 9, cell_id: 'b' })])];
      context.connection('connected');
      await soon();
      expect(panelState(stream.facts)).toBe('measured');
      expect(stream.session?.cells.size).toBe(2);
      server.mockClear();
      await vi.advanceTimersByTimeAsync(30_000);
      expect(server).not.toHaveBeenCalled();
    });

    it('asks again what was not answered before it was lost', async () => {
      const kernel = new FakeKernel();
      kernel.replies = false;
      kernel.snapshots = [snapshot([hello(), cell()])];
      const { stream, context } = follow(kernel);
      context.connection('connected');
      await soon();
      server.mockImplementation(() => Promise.resolve(new Response('{}')));
      context.connection('connecting');
      await soon();
      expect(panelState(stream.facts)).toBe('reconnecting');
      kernel.replies = true;
      context.connection('connected');
      await soon();
      expect(kernel.requests).toEqual([0, 0]);
      expect(panelState(stream.facts)).toBe('measured');
    });

    it('asks again for what came before it joined, though messages have come since', async () => {
      const kernel = new FakeKernel();
      kernel.replies = false;
      const { stream, context } = follow(kernel);
      context.connection('connected');
      context.say(hello({ seq: 900 }));
      await soon();
      server.mockImplementation(() => Promise.resolve(new Response('{}')));
      context.connection('connecting');
      await soon();
      kernel.replies = true;
      kernel.snapshots = [snapshot([hello({ seq: 901 }), cell({ seq: 902 })])];
      context.connection('connected');
      await soon();
      expect(stream.session?.cells.size).toBe(1);
    });

    it('while the kernel loads, ends the waiting, and sees afterwards whether it did', async () => {
      const kernel = new FakeKernel();
      kernel.knowsRequest = false;
      const { stream, context } = follow(kernel);
      context.connection('connected');
      await soon();
      kernel.replies = false;
      void stream.measure();
      await soon();
      expect(stream.isLoading).toBe(true);
      server.mockImplementation(() => Promise.resolve(new Response('{}')));
      context.connection('connecting');
      await soon();
      expect(stream.isLoading).toBe(false);
      expect(stream.failure).toEqual({ reason: 'no answer', text: '' });
      [kernel.replies, kernel.knowsRequest] = [true, true];
      kernel.snapshots = [snapshot([hello()])];
      context.connection('connected');
      await soon();
      expect(stream.failure).toBeNull();
      expect(panelState(stream.facts)).toBe('waiting for the first cell');
    });

    it('says where it is the server that is gone', async () => {
      const { stream } = await lose(() => Promise.reject(new TypeError('Failed to fetch')));
      await soon();
      expect(panelState(stream.facts)).toBe('server gone');
      server.mockImplementation(() => Promise.resolve(new Response('', { status: 503 })));
      await vi.advanceTimersByTimeAsync(5000);
      expect(panelState(stream.facts)).toBe('server gone');
      server.mockImplementation(() => Promise.resolve(new Response('', { status: 403 })));
      await vi.advanceTimersByTimeAsync(5000);
      expect(panelState(stream.facts)).toBe('reconnecting');
    });

    it('tries at once where the user wants it', async () => {
      const { stream, context } = await lose(() => Promise.resolve(new Response('{}')));
      void stream.askAgain();
      expect(context.kernel.reconnects).toBe(1);
    });
  });

  it('lets go of everything with its notebook', async () => {
    const kernel = new FakeKernel();
    const { stream, context } = follow(kernel);
    context.disposed.emit();
    context.say(hello());
    await soon();
    expect(stream.session).toBeNull();
    expect(stream.isDisposed).toBe(true);
  });
});
