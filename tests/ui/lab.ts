/** What the tests do in JupyterLab: open notebooks with a kernel, run cells, look at the panel. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import {
  test as galata,
  type JupyterLabPage,
  type IJupyterLabPageFixture
} from '@jupyterlab/galata';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { expect, type Locator, type Page } from '@playwright/test';

export { expect };

/** What the browser itself writes of a request that a test has refused; the panel shows it as a state. */
const REFUSED = /^Failed to load resource.*greenllm\/api\//;

export type Lab = IJupyterLabPageFixture;

/** Galata's page, or one without its help. */
export type AnyPage = Pick<Page, 'evaluate' | 'locator'>;

declare global {
  interface Window {
    jupyterapp: JupyterFrontEnd;
  }
}

/** Galata's page, with real kernels, and a failure where our code writes an error to the console. */
export const test = galata.extend({
  // Mocked kernels and sessions do not survive a restart of the kernel.
  kernels: null as never,
  sessions: null as never,
  page: async ({ page, tmpPath }, use) => {
    const errors: string[] = [];
    page.on('console', message => {
      const text = message.text();
      if (message.type() === 'error' && isOurs(`${text} ${message.location().url}`)) {
        errors.push(text);
      }
    });
    page.on('pageerror', error => {
      if (isOurs(`${error.message} ${error.stack ?? ''}`)) {
        errors.push(error.message);
      }
    });
    await use(page);
    await shutDownKernels(page, tmpPath);
    expect(errors).toEqual([]);
  }
});

/** Loads GreenLLM by hand, as a first cell. */
export const LOAD = '%load_ext greenllm_kernel';

/** A cell that runs for about this long and gives the interpreter lock back all the time. */
export function runsFor(seconds: number): string {
  return `import time\nfor step in range(${seconds * 20}):\n    time.sleep(0.05)`;
}

/**
 * Open a notebook of these cells with a running kernel, and the panel beside it.
 *
 * @param metadata - Of each cell.
 */
export async function openNotebook(
  page: Lab,
  path: string,
  cells: readonly string[],
  kernel = 'python3',
  metadata: readonly object[] = []
): Promise<Locator> {
  await page.contents.uploadContent(notebookOf(cells, kernel, metadata), 'text', path);
  return showNotebook(page, path);
}

/** Open a notebook that is there, with a running kernel, and the panel beside it. */
export async function showNotebook(page: AnyPage, path: string): Promise<Locator> {
  await page.evaluate(async path => {
    const { commands } = window.jupyterapp;
    const notebook = (await commands.execute('docmanager:open', { path })) as NotebookPanel;
    await notebook.context.sessionContext.ready;
    await notebook.revealed;
    await notebook.context.sessionContext.session?.kernel?.info;
    await commands.execute('greenllm:open');
  }, path);
  return panelOf(page);
}

/** Run a cell of the current notebook; wait for its end unless told not to. */
export async function runCell(page: AnyPage, index: number, wait = true): Promise<void> {
  await page.evaluate(
    async ({ index, wait }) => {
      const notebook = window.jupyterapp.shell.currentWidget as NotebookPanel;
      notebook.content.activeCellIndex = index;
      const run = window.jupyterapp.commands.execute('notebook:run-cell');
      if (wait) {
        await run;
      }
    },
    { index, wait }
  );
}

/** Do something with the session of the current notebook. */
export async function changeKernel(page: AnyPage, how: 'restart' | 'shut down'): Promise<void> {
  await page.evaluate(async how => {
    const notebook = window.jupyterapp.shell.currentWidget as NotebookPanel;
    const context = notebook.sessionContext;
    await (how === 'restart' ? context.restartKernel() : context.shutdown());
  }, how);
}

/** Load the page again, also while a cell runs: the kernel then answers nothing until it has ended. */
export async function reload(page: Lab, opensPanel = true): Promise<void> {
  const lab: Pick<JupyterLabPage, 'reload'> = page;
  await lab.reload({ waitForIsReady: false });
  if (opensPanel) {
    await page.evaluate(() => window.jupyterapp.commands.execute('greenllm:open'));
  }
}

/** Bring an open notebook to the front. */
export async function switchTo(page: AnyPage, path: string): Promise<void> {
  await page.evaluate(async path => {
    await window.jupyterapp.commands.execute('docmanager:open', { path });
  }, path);
}

/** Change one of GreenLLM's settings, as the settings editor does. */
export async function setPreference(
  page: Lab,
  key: string,
  value: string | number | boolean
): Promise<void> {
  await page.evaluate(
    async ({ key, value }) => {
      const { galata } = window as unknown as {
        galata: { getPlugin(id: string): Promise<ISettingRegistry> };
      };
      const registry = await galata.getPlugin('@jupyterlab/apputils-extension:settings');
      await registry.set('greenllm:panel', key, value);
    },
    { key, value }
  );
}

/** The badge of a cell of the current notebook. */
export function badgeOf(page: Lab, index: number): Locator {
  return page
    .locator(`.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell[data-windowed-list-index="${index}"]`)
    .locator('.greenllm-Badge');
}

/** A record with these changes. */
export function recordOf(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    schema: 1,
    run_id: 'run',
    parent_run_id: null,
    session_id: 'session',
    name: 'train',
    stage: null,
    cell_id: null,
    execution_count: 1,
    status: 'ok',
    host: 'node-1',
    started_at: '2026-01-31T01:02:03.456Z',
    duration_s: 1,
    settled: true,
    energy: {
      gross_j: 700,
      interval_j: [660, 740],
      repeatability_interval_j: [690, 710],
      idle_j: null,
      net_j: null,
      net_interval_j: null,
      share_j: null,
      provenance: 'measured',
      by_provenance_j: { measured: 700, derived: 0, estimated: 0 },
      unavailable: []
    },
    channels: [],
    emissions: null,
    units: {},
    self: { overhead_s: 0, sampler_cpu_s: 0 },
    ...changes
  };
}

/** A record as a notebook keeps it, of an earlier session. */
export function keptRecord(cellId: string): object {
  return recordOf({
    run_id: '',
    session_id: '',
    name: 'earlier',
    cell_id: cellId,
    host: '',
    started_at: '2026-01-31T12:00:00.000Z',
    duration_s: 2
  });
}

export function panelOf(page: AnyPage): Locator {
  return page.locator('#greenllm-panel');
}

/** The panel's state of that name. */
export function stateOf(panel: Locator, state: string): Locator {
  return panel.locator(`.greenllm-State[data-state="${state}"]`);
}

/** The panel's row of the cell that begins with these words. */
export function rowOf(panel: Locator, words: string): Locator {
  return panel.locator('[data-cell-id]', { hasText: words });
}

/** The energy of a row, J. */
export async function energyOf(row: Locator): Promise<number> {
  return amount(await row.locator('.greenllm-Cell-energy').innerText());
}

/** The emissions of a row, g. */
export async function emissionsOf(row: Locator): Promise<number> {
  return amount(await row.locator('.greenllm-Cell-emissions').innerText());
}

/** The amount in a text such as "12.3 ± 0.4 kJ", in the unit without prefix; NaN where there is none. */
export function amount(text: string): number {
  const found = /([\d.]+).*?([µmkMG]?)(J|g|W)\b/.exec(text);
  const factors: Record<string, number> = { µ: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9 };
  return found ? Number(found[1]) * (factors[found[2] ?? ''] ?? NaN) : NaN;
}

/** Shut down the kernels of the notebooks in this folder: other tests may run beside this one. */
async function shutDownKernels(page: Lab, folder: string): Promise<void> {
  const { request } = page.context();
  const base = await page.evaluate(() => window.location.origin);
  const response = await request.get(`${base}/api/sessions`);
  const sessions = (await response.json()) as { id: string; path: string }[];
  const own = sessions.filter(({ path }) => path.startsWith(folder));
  await Promise.all(own.map(({ id }) => request.delete(`${base}/api/sessions/${id}`)));
}

export function notebookOf(
  cells: readonly string[],
  kernel: string,
  metadata: readonly object[] = []
): string {
  return JSON.stringify({
    cells: cells.map((source, index) => ({
      cell_type: 'code',
      id: `cell-${index}`,
      source,
      metadata: metadata[index] ?? {},
      outputs: [],
      execution_count: null
    })),
    metadata: { kernelspec: { name: kernel, display_name: kernel } },
    nbformat: 4,
    nbformat_minor: 5
  });
}

function isOurs(text: string): boolean {
  return /greenllm/i.test(text) && !REFUSED.test(text);
}
