/** Badges on the cells of a notebook: they stay with their cells, whatever happens to these. */
import { galata } from '@jupyterlab/galata';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Locator } from '@playwright/test';
import {
  badgeOf,
  changeKernel,
  expect,
  keptRecord,
  LOAD,
  openNotebook,
  panelOf,
  reload,
  rowOf,
  runCell,
  runsFor,
  setPreference,
  test,
  type Lab
} from './lab';

const MANY = 300;

/** Run a command on a cell of the current notebook. */
async function onCell(page: Lab, index: number, command: string): Promise<void> {
  await page.evaluate(
    async ({ index, command }) => {
      const { content } = window.jupyterapp.shell.currentWidget as NotebookPanel;
      content.deselectAll();
      content.activeCellIndex = index;
      await window.jupyterapp.commands.execute(command);
    },
    { index, command }
  );
}

/** Run a cell of the current notebook and stay there. */
async function runInPlace(page: Lab, index: number): Promise<void> {
  await runCell(page, index);
  await onCell(page, index, 'notebook:enter-command-mode');
}

/** Scroll to a cell of the current notebook. */
async function goTo(page: Lab, index: number): Promise<void> {
  await page.evaluate(async index => {
    const { content } = window.jupyterapp.shell.currentWidget as NotebookPanel;
    content.activeCellIndex = index;
    await content.scrollToItem(index);
  }, index);
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

async function boxOf(locator: Locator): Promise<Box> {
  const box = await locator.boundingBox();
  expect(box).not.toBeNull();
  return box ?? { x: NaN, y: NaN, width: NaN, height: NaN };
}

/** Whether no point lies in both. */
function isApart(a: Box, b: Box): boolean {
  return (
    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
  );
}

/** The source of each cell that has a badge, from top to bottom. */
async function badged(page: Lab): Promise<string[]> {
  return page
    .locator('.jp-Notebook .jp-Cell:has(.greenllm-Badge)')
    .evaluateAll(cells => cells.map(cell => cell.querySelector('.cm-line')?.textContent ?? ''));
}

test('a measured cell has a badge, with its provenance in the tooltip', async ({
  page,
  tmpPath
}) => {
  const cells = [LOAD, runsFor(3), 'sum(range(9))'];
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, cells);
  await runCell(page, 0);
  await expect(page.locator('.greenllm-Badge')).toHaveCount(0);
  await runCell(page, 1, false);
  await expect(badgeOf(page, 1)).toHaveAttribute('data-running', 'true');
  await expect(badgeOf(page, 1)).toHaveAttribute('data-running', 'false');
  await expect(badgeOf(page, 1)).toContainText(/±.*J/);
  await expect(badgeOf(page, 1)).toHaveAttribute('title', /Measured[\s\S]*emissions: /);
  await expect(rowOf(panel, 'import time').locator('.greenllm-Cell-energy')).toHaveText(
    await badgeOf(page, 1).innerText()
  );
  // Selected, and so with the toolbar that JupyterLab puts on its right end.
  await runInPlace(page, 2);
  await expect(badgeOf(page, 2)).toBeVisible();
  const cell = page.locator('.jp-Cell[data-windowed-list-index="2"]');
  await expect(cell.locator('.jp-cell-toolbar')).toBeVisible();
  const badge = await boxOf(badgeOf(page, 2));
  for (const part of ['.jp-cell-toolbar', '.jp-InputArea', '.jp-OutputArea-output']) {
    const other = await boxOf(cell.locator(part).first());
    const where = `${part}: ${JSON.stringify([badge, other])}`;
    expect(isApart(badge, other), where).toBe(true);
  }
  for (const theme of ['Light', 'Dark']) {
    await page.theme.setTheme(`JupyterLab ${theme}`);
    await page.screenshot({ path: test.info().outputPath(`badges-${theme}.png`) });
  }
});

test('a badge goes with its cell: moved, cut, brought back, collapsed; a duplicate has none', async ({
  page,
  tmpPath
}) => {
  const cells = ['first = 1', 'second = 2', 'third = 3'];
  await openNotebook(page, `${tmpPath}/a.ipynb`, cells, 'greenllm');
  await runCell(page, 0);
  await expect(badgeOf(page, 0)).toBeVisible();

  await onCell(page, 0, 'notebook:move-cell-down');
  await expect.poll(() => badged(page)).toEqual(['first = 1']);
  await expect(badgeOf(page, 1)).toBeVisible();

  await onCell(page, 1, 'notebook:duplicate-below');
  await expect(page.locator('.jp-Notebook .jp-Cell')).toHaveCount(4);
  await expect(badgeOf(page, 1)).toBeVisible();
  await expect(page.locator('.greenllm-Badge')).toHaveCount(1);

  await onCell(page, 1, 'notebook:hide-cell-code');
  await expect(badgeOf(page, 1)).toBeVisible();
  await onCell(page, 1, 'notebook:show-cell-code');
  await expect(badgeOf(page, 1)).toBeVisible();

  await onCell(page, 1, 'notebook:delete-cell');
  await expect(page.locator('.greenllm-Badge')).toHaveCount(0);
  await onCell(page, 1, 'notebook:undo-cell-action');
  await expect.poll(() => badged(page)).toEqual(['first = 1']);
});

test('badges are there again after a reload, and end with their session', async ({
  page,
  tmpPath
}) => {
  await openNotebook(page, `${tmpPath}/a.ipynb`, ['first = 1', 'second = 2'], 'greenllm');
  await runCell(page, 0);
  await expect(badgeOf(page, 0)).toContainText('J');
  await page.notebook.save();
  await reload(page);
  await expect(badgeOf(page, 0)).toContainText('J');
  await changeKernel(page, 'restart');
  await expect(page.locator('.greenllm-Badge')).toHaveCount(0);
  await runCell(page, 1);
  await expect(badgeOf(page, 1)).toContainText('J');
  await expect(page.locator('.greenllm-Badge')).toHaveCount(1);
});

test('badges have the unit of the settings, and can be switched off and on', async ({
  page,
  tmpPath
}) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['first = 1'], 'greenllm');
  await runCell(page, 0);
  await expect(badgeOf(page, 0)).toContainText('J');
  await setPreference(page, 'energyUnit', 'watt-hour');
  await expect(badgeOf(page, 0)).toContainText('Wh');
  await expect(panel.locator('.greenllm-Cell-energy').last()).toContainText('Wh');
  await page.evaluate(() => window.jupyterapp.commands.execute('greenllm:toggle-badges'));
  await expect(page.locator('.greenllm-Badge')).toHaveCount(0);
  await page.evaluate(() => window.jupyterapp.commands.execute('greenllm:toggle-badges'));
  await expect(badgeOf(page, 0)).toBeVisible();
});

test.describe('where cells leave the page when they are scrolled away', () => {
  test.use({
    mockSettings: {
      ...galata.DEFAULT_SETTINGS,
      '@jupyterlab/notebook-extension:tracker': { windowingMode: 'full' }
    }
  });

  test('their badges leave with them and come back', async ({ page, tmpPath }) => {
    const sources = Array.from({ length: MANY }, (_, n) => `cell_${n} = ${n}\n\n\n`);
    const metadata = sources.map((_, n) => ({ greenllm: keptRecord(`cell-${n}`) }));
    await openNotebook(page, `${tmpPath}/a.ipynb`, sources, 'python3', metadata);
    await expect(badgeOf(page, 0)).toBeVisible();
    const attached = () => page.locator('.jp-Notebook .jp-Cell:visible').count();
    const shown = () => page.locator('.greenllm-Badge:visible').count();
    await expect.poll(async () => (await attached()) - (await shown())).toBe(0);
    expect(await attached()).toBeLessThan(MANY / 2);

    const last = `cell_${MANY - 1} = ${MANY - 1}`;
    await goTo(page, MANY - 1);
    await expect.poll(async () => (await badged(page)).at(-1)).toBe(last);
    await goTo(page, 0);
    await expect(badgeOf(page, 0)).toBeInViewport();
    await expect.poll(async () => (await attached()) - (await shown())).toBe(0);
    expect(await page.locator('.greenllm-Badge').count()).toBeLessThanOrEqual(
      await page.locator('.jp-Notebook .jp-Cell').count()
    );
    await expect(panelOf(page)).toBeVisible();
  });
});
