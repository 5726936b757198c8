/** Tables, sums and downloads of the panel, with a real kernel, ledger and server. */
import { readFile } from 'node:fs/promises';
import type { Locator } from '@playwright/test';
import {
  amount,
  changeKernel,
  energyOf,
  expect,
  LOAD,
  openNotebook,
  panelOf,
  rowOf,
  runCell,
  runsFor,
  test,
  type Lab
} from './lab';
import { cell, hello, say, totals } from './said';

const MANY = 2000;
const WIDTHS = { narrow: 240, usual: 330, medium: 520, wide: 800 };
const API = '**/greenllm/api/**';

/** Tells the page of as many measured cells as the notebook has, as the kernel tells of its own. */
const TELL_OF_MANY = `
import time
from IPython import get_ipython
kernel = get_ipython().kernel
def tell(seq, number, status="ok"):
    energy_j = float((number * 7919) % ${MANY} + 1)
    kernel.session.send(kernel.iopub_socket, "greenllm_event", {
        "schema": 1, "kind": "cell", "session_id": "many", "seq": seq, "at_ms": time.time() * 1000,
        "cell_id": f"cell-{number}", "name": f"[{number}] step {number}", "stage": None, "run_id": f"run-{number}",
        "execution_count": number, "status": status, "settled": True, "runs": 1 + number % 3, "duration_s": 1 + number % 7,
        "energy_j": energy_j, "interval_j": [energy_j * 0.9, energy_j * 1.1], "provenance": "measured", "unavailable": [],
        "mass_gco2e": energy_j / 7200, "interval_gco2e": [energy_j / 9000, energy_j / 5000],
        "last_energy_j": energy_j, "last_interval_j": [energy_j * 0.9, energy_j * 1.1]})
for number in range(${MANY}):
    tell(number + 1, number)
    if number % 25 == 0:
        time.sleep(0.2)  # or the server drops some
`;
/** Tells of one of them 4 times a second, as of one that runs. */
const TELL_OF_ONE = `
for turn in range(40):
    tell(10_000 + turn, 7, "running")
    time.sleep(0.25)
`;

const WORK = (name: string, stage: string, seconds: number) =>
  `%%energy ${name} --stage ${stage}\n${runsFor(seconds)}`;

test('sorts, copies and downloads what cells cost, and sums it by stage', async ({
  page,
  tmpPath
}) => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [
    `${LOAD}\n%energy budget 100J`,
    // So far apart that no phase of the virtual meter's waves changes their order.
    WORK('prepare|data', 'preprocess', 0.2),
    WORK('train', 'train', 5),
    WORK('evaluate', 'evaluate', 2)
  ]);
  for (const index of [0, 1, 2, 3]) {
    await runCell(page, index);
  }
  const names = panel.locator('.greenllm-Cell-text');
  await expect(names).toHaveText([/prepare/, /train/, /evaluate/]);
  await expect(panel.locator('.greenllm-Stages li')).toHaveText([
    /preprocess/,
    /train/,
    /evaluate/
  ]);

  const budget = panel.getByRole('meter', { name: 'Energy budget of the session' });
  await expect(budget).toHaveAttribute('aria-valuetext', /^Over budget: used .* of 100 J$/);
  await panel.screenshot({ path: test.info().outputPath('budget.png') });

  await panel.getByRole('button', { name: 'Most energy first' }).click();
  await expect(names).toHaveText([/train/, /evaluate/, /prepare/]);
  const time = panel
    .getByRole('region', { name: 'Cells' })
    .getByRole('columnheader', { name: 'Time' });
  await time.getByRole('button').press('Enter');
  await time.getByRole('button').press('Enter');
  await expect(time).toHaveAttribute('aria-sort', 'ascending');
  await expect(names).toHaveText([/prepare/, /evaluate/, /train/]);

  await panel.getByRole('button', { name: 'Copy as Markdown' }).click();
  await expect(panel.getByRole('status').filter({ hasText: 'Copied' })).toBeVisible();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied.trimEnd().split('\n')).toHaveLength(5);
  expect(copied).toContain('prepare\\|data');

  const downloading = page.waitForEvent('download');
  await panel.locator('.greenllm-Cells').getByRole('button', { name: 'CSV' }).click();
  const download = await downloading;
  expect(download.url()).not.toContain('token');
  const csv = await readFile(await download.path(), 'utf8');
  expect(csv.trimEnd().split(/\r?\n/).length).toBeGreaterThanOrEqual(4);
  expect(csv).toContain('evaluate');
});

test('lists earlier sessions and their cells, also where no notebook is open', async ({
  page,
  tmpPath
}) => {
  const panel = await openNotebook(page, `${tmpPath}/b.ipynb`, [LOAD, WORK('earlier', 'train', 1)]);
  await runCell(page, 0);
  await runCell(page, 1);
  await expect.poll(() => energyOf(rowOf(panel, 'earlier'))).toBeGreaterThan(0);
  await expect(sumOf(panel, 'All time')).toContainText(/\d.*J/, { timeout: 30_000 });
  expect(amount(await sumOf(panel, 'All time').innerText())).toBeGreaterThan(0);

  await changeKernel(page, 'restart');
  await page.evaluate(() => window.jupyterapp.shell.currentWidget?.dispose());
  await expect(panel).toContainText('No notebook');
  await expect(sumOf(panel, 'Today')).toContainText(/\d.*J/);
  await panel.getByText('Earlier sessions').click();
  const session = panel.locator('.greenllm-Earlier li', { hasText: 'earlier' }).first();
  await session.locator('summary').click();
  const cells = session.locator('.greenllm-Earlier-cells li');
  await expect(cells).toHaveText([/earlier.*J/]);
  await panel.screenshot({ path: test.info().outputPath('no-notebook.png') });
});

test('names what is wrong with the server, and goes on when it is back', async ({ page }) => {
  let server: 'absent' | 'silent' | 'there' = 'absent';
  await page.route(API, route =>
    server === 'absent'
      ? route.fulfill({ status: 404, body: '' })
      : server === 'silent'
        ? route.abort()
        : route.continue()
  );
  await page.evaluate(() => window.jupyterapp.commands.execute('greenllm:open'));
  const panel = panelOf(page);
  await expect(panel.locator('[data-failure="absent"]').first()).toContainText('Install greenllm');
  await expect(panel.getByRole('button', { name: 'CSV' })).toHaveCount(0);
  await panel.screenshot({ path: test.info().outputPath('absent.png') });

  server = 'silent';
  await panel.getByRole('button', { name: 'Try again' }).first().click();
  await expect(panel.locator('[data-failure="no answer"]').first()).toContainText('try again');

  server = 'there';
  await panel.getByRole('button', { name: 'Try again' }).first().click();
  await expect(panel.locator('[data-failure]')).toHaveCount(0);
  await expect(sumOf(panel, 'All time')).toBeVisible();
});

test('is whole again where the panel is moved to the other side', async ({ page, tmpPath }) => {
  await openNotebook(page, `${tmpPath}/moved.ipynb`, ['1']);
  const panel = panelOf(page);
  const cells = Array.from({ length: 200 }, (_, index) => cell(`cell-${index}`));
  await say(page, [hello(), totals({ cells: 200 }), ...cells]);
  const rows = panel.locator('.greenllm-Rows');
  await rows.scrollIntoViewIfNeeded();
  await rows.evaluate(region => (region.scrollTop = region.scrollHeight));
  await expect(panel.locator('[data-cell-id="cell-199"]')).toBeInViewport();
  await page.evaluate(() => {
    const { shell } = window.jupyterapp;
    const moved = [...shell.widgets('right')].find(({ id }) => id === 'greenllm-panel');
    if (moved) {
      shell.add(moved, 'left');
      shell.activateById(moved.id);
    }
  });
  await expect(page.locator('#jp-left-stack #greenllm-panel')).toBeVisible();
  await rows.scrollIntoViewIfNeeded();
  await expect(panel.locator('[data-cell-id="cell-0"]')).toBeInViewport();
  await panel.screenshot({ path: test.info().outputPath('moved.png') });
});

test('holds two thousand cells', async ({ page, tmpPath }) => {
  test.setTimeout(180_000);
  const cells = [TELL_OF_MANY, TELL_OF_ONE, ...Array<string>(MANY - 2).fill('pass')];
  const panel = await openNotebook(page, `${tmpPath}/many.ipynb`, cells);
  await runCell(page, 0);
  const table = panel.getByRole('table', { name: 'Energy and emissions of each cell' });
  await expect(table).toHaveAttribute('aria-rowcount', String(MANY + 1), { timeout: 30_000 });
  expect(await panel.locator('.greenllm-Cell').count()).toBeLessThan(60);

  const cost = await costMeter(page);
  await page.evaluate(() => {
    (window.jupyterapp.shell as unknown as { collapseRight(): void }).collapseRight();
  });
  const opening_ms = await cost(() =>
    page.evaluate(() => window.jupyterapp.commands.execute('greenllm:open'))
  );
  const columns = await panel.locator('.greenllm-Column button').count();
  const sorting_ms: number[] = [];
  for (let column = 0; column < columns; column++) {
    // Not by a locator: that looks through the whole page.
    const click = () =>
      page.evaluate(index => {
        const buttons = document.querySelectorAll('#greenllm-panel .greenllm-Column button');
        (buttons[index] as HTMLElement).click();
      }, column);
    sorting_ms.push(await cost(click));
  }
  test.info().annotations.push({
    type: 'main thread, ms',
    description: `opening ${opening_ms.toFixed(0)}; sorting ${sorting_ms.map(ms => ms.toFixed(0)).join(', ')}`
  });
  console.log(test.info().annotations.at(-1)?.description);

  await panel.getByRole('columnheader', { name: 'Cell' }).getByRole('button').click();
  await panel
    .locator('.greenllm-Rows')
    .evaluate(region => (region.scrollTop = region.scrollHeight));
  await expect(panel.locator(`[data-cell-id="cell-${MANY - 1}"]`)).toBeVisible();
  await panel.locator(`[data-cell-id="cell-${MANY - 1}"] button`).click();
  await expect
    .poll(() =>
      page.evaluate(() => {
        const { currentWidget } = window.jupyterapp.shell;
        return (currentWidget as unknown as { content: { activeCellIndex: number } }).content
          .activeCellIndex;
      })
    )
    .toBe(MANY - 1);

  // A row out of view keeps the focus, and comes back with the keyboard.
  await panel.locator('.greenllm-Rows').evaluate(region => (region.scrollTop = 0));
  await expect(panel.locator('[data-cell-id="cell-0"]')).toBeVisible();
  await panel.locator(`[data-cell-id="cell-${MANY - 1}"] button`).press('Home');
  await expect(panel.locator('[data-cell-id="cell-0"] button')).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await expect(panel.locator('[data-cell-id="cell-1"] button')).toBeFocused();

  await runCell(page, 1, false);
  await expect(panel.locator('[data-cell-id="cell-7"]')).toContainText('running');
  for (const theme of ['Light', 'Dark']) {
    await page.theme.setTheme(`JupyterLab ${theme}`);
    for (const [name, width] of Object.entries(WIDTHS)) {
      await page.sidebar.setWidth(width, 'right');
      await page.waitForTimeout(400);
      await panel.screenshot({ path: test.info().outputPath(`many-${theme}-${name}.png`) });
    }
  }
});

/** Measures the CPU time of the page's main thread, until what was caused has been painted, ms. */
async function costMeter(page: Lab): Promise<(act: () => Promise<unknown>) => Promise<number>> {
  const [tab] = page.context().pages();
  if (!tab) {
    throw new Error('There is no page to measure.');
  }
  const devtools = await page.context().newCDPSession(tab);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent_ms = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return 1000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN);
  };
  const painted = () =>
    page.evaluate(() => new Promise(done => requestAnimationFrame(() => setTimeout(done))));
  return async act => {
    await painted();
    const before_ms = await spent_ms();
    await act();
    await painted();
    return (await spent_ms()) - before_ms;
  };
}

function sumOf(panel: Locator, name: string): Locator {
  return panel.locator('.greenllm-Sums li', { hasText: name });
}
