/** What works where there is no sidebar: widgets and the line of a running cell. */
import { changeKernel, expect, LOAD, openNotebook, runCell, runsFor, test } from './lab';

const SLEEPS = 'import time\ntime.sleep(6)';

test('LivePower changes while a cell sleeps, and comes to rest', async ({ page, tmpPath }) => {
  const widgets = 'from greenllm_kernel import CellEnergy, LivePower\n';
  await openNotebook(page, `${tmpPath}/a.ipynb`, [
    LOAD,
    `${widgets}display(LivePower(), CellEnergy())`,
    SLEEPS
  ]);
  await runCell(page, 0);
  await runCell(page, 1);
  const widget = page.locator('.jp-OutputArea .widget-html');
  const [power, cells] = [widget.nth(0), widget.nth(1)];
  await expect(power).toContainText('At rest');

  await runCell(page, 2, false);
  const busy = page.locator('.jp-Cell').nth(2).locator('.jp-InputPrompt');
  await expect(power).toContainText(/\d W now/);
  await expect(power.locator('svg')).toBeVisible();
  await expect(cells).toContainText('running');
  const early = await power.innerText();
  await expect.poll(() => power.innerText()).not.toBe(early);
  await expect(busy).toHaveText('[*]:');
  await page.screenshot({ path: test.info().outputPath('widgets.png') });

  await expect(busy).not.toHaveText('[*]:');
  await expect(power).toContainText('At rest');
  await expect(power).toContainText(/This session: .*±.*J.*measured/);
  await expect(cells).not.toContainText('running');
});

test('a widget whose cell is run again makes place for the new one', async ({ page, tmpPath }) => {
  await openNotebook(page, `${tmpPath}/a.ipynb`, [
    LOAD,
    'from greenllm_kernel import LivePower\npower = globals().get("power", []) + [LivePower()]\npower[-1]',
    runsFor(4),
    'print([widget._view_count for widget in power], "seen")'
  ]);
  for (const index of [0, 1, 1]) {
    await runCell(page, index);
  }
  const power = page.locator('.jp-OutputArea .widget-html');
  await expect(power).toHaveCount(1);
  await runCell(page, 2, false);
  await expect(power).toContainText(/\d W now/);
  await expect(power).toContainText('At rest');
  await runCell(page, 3);
  await expect(page.locator('.jp-OutputArea', { hasText: '[0, 1] seen' })).toBeVisible();
});

test('widgets that are shown while the kernel is restarted harm nothing, and their cell makes new ones', async ({
  page,
  tmpPath
}) => {
  const widgets = 'from greenllm_kernel import CellEnergy, LivePower\n';
  const cells = [`${widgets}display(LivePower(), CellEnergy())`, runsFor(4)];
  await openNotebook(page, `${tmpPath}/a.ipynb`, cells, 'greenllm');
  await runCell(page, 0);
  await runCell(page, 1, false);
  const widget = page.locator('.jp-OutputArea .widget-html');
  await expect(widget.nth(0)).toContainText(/\d W now/);
  await changeKernel(page, 'restart');
  await runCell(page, 0);
  await expect(widget).toHaveCount(2);
  await expect(widget.nth(0)).toContainText('At rest');
  await runCell(page, 1, false);
  await expect(widget.nth(0)).toContainText(/\d W now/);
  await expect(widget.nth(1)).toContainText('running');
  await expect(widget.nth(1)).not.toContainText('running');
});

test('a line under a running cell gives way to its record', async ({ page, tmpPath }) => {
  await openNotebook(page, `${tmpPath}/a.ipynb`, [LOAD, `%%energy train --live\n${SLEEPS}`]);
  await runCell(page, 0);
  await runCell(page, 1, false);
  const output = page.locator('.jp-Cell').nth(1).locator('.jp-OutputArea-output');
  await expect(output).toContainText(/train: .*±.*J so far.* W now/);
  const early = await output.innerText();
  await expect.poll(() => output.innerText()).not.toBe(early);
  await page.screenshot({ path: test.info().outputPath('live.png') });
  await expect(output.locator('.greenllm-Record')).toContainText(/train.*±.*J.*measured/);
  await expect(output).toHaveCount(1);
  await expect(output).not.toContainText('so far');
});
