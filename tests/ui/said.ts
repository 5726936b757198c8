/** Puts messages into a page as if its notebook's kernel had sent them: through JupyterLab's own reading of its socket. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type {
  CellMessage,
  ChannelDescription,
  HelloMessage,
  PowerMessage,
  TotalsMessage
} from '../../extension/src/messages';
import type { AnyPage } from './lab';

export type Said = HelloMessage | PowerMessage | CellMessage | TotalsMessage;

/** The session that speaks here; no kernel has that name for its own. */
export const SESSION = 'said';

const HEAD = { schema: 1, session_id: SESSION, seq: 1 } as const;

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

export function gpus(count: number): ChannelDescription[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `gpu:${index}`,
    component: 'gpu',
    label: `NVIDIA H200 ${index}`,
    meter: 'nvml',
    provenance: 'measured',
    inside: null,
    fault: null
  }));
}

export function hello(changes: Partial<HelloMessage> = {}): HelloMessage {
  return {
    ...HEAD,
    kind: 'hello',
    at_ms: 0,
    version: '0.1.0',
    host: 'node-1',
    measuring: true,
    ready: true,
    channels: gpus(1),
    unusable: [],
    intensity: {
      value_gco2e_per_kwh: 56,
      interval_gco2e_per_kwh: [40, 80],
      place: 'FR',
      source: 'Our World in Data',
      vintage: '2025'
    },
    warnings: [],
    ...changes
  };
}

export function power(changes: Partial<PowerMessage> = {}): PowerMessage {
  return {
    ...HEAD,
    kind: 'power',
    at_ms: 0,
    power_w: { 'gpu:0': 350 },
    total_w: 350,
    energy_j: 700,
    mass_gco2e: 0.011,
    running: [],
    ...changes
  };
}

export function cell(id: string, changes: Partial<CellMessage> = {}): CellMessage {
  return {
    ...HEAD,
    kind: 'cell',
    at_ms: 0,
    cell_id: id,
    name: `[1] ${id}`,
    stage: null,
    run_id: `run-${id}`,
    execution_count: 1,
    status: 'ok',
    settled: true,
    runs: 1,
    duration_s: 2,
    energy_j: 700,
    interval_j: [660, 740],
    provenance: 'measured',
    unavailable: [],
    mass_gco2e: 0.011,
    interval_gco2e: [0.007, 0.016],
    last_energy_j: 700,
    last_interval_j: [660, 740],
    ...changes
  };
}

export function totals(changes: Partial<TotalsMessage> = {}): TotalsMessage {
  return {
    ...HEAD,
    kind: 'totals',
    at_ms: 0,
    cells: 1,
    runs: 1,
    duration_s: 2,
    energy_j: 700,
    interval_j: [660, 740],
    provenance: 'measured',
    by_provenance_j: { measured: 700, derived: 0, estimated: 0 },
    unavailable: [],
    mass_gco2e: 0.011,
    interval_gco2e: [0.007, 0.016],
    ...changes
  };
}
