/** The panel survives what happens in a working day: crashes, restarts, other tabs, long absences, noise, company. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { BrowserContext, Page } from '@playwright/test';
import {
  amount,
  energyOf,
  expect,
  LOAD,
  notebookOf,
  openNotebook,
  panelOf,
  reload,
  rowOf,
  runCell,
  runsFor,
  showNotebook,
  stateOf,
  test,
  type AnyPage,
  type Lab
} from './lab';
import { cell, hello, power, prepareToSay, say, totals } from './said';
import { OwnServer } from './server';

const HOUR_MS = 3_600_000;

test('a kernel that crashes in mid-cell begins anew, with nothing', async ({ page, tmpPath }) => {
  const crash = `import os, time\ntime.sleep(1.5)\nos._exit(1)`;
  const cells = ['sum(range(9))', crash, runsFor(1)];
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, cells, 'greenllm');
  await runCell(page, 0);
  await expect(rowOf(panel, 'sum(range(9))')).toContainText('J');
  await runCell(page, 1, false);
  await expect(rowOf(panel, 'import os')).toContainText('running');

  await page.locator('.jp-Dialog .jp-mod-accept').click({ timeout: 30_000 });
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible({ timeout: 30_000 });
  await expect(panel.locator('[data-cell-id]')).toHaveCount(0);
  await runCell(page, 2);
  await expect(rowOf(panel, 'import time')).toContainText('J');
  await expect(panel.locator('[data-cell-id]')).toHaveCount(1);
});

test('a second tab on the notebook shows the same', async ({ page, tmpPath }) => {
  const path = `${tmpPath}/a.ipynb`;
  const cells = ['sum(range(9))', runsFor(3)];
  const panel = await openNotebook(page, path, cells, 'greenllm');
  await runCell(page, 0);
  await expect(rowOf(panel, 'sum(range(9))')).toContainText('J');

  const second = await open(page.context(), new URL(page.url()).origin, path);
  const other = panelOf(second);
  await expect(rowOf(other, 'sum(range(9))')).toContainText('J');
  await runCell(page, 1, false);
  await expect(rowOf(other, 'import time')).toContainText('running');
  await expect(rowOf(panel, 'import time')).toContainText('running');
  for (const each of [panel, other]) {
    await expect(rowOf(each, 'import time')).not.toContainText('running', { timeout: 30_000 });
  }
  await expect.poll(() => figuresOf(second)).toEqual(await figuresOf(page));
  await second.close();
});

test('three notebooks that run at once each have their own figures', async ({ page, tmpPath }) => {
  const names = ['first', 'second', 'third'];
  for (const name of names) {
    const cells = [`${name} = 1\n${runsFor(6)}`];
    await openNotebook(page, `${tmpPath}/${name}.ipynb`, cells, 'greenllm');
    await runCell(page, 0, false);
  }
  const panel = panelOf(page);
  for (const name of names) {
    await showNotebook(page, `${tmpPath}/${name}.ipynb`);
    await expect(panel.locator('[data-cell-id]')).toHaveCount(1);
    await expect(rowOf(panel, `${name} = 1`)).toContainText('J');
    await expect(rowOf(panel, `${name} = 1`)).not.toContainText('running', { timeout: 30_000 });
  }
});

test('an hour in a hidden tab is neither made up nor drawn at a run', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['1'], 'greenllm');
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  const now_ms = Date.now();
  await say(page, [
    hello(),
    cell('cell-0', { status: 'running', energy_j: 100, interval_j: [99, 101] }),
    power({ at_ms: now_ms, energy_j: 100 })
  ]);
  await expect(rowOf(panel, 'cell-0')).toContainText('100');

  await hide(page);
  await page.waitForTimeout(1000); // what was begun before is drawn
  const drawn = await whileDrawingIsCounted(page, async () => {
    await sayAnHourWithAGap(page, now_ms);
  });
  expect(drawn.hidden).toBe(0);
  expect(drawn.onReturn).toBeLessThan(5);
  // What the kernel said last, whatever was missed: 350 W for half an hour would have been 630 kJ.
  await expect(rowOf(panel, 'cell-0')).toContainText('1.234');
  expect(amount(await panel.locator('.greenllm-Totals-energy').innerText())).toBeCloseTo(1234, -1);
});

test('figures are right again after a cell that printed too much', async ({ page, tmpPath }) => {
  test.slow();
  const noise = `from time import monotonic
end = monotonic() + 5
while monotonic() < end:
    display(0)`;
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [noise, runsFor(1)], 'greenllm');
  await runCell(page, 0, false);
  await expect.poll(() => outputOf(page, 0), { timeout: 30_000 }).toContain('rate exceeded');
  const row = rowOf(panel, 'from time');
  await expect(row).not.toContainText('running', { timeout: 30_000 });
  await runCell(page, 1);
  await expect(rowOf(panel, 'import time')).not.toContainText('running');
  // About a second of 690 W is the least that five seconds can have taken.
  expect(await energyOf(row)).toBeGreaterThan(690);
  const before = await lastFiguresOf(page);
  // What a page that joins shows is the kernel's own account.
  await page.notebook.save();
  await reload(page);
  await expect.poll(() => figuresOf(page)).toEqual(before);
});

test('a server that goes away and comes back', async ({ browser }) => {
  test.setTimeout(180_000);
  const server = await OwnServer.start();
  const context = await browser.newContext({ extraHTTPHeaders: server.headers });
  try {
    await upload(context, server, 'a.ipynb', [LOAD, runsFor(60), 'sum(range(9))']);
    const page = await open(context, server.url, 'a.ipynb');
    const panel = panelOf(page);
    await runCell(page, 0);
    await runCell(page, 1, false);
    await expect(panel.locator('.greenllm-Power-value[data-live="true"]')).toBeVisible();

    await server.stop();
    // Nothing that is no longer known is shown as the present.
    await expect(panel.locator('.greenllm-Power-value[data-live="true"]')).toHaveCount(0);
    await server.start();
    await dismissDialogs(page);
    await expect(panel.locator('.greenllm-State')).toBeVisible({ timeout: 90_000 });
    // JupyterLab must first find out that the session of before is gone.
    await expect(() => startKernel(page)).toPass({ timeout: 60_000 });
    await expect(stateOf(panel, 'not measured')).toBeVisible({ timeout: 30_000 });
    await runCell(page, 0);
    await runCell(page, 2);
    await expect(rowOf(panel, 'sum(range(9))')).toContainText('J');
  } finally {
    await context.close();
    await server.dispose();
  }
});

test('two people in one notebook see the same, once', async ({ browser }) => {
  test.setTimeout(180_000);
  const server = await OwnServer.start({ GREENLLM_UI_COLLABORATION: '1' });
  const contexts = await Promise.all(
    [0, 1].map(() => browser.newContext({ extraHTTPHeaders: server.headers }))
  );
  try {
    const [mine, theirs] = contexts as [BrowserContext, BrowserContext];
    await upload(mine, server, 'a.ipynb', [LOAD, runsFor(3)]);
    const first = await open(mine, server.url, 'a.ipynb');
    expect(await isCollaborating(first)).toBe(true);
    const second = await open(theirs, server.url, 'a.ipynb');
    await runCell(first, 0);
    await runCell(first, 1, false);
    for (const page of [first, second]) {
      await expect(rowOf(panelOf(page), 'import time')).toContainText('running');
    }
    for (const page of [first, second]) {
      const row = rowOf(panelOf(page), 'import time');
      await expect(row).not.toContainText('running', { timeout: 30_000 });
      await expect(row).toHaveCount(1);
    }
    // The sum comes a moment after the row, and to each page in its own time.
    await expect
      .poll(async () => {
        const told = (await Promise.all([first, second].map(figuresOf))).flat();
        return [told.length, new Set(told).size];
      })
      .toEqual([4, 1]);
    for (const page of [first, second]) {
      expect(await metadataOf(page)).not.toContain('greenllm');
    }
  } finally {
    await Promise.all(contexts.map(context => context.close()));
    await server.dispose();
  }
});

/** Open a notebook in a page without Galata's help. */
async function open(context: BrowserContext, origin: string, path: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${origin}/lab/workspaces/own-${Date.now()}?reset`);
  await page.waitForFunction(() => 'jupyterapp' in window);
  await page.evaluate(() => window.jupyterapp.restored);
  await showNotebook(page, path);
  return page;
}

async function upload(
  context: BrowserContext,
  server: OwnServer,
  path: string,
  cells: readonly string[]
): Promise<void> {
  const content = JSON.parse(notebookOf(cells, 'python3')) as unknown;
  const data = { type: 'notebook', format: 'json', content };
  const response = await context.request.put(`${server.url}/api/contents/${path}`, { data });
  expect(response.ok()).toBe(true);
}

/** What the panel says of energy, by cell and in all. */
/** The figures once they have stayed as they are: the last run is settled, and its totals have come. */
async function lastFiguresOf(page: Lab): Promise<string[]> {
  let figures = await figuresOf(page);
  await expect(async () => {
    const earlier = figures;
    await page.waitForTimeout(2000);
    figures = await figuresOf(page);
    expect(figures).toEqual(earlier);
  }).toPass();
  return figures;
}

async function figuresOf(page: AnyPage): Promise<string[]> {
  const panel = panelOf(page);
  const places = ['.greenllm-Cell-energy', '.greenllm-Totals-energy'];
  return (await Promise.all(places.map(place => panel.locator(place).allInnerTexts()))).flat();
}

/** Keep the page from having frames, as a browser does with a tab that is not in front. */
async function hide(page: Lab): Promise<void> {
  await page.evaluate(() => {
    const frames = new Map<number, FrameRequestCallback>();
    const original = {
      request: window.requestAnimationFrame.bind(window),
      cancel: window.cancelAnimationFrame.bind(window)
    };
    let count = 1_000_000;
    window.requestAnimationFrame = callback => {
      frames.set(++count, callback);
      return count;
    };
    window.cancelAnimationFrame = handle => void frames.delete(handle);
    Object.defineProperty(document, 'visibilityState', { configurable: true, value: 'hidden' });
    Object.defineProperty(document, 'hidden', { configurable: true, value: true });
    document.dispatchEvent(new Event('visibilitychange'));
    window.greenllmShow = () => {
      window.requestAnimationFrame = original.request;
      window.cancelAnimationFrame = original.cancel;
      delete (document as { visibilityState?: unknown }).visibilityState;
      delete (document as { hidden?: unknown }).hidden;
      document.dispatchEvent(new Event('visibilitychange'));
      frames.forEach(callback => original.request(callback));
    };
  });
}

/** How often the panel was drawn while the tab was hidden, and in the two seconds after its return. */
async function whileDrawingIsCounted(
  page: Lab,
  act: () => Promise<void>
): Promise<{ hidden: number; onReturn: number }> {
  await page.evaluate(() => {
    window.greenllmDraws = 0;
    const panel = document.querySelector('#greenllm-panel');
    // All that one drawing changes comes at once.
    const observer = new MutationObserver(() => (window.greenllmDraws += 1));
    if (panel) {
      observer.observe(panel, { subtree: true, childList: true, characterData: true });
    }
  });
  await act();
  const hidden = await page.evaluate(() => window.greenllmDraws);
  await page.evaluate(() => window.greenllmShow());
  await page.waitForTimeout(2000);
  const all = await page.evaluate(() => window.greenllmDraws);
  return { hidden, onReturn: all - hidden };
}

/** An hour at four messages a second, of which those of the first half are lost. */
async function sayAnHourWithAGap(page: Lab, from_ms: number): Promise<void> {
  await page.evaluate(prepareToSay);
  const heard = HOUR_MS / 250 / 2;
  for (let first = 0; first < heard; first += 400) {
    const messages = Array.from({ length: 400 }, (_, offset) =>
      power({ at_ms: from_ms + HOUR_MS / 2 + 250 * (first + offset), energy_j: 1200, seq: 2 })
    );
    await say(page, messages);
  }
  const last = { energy_j: 1234, interval_j: [1233, 1235] as [number, number], seq: 3 };
  await say(page, [cell('cell-0', { ...last, status: 'ok' }), totals(last)]);
}

/** What a cell has put out, as text; the page itself shows but the first of it. */
async function outputOf(page: Lab, index: number): Promise<string> {
  return page.evaluate(index => {
    const { content } = window.jupyterapp.shell.currentWidget as NotebookPanel;
    return JSON.stringify(content.widgets[index]?.model.toJSON());
  }, index);
}

async function dismissDialogs(page: Page): Promise<void> {
  await page.addLocatorHandler(page.locator('.jp-Dialog'), async () => {
    await page.locator('.jp-Dialog .jp-Dialog-button').first().click();
  });
}

async function startKernel(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const { currentWidget } = window.jupyterapp.shell;
    const { sessionContext } = currentWidget as NotebookPanel;
    await sessionContext.changeKernel({ name: 'python3' });
  });
}

async function isCollaborating(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const { currentWidget } = window.jupyterapp.shell;
    return (currentWidget as NotebookPanel).content.model?.collaborative ?? false;
  });
}

/** The metadata of the current notebook and of its cells, as text. */
async function metadataOf(page: Page): Promise<string> {
  return page.evaluate(() => {
    const { currentWidget } = window.jupyterapp.shell;
    const { content } = currentWidget as NotebookPanel;
    const cells = content.widgets.map(({ model }) => model.metadata);
    return JSON.stringify([content.model?.metadata, cells]);
  });
}

declare global {
  interface Window {
    greenllmShow: () => void;
    greenllmDraws: number;
  }
}
