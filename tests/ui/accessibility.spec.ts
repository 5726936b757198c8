/** Whoever uses it: axe finds nothing in any state or theme, and the keyboard reaches and works everything. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Locator } from '@playwright/test';
import { violations } from './checks';
import {
  changeKernel,
  expect,
  LOAD,
  openNotebook,
  panelOf,
  rowOf,
  runCell,
  runsFor,
  stateOf,
  test,
  type Lab
} from './lab';
import { cell, gpus, hello, power, say, totals } from './said';

const THEMES = ['JupyterLab Light', 'JupyterLab Dark', 'JupyterLab Dark High Contrast'];

test('no violation in any state without figures', async ({ page, tmpPath }) => {
  test.slow();
  await page.evaluate(() => window.jupyterapp.commands.execute('greenllm:open'));
  const panel = panelOf(page);
  await expect(stateOf(panel, 'no notebook')).toBeVisible();
  await expectNoViolation(page);

  await openNotebook(page, `${tmpPath}/other.ipynb`, ['1'], 'other');
  await expect(stateOf(panel, 'not python')).toBeVisible();
  await expectNoViolation(page);

  await openNotebook(page, `${tmpPath}/a.ipynb`, [LOAD]);
  await expect(stateOf(panel, 'not measured')).toBeVisible();
  await expectNoViolation(page);

  for (const status of ['restarting', 'dead']) {
    await pretendStatus(page, status);
    await expect(stateOf(panel, `kernel ${status}`)).toBeVisible();
    await expectNoViolation(page);
  }
  await pretendStatus(page, 'idle');
  await runCell(page, 0);
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await expectNoViolation(page);

  await changeKernel(page, 'shut down');
  await expect(stateOf(panel, 'no kernel')).toBeVisible();
  await expectNoViolation(page);
});

test('no violation while a cell runs and when it has run', async ({ page, tmpPath }) => {
  test.slow();
  const cells = [LOAD, `%%energy train\n${runsFor(1)}`, runsFor(40)];
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, cells);
  await runCell(page, 0);
  await runCell(page, 1);
  await expect(page.locator('.jp-OutputArea .greenllm-Record')).toBeVisible();
  await expect(rowOf(panel, 'train')).toContainText('±');
  await expectNoViolation(page);
  await runCell(page, 2, false);
  await expect(rowOf(panel, 'import time')).toContainText('running');
  await page.locator('.greenllm-Record summary').click();
  await expectNoViolation(page);
});

test('no violation where much is wrong', async ({ page, tmpPath }) => {
  test.slow();
  const panel = await openNotebook(
    page,
    `${tmpPath}/a.ipynb`,
    ['sum(range(9))', '1 / 0'],
    'greenllm'
  );
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await sayThatMuchIsWrong(page);
  await expect(rowOf(panel, '1 / 0')).toContainText('error');
  await expect(panel).toContainText('begin with %%energy');
  await expectNoViolation(page);
});

test('everything is reached by the keyboard, and seen to be', async ({ page, tmpPath }) => {
  const panel = await openNotebook(
    page,
    `${tmpPath}/a.ipynb`,
    ['sum(range(9))', '1 / 0'],
    'greenllm'
  );
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await sayThatMuchIsWrong(page);
  await expect(rowOf(panel, '1 / 0')).toContainText('error');

  const wanted = await markControls(panel);
  expect(wanted).toBeGreaterThan(4);
  const reached = new Set<string>();
  await panel.locator('[data-control="0"]').focus();
  for (let step = 0; step <= wanted; step++) {
    const focus = await focusIn(panel);
    if (focus === null) {
      break;
    }
    expect(focus, `the focus on ${focus.name} is seen`).toMatchObject({ isSeen: true });
    reached.add(focus.control);
    await page.keyboard.press('Tab');
  }
  expect(reached.size).toBe(wanted);
  // Tab goes on from the last one: no trap.
  expect(await focusIn(panel)).toBeNull();
});

test('each row of the table has a cell for each name of a column', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['1'], 'greenllm');
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await say(page, [
    hello({ channels: gpus(1) }),
    cell('once', { name: '[1] once' }),
    cell('often', { name: '[2] often', runs: 3, seq: 2 }),
    cell('failed', { name: '[3] failed', status: 'error', seq: 3 }),
    cell('now', { name: '[4] now', status: 'running', seq: 4 })
  ]);
  await expect(rowOf(panel, 'now')).toContainText('running');
  for (const width of [240, 330, 620, 900]) {
    await page.sidebar.setWidth(width, 'right');
    const names = await heardIn(page, '.greenllm-Cell-names', 'columnheader');
    expect(names).toEqual(COLUMNS);
    for (const id of ['once', 'often', 'failed', 'now']) {
      const row = await heardIn(page, `[data-cell-id="${id}"]`, 'cell');
      expect(row, `${id} at ${width} px`).toHaveLength(names.length);
    }
  }
});

test('a cell is gone to, and details are opened, without a mouse', async ({ page, tmpPath }) => {
  const cells = ['sum(range(9))', `%%energy train\n${runsFor(1)}`];
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, cells, 'greenllm');
  await runCell(page, 0);
  await runCell(page, 1);
  await rowOf(panel, 'sum(range(9))').getByRole('button').first().focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('.jp-Cell.jp-mod-active')).toContainText('sum(range(9))');

  const card = page.locator('.jp-OutputArea .greenllm-Record');
  await card.locator('summary').focus();
  await page.keyboard.press('Enter');
  await expect(card.locator('table')).toBeVisible();
});

const COLUMNS = ['Cell', 'Status', 'Energy', 'Emissions', 'Runs', 'Time', 'Power', 'Provenance'];

/** The names of the elements of that role in the panel's element, as the browser tells them to a screen reader. */
async function heardIn(page: Lab, selector: string, role: string): Promise<string[]> {
  const [tab] = page.context().pages();
  if (!tab) {
    throw new Error('There is no page.');
  }
  const cdp = await page.context().newCDPSession(tab);
  const { root } = await cdp.send('DOM.getDocument', { depth: 0 });
  const { nodeId } = await cdp.send('DOM.querySelector', {
    nodeId: root.nodeId,
    selector: `#greenllm-panel ${selector}`
  });
  const { nodes } = await cdp.send('Accessibility.queryAXTree', { nodeId, role });
  await cdp.detach();
  return nodes.filter(node => !node.ignored).map(node => String(node.name?.value ?? ''));
}

/** Look at all our elements, wherever they are on the page, in each theme and with forced colours. */
async function expectNoViolation(page: Lab): Promise<void> {
  for (const theme of THEMES) {
    await page.theme.setTheme(theme);
    expect(await violations(page), theme).toEqual([]);
  }
  await page.emulateMedia({ forcedColors: 'active' });
  expect(await violations(page), 'forced colours').toEqual([]);
  await page.emulateMedia({ forcedColors: null });
}

/** Let the page believe that of its notebook's kernel. */
async function pretendStatus(page: Lab, status: string): Promise<void> {
  await page.evaluate(status => {
    const notebook = window.jupyterapp.shell.currentWidget as NotebookPanel;
    const { sessionContext } = notebook;
    const kernel = sessionContext.session?.kernel;
    if (kernel) {
      Object.defineProperty(kernel, 'status', { configurable: true, get: () => status });
    }
    const { _statusChanged } = sessionContext as unknown as {
      _statusChanged: { emit(status: string): void };
    };
    _statusChanged.emit(status);
  }, status);
}

async function sayThatMuchIsWrong(page: Lab): Promise<void> {
  const channels = gpus(4).map((gpu, index) => ({
    ...gpu,
    fault: index === 0 ? 'GPU is lost' : null,
    provenance: index === 1 ? ('estimated' as const) : gpu.provenance
  }));
  await say(page, [
    hello({
      measuring: false,
      channels,
      unusable: [{ meter: 'rapl', reason: 'permission denied', remedy: 'chmod a+r' }],
      warnings: ['The ledger cannot be written.']
    }),
    power({ power_w: { 'gpu:0': null, 'gpu:1': 120, 'gpu:2': 350 }, at_ms: Date.now() }),
    totals({ provenance: 'estimated', unavailable: ['gpu:0'], cells: 3, runs: 5 }),
    cell('cell-0', { name: '[1] sum(range(9))', runs: 3 }),
    cell('cell-1', { name: '[2] 1 / 0', status: 'error', seq: 2 }),
    cell('gone', { name: '[3] gone', status: 'interrupted', energy_j: null, interval_j: null })
  ]);
}

/** Number what can be worked in the panel, in its order; return how many there are. */
async function markControls(panel: Locator): Promise<number> {
  return panel.evaluate(node => {
    const controls = 'button, summary, a[href], input, select, textarea, [tabindex="0"]';
    const usable = [...node.querySelectorAll<HTMLElement>(controls)].filter(
      control => control.tabIndex >= 0 && !control.matches(':disabled') && control.checkVisibility()
    );
    usable.forEach((control, index) => (control.dataset.control = String(index)));
    return usable.length;
  });
}

interface Focus {
  control: string;
  name: string;
  isSeen: boolean;
}

/** What has the focus in the panel, and whether one can see it. */
async function focusIn(panel: Locator): Promise<Focus | null> {
  return panel.evaluate(node => {
    const focused = document.activeElement;
    if (!(focused instanceof HTMLElement) || !node.contains(focused)) {
      return null;
    }
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(focused);
    return {
      control: focused.dataset.control ?? '',
      name: focused.getAttribute('aria-label') ?? focused.textContent,
      isSeen: (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none'
    };
  });
}
