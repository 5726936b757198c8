/** The charts, driven as a person does: by pointer and by keyboard. */
import type { Locator } from '@playwright/test';
import { expect, LOAD, openNotebook, runCell, runsFor, test, type Lab } from './lab';

const CLOCK = /\d\d:\d\d:\d\d/;

function powerChart(panel: Locator): Locator {
  return panel.getByRole('application', { name: 'Power' });
}

function tool(panel: Locator, name: string): Locator {
  return panel.locator('.greenllm-ChartTools').getByRole('button', { name, exact: true });
}

function stateLine(panel: Locator): Locator {
  return panel.locator('.greenllm-ChartTools-state');
}

/** What is on the canvas. */
async function pictureOf(chart: Locator): Promise<string> {
  return chart.locator('canvas').evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());
}

/** A notebook whose cell has run for some seconds and goes on. */
async function openRunning(page: Lab, path: string, seconds: number): Promise<Locator> {
  const panel = await openNotebook(page, path, [LOAD, runsFor(seconds)]);
  await runCell(page, 0);
  await runCell(page, 1, false);
  await expect(powerChart(panel).locator('canvas')).toBeVisible();
  await expect(panel.locator('.greenllm-Power-value')).toContainText('W');
  return panel;
}

test('a paused picture stands still while measuring goes on', async ({ page, tmpPath }) => {
  const panel = await openRunning(page, `${tmpPath}/a.ipynb`, 12);
  const chart = powerChart(panel);
  await tool(panel, 'Pause').click();
  await expect(stateLine(panel)).toContainText(/Paused at .*; measuring goes on/);
  const [before, energy] = [await pictureOf(chart), panel.locator('.greenllm-Totals-energy')];
  const early = await energy.innerText();
  await expect(energy).not.toHaveText(early);
  expect(await pictureOf(chart)).toBe(before);
  await tool(panel, 'Resume').click();
  await expect(stateLine(panel)).toHaveText('');
  await expect.poll(() => pictureOf(chart)).not.toBe(before);
});

test('dragging zooms, and a button shows all again', async ({ page, tmpPath }) => {
  const panel = await openRunning(page, `${tmpPath}/a.ipynb`, 6);
  const chart = powerChart(panel);
  const box = (await chart.locator('.u-over').boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
  const middle = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.05, middle);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.25, middle, { steps: 4 });
  await page.mouse.up();
  await expect(stateLine(panel)).toContainText(/Zoomed: .* to /);
  await tool(panel, 'Reset zoom').click();
  await expect(stateLine(panel)).toHaveText('');
  await expect(tool(panel, 'Reset zoom')).toHaveCount(0);
});

test('keys zoom, move and show all again', async ({ page, tmpPath }) => {
  const panel = await openRunning(page, `${tmpPath}/a.ipynb`, 8);
  await expect(panel.locator('.greenllm-Power-value')).toHaveText('at rest');
  const chart = powerChart(panel);
  await chart.focus();
  await expect(panel.locator('.greenllm-Charts-keys')).toContainText('Arrow keys');
  for (let count = 0; count < 4; count++) {
    await page.keyboard.press('+');
  }
  await expect(stateLine(panel)).toContainText('Zoomed');
  const inTheMiddle = await stateLine(panel).innerText();
  // Far enough for the seconds that are told to be others.
  for (let count = 0; count < 4; count++) {
    await page.keyboard.press('ArrowLeft');
  }
  await expect(stateLine(panel)).not.toHaveText(inTheMiddle);
  for (let count = 0; count < 4; count++) {
    await page.keyboard.press('ArrowRight');
  }
  await expect(stateLine(panel)).toHaveText(inTheMiddle);
  await page.keyboard.press('Escape');
  await expect(stateLine(panel)).toHaveText('');
});

test('cells are marked on the time axis, and lead to the notebook', async ({ page, tmpPath }) => {
  const cells = [
    LOAD,
    `first = 1\n${runsFor(2)}`,
    `second = 1\n${runsFor(3)}`,
    `third = 1\n${runsFor(9)}`
  ];
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, cells);
  for (const index of [0, 1, 2]) {
    await runCell(page, index);
  }
  await runCell(page, 3, false);
  const bands = panel.locator('.greenllm-Bands');
  await expect(bands.getByRole('button', { name: /third.*running since/ })).toBeVisible();
  const first = bands.getByRole('button', { name: /first/ });
  await expect(first).toHaveAccessibleName(new RegExp(`${CLOCK.source} to ${CLOCK.source}`));
  await first.hover();
  await expect(panel.locator('.greenllm-Bands-note')).toContainText('first');
  await first.click();
  await expect(page.locator('.jp-Cell.jp-mod-active')).toContainText('first = 1');
  await first.focus();
  await page.keyboard.press('ArrowRight');
  await expect(bands.getByRole('button', { name: /second/ })).toBeFocused();
  await expect(panel.locator('.greenllm-Bands-note')).toContainText('second');
  await page.screenshot({ path: test.info().outputPath('bands.png') });
});

test('each chart is a table, too, with a row where nothing was measured', async ({
  page,
  tmpPath
}) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [LOAD, runsFor(2)]);
  await runCell(page, 0);
  await runCell(page, 1);
  await expect(panel.locator('.greenllm-Power-value')).toHaveText('at rest');
  await page.waitForTimeout(1500);
  await runCell(page, 1);
  await expect(panel.locator('.greenllm-Power-value')).toHaveText('at rest');
  await expect(panel.locator('.greenllm-Heard table')).toHaveCount(2);

  await tool(panel, 'Table').click();
  await expect(panel.locator('.greenllm-Chart canvas')).toHaveCount(0);
  const table = panel.getByRole('region', { name: 'Power over time' }).getByRole('table');
  await expect(table).toHaveAccessibleName(/Power over time, latest last/);
  await expect(table.getByRole('columnheader')).toHaveText([
    'Time',
    'Total',
    'GPU 0',
    'GPU 1',
    'CPU'
  ]);
  await expect(table.getByRole('row', { name: 'then nothing was measured' })).toHaveCount(1);
  await expect(table.getByRole('rowheader').first()).toHaveText(CLOCK);
  expect(await table.getByRole('row').count()).toBeLessThanOrEqual(21);
  await page.screenshot({ path: test.info().outputPath('table.png') });
  await tool(panel, 'Table').click();
  await expect(panel.locator('.greenllm-Chart canvas')).toHaveCount(2);
});

test('the parts are drawn apart or on top of one another', async ({ page, tmpPath }) => {
  const panel = await openRunning(page, `${tmpPath}/a.ipynb`, 6);
  await expect(panel.locator('.greenllm-Power-value')).toHaveText('at rest');
  const chart = powerChart(panel);
  await expect(tool(panel, 'Stacked')).toHaveAttribute('aria-pressed', 'false');
  const apart = await pictureOf(chart);
  await tool(panel, 'Stacked').click();
  await expect(tool(panel, 'Stacked')).toHaveAttribute('aria-pressed', 'true');
  await expect.poll(() => pictureOf(chart)).not.toBe(apart);
  await page.screenshot({ path: test.info().outputPath('stacked.png') });
});

test('what is heard of the power does not come all the time', async ({ page, tmpPath }) => {
  const panel = await openRunning(page, `${tmpPath}/a.ipynb`, 14);
  const said = panel.locator('.greenllm-Announcement');
  await expect(said).toHaveText(/Power [\d.]+ k?W\./);
  const changes = await said.evaluate(async node => {
    let count = 0;
    const observer = new MutationObserver(records => (count += records.length));
    observer.observe(node, { childList: true, characterData: true, subtree: true });
    await new Promise(resolve => setTimeout(resolve, 8000));
    observer.disconnect();
    return count;
  });
  expect(changes).toBeLessThanOrEqual(2);
});
