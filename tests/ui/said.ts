/** Puts messages into a page as if its notebook's kernel had sent them: through JupyterLab's own reading of its socket. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type {
  CellMessage,
  ChannelDescription,
  HelloMessage,
  PowerMessage,
  TotalsMessage
} from '../../extension/src/messages';
import * as made from '../../extension/tests/messages';
import type { AnyPage } from './lab';

export type Said = HelloMessage | PowerMessage | CellMessage | TotalsMessage;

/** The session that speaks here; no kernel has that name for its own. */
export const SESSION = 'said';

const HEAD = { session_id: SESSION, seq: 1, at_ms: 0 };

/** What a JupyterLab connection to a kernel has and its types do not show. */
interface Connection {
  readonly serverSettings: {
    readonly serializer: { serialize(message: unknown, protocol?: string): unknown };
  };
  readonly _ws: { readonly protocol: string };
  readonly _kernelSession: string;
  _onWSMessage(event: { data: unknown }): void;
}

/** Let the current notebook's kernel say these things, of whatever shape, one after the other. */
export async function say(page: AnyPage, contents: readonly unknown[]): Promise<void> {
  await page.evaluate(prepareToSay);
  // As text, as it comes over the wire: also what is deep, or has odd names.
  await page.evaluate(
    text => window.greenllmSay(JSON.parse(text) as unknown[]),
    JSON.stringify(contents)
  );
}

/** Give the page a function by which its own timers can make the kernel say things. */
export function prepareToSay(): void {
  window.greenllmSay = (contents, type = 'greenllm_event') => {
    const notebook = window.jupyterapp.shell.currentWidget as NotebookPanel;
    const kernel = notebook.sessionContext.session?.kernel as unknown as Connection;
    for (const content of contents) {
      const message = {
        channel: 'iopub',
        header: {
          msg_id: crypto.randomUUID(),
          msg_type: type,
          session: kernel._kernelSession,
          username: '',
          date: new Date().toISOString(),
          version: '5.3'
        },
        parent_header: {},
        metadata: {},
        content,
        buffers: []
      };
      const { protocol } = kernel._ws;
      const data = kernel.serverSettings.serializer.serialize(message, protocol);
      kernel._onWSMessage({ data });
    }
  };
}

declare global {
  interface Window {
    greenllmSay: (contents: readonly unknown[], type?: string) => void;
  }
}

export function gpus(count: number, limit_w: number | null = null): ChannelDescription[] {
  return Array.from({ length: count }, (_, index) =>
    made.channel({ id: `gpu:${index}`, label: `NVIDIA H200 ${index}`, limit_w })
  );
}

export function hello(changes: Partial<HelloMessage> = {}): HelloMessage {
  const intensity = {
    value_gco2e_per_kwh: 56,
    interval_gco2e_per_kwh: [40, 80] as [number, number],
    place: 'FR',
    source: 'Our World in Data',
    vintage: '2025'
  };
  return made.hello({ ...HEAD, channels: gpus(1), intensity, ...changes });
}

export function power(changes: Partial<PowerMessage> = {}): PowerMessage {
  return made.power({ ...HEAD, running: [], ...changes });
}

export function cell(id: string, changes: Partial<CellMessage> = {}): CellMessage {
  const its = { cell_id: id, name: `[1] ${id}`, run_id: `run-${id}`, execution_count: 1 };
  return made.cell({ ...HEAD, ...its, status: 'ok', settled: true, ...changes });
}

export function totals(changes: Partial<TotalsMessage> = {}): TotalsMessage {
  return made.totals({ ...HEAD, ...changes });
}
