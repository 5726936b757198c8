/** The panel beside a notebook that is measured: while a cell runs, after a reload, after a restart. */
import {
  amount,
  changeKernel,
  emissionsOf,
  energyOf,
  expect,
  LOAD,
  openNotebook,
  panelOf,
  reload,
  rowOf,
  runCell,
  runsFor,
  stateOf,
  switchTo,
  test,
  type Lab
} from './lab';

test('power is live and emissions grow while a cell runs', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [LOAD, runsFor(8)]);
  await runCell(page, 0);
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();

  await runCell(page, 1, false);
  const row = rowOf(panel, 'import time');
  await expect(row).toContainText('running');
  await expect(panel.locator('.greenllm-Power-value[data-live="true"]')).toContainText('W');
  await expect(panel.locator('.greenllm-Channel')).toHaveCount(3);
  await expect(panel.locator('.greenllm-Chart canvas')).toHaveCount(2);
  await expect.poll(() => emissionsOf(row)).toBeGreaterThan(0);
  const early = await emissionsOf(row);
  await expect.poll(() => emissionsOf(row)).toBeGreaterThan(early * 1.3);
  expect(await page.locator('#jp-main-statusbar').innerText()).toContain('Busy');

  await expect(row).not.toContainText('running', { timeout: 10_000 });
  await expect(panel.locator('.greenllm-Power-value')).toHaveText('at rest');
  await expect(row).toContainText('±');
  await expect(row.locator('[data-provenance="measured"]')).toBeVisible();
  const total = panel.locator('.greenllm-Totals-energy');
  await expect
    .poll(async () => amount(await total.innerText()) / (await energyOf(row)))
    .toBeCloseTo(1, 1);
});

test('a cell’s energy adds up over its runs', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [LOAD, runsFor(1)]);
  await runCell(page, 0);
  await runCell(page, 1);
  const row = rowOf(panel, 'import time');
  await expect(row).not.toContainText('running');
  const once = await energyOf(row);
  await runCell(page, 1);
  await expect(row).toContainText('2×');
  await expect.poll(() => energyOf(row)).toBeGreaterThan(once * 1.2);
});

test('a page that is reloaded in the middle of a cell has its figures again', async ({
  page,
  tmpPath
}) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [
    LOAD,
    'sum(range(9))',
    runsFor(14)
  ]);
  await runCell(page, 0);
  await runCell(page, 1);
  await page.notebook.save();
  await runCell(page, 2, false);
  await expect(rowOf(panel, 'import time')).toContainText('running');
  await reload(page);

  const row = rowOf(panelOf(page), 'import time');
  await expect(row).toContainText('running', { timeout: 12_000 });
  await expect(panel.locator('.greenllm-Power-value[data-live="true"]')).toBeVisible();
  await expect(panel.locator('.greenllm-Channel')).toHaveCount(3);
  await expect(panel.locator('.greenllm-Totals-energy')).toContainText('J');
  const early = await energyOf(row);
  await expect.poll(() => energyOf(row)).toBeGreaterThan(early);

  // The rest comes once the kernel can answer.
  await expect(row).not.toContainText('running', { timeout: 25_000 });
  await expect(rowOf(panel, 'sum(range(9))')).toBeVisible();
});

test('a panel that was open is open again after a reload, with the figures', async ({
  page,
  tmpPath
}) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['sum(range(9))'], 'greenllm');
  await runCell(page, 0);
  await page.notebook.save();
  await expect.poll(() => savedLayout(page)).toContain('"current":"greenllm-panel"');
  await reload(page, false);
  await expect(panel).toBeVisible();
  await expect(rowOf(panel, 'sum(range(9))')).toContainText('J');
});

test('a restarted kernel begins with nothing', async ({ page, tmpPath }) => {
  const cells = ['sum(range(9))', runsFor(1)];
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, cells, 'greenllm');
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await runCell(page, 0);
  await expect(rowOf(panel, 'sum(range(9))')).toContainText('J');

  await changeKernel(page, 'restart');
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await expect(panel.locator('[data-cell-id]')).toHaveCount(0);
  await runCell(page, 1);
  await expect(rowOf(panel, 'import time')).toContainText('J');
  await expect(panel.locator('[data-cell-id]')).toHaveCount(1);
  await expect(panel.locator('.greenllm-Totals-line')).toContainText('1 run');
});

test('each notebook shows its own kernel at once', async ({ page, tmpPath }) => {
  const [first, second] = [`${tmpPath}/first.ipynb`, `${tmpPath}/second.ipynb`];
  const panel = await openNotebook(page, first, [runsFor(12)], 'greenllm');
  await runCell(page, 0, false);
  await expect(rowOf(panel, 'import time')).toContainText('running');

  await openNotebook(page, second, ['sum(range(9))'], 'greenllm');
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await runCell(page, 0);
  await expect(rowOf(panel, 'sum(range(9))')).toContainText('J');
  await expect(rowOf(panel, 'import time')).toHaveCount(0);

  await switchTo(page, first);
  await expect(rowOf(panel, 'import time')).toContainText('running', { timeout: 1000 });
  await expect(panel.locator('.greenllm-Power-value[data-live="true"]')).toBeVisible();
  await switchTo(page, second);
  await expect(rowOf(panel, 'sum(range(9))')).toBeVisible({ timeout: 1000 });
  await expect(panel.locator('.greenllm-Power-value')).toHaveText('at rest');
});

test('a click on a row goes to its cell', async ({ page, tmpPath }) => {
  const cells = ['sum(range(9))', ...Array.from({ length: 40 }, (_, n) => `# ${n}\n\n\n\n`)];
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, cells, 'greenllm');
  await runCell(page, 0);
  await page.notebook.selectCells(40);
  await rowOf(panel, 'sum(range(9))').getByRole('button').click();
  await expect(page.locator('.jp-Cell.jp-mod-active')).toContainText('sum(range(9))');
  await expect(page.locator('.jp-Cell.jp-mod-active')).toBeInViewport();
});

test('a panel that is not seen is not drawn', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [runsFor(8)], 'greenllm');
  await runCell(page, 0, false);
  await expect(panel.locator('.greenllm-Power-value[data-live="true"]')).toBeVisible();
  const changesIn = (ms: number) =>
    panel.evaluate(async (node, ms) => {
      let changes = 0;
      const observer = new MutationObserver(records => (changes += records.length));
      observer.observe(node.firstElementChild ?? node, {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true
      });
      await new Promise(resolve => setTimeout(resolve, ms));
      observer.disconnect();
      return changes;
    }, ms);
  expect(await changesIn(1500)).toBeGreaterThan(0);
  await page.sidebar.openTab('jp-debugger-sidebar');
  expect(await changesIn(1500)).toBe(0);
  await page.sidebar.openTab('greenllm-panel');
  expect(await changesIn(1500)).toBeGreaterThan(0);
});

test('a record is drawn in the output of its cell', async ({ page, tmpPath }) => {
  await openNotebook(page, `${tmpPath}/a.ipynb`, [LOAD, `%%energy train\n${runsFor(1)}`]);
  await runCell(page, 0);
  await runCell(page, 1);
  const card = page.locator('.jp-OutputArea .greenllm-Record');
  await expect(card.locator('summary')).toContainText(/train.*±.*J.*measured/);
  await card.locator('summary').click();
  await expect(card.locator('table')).toContainText('Virtual GPU 0');
  await page.screenshot({ path: test.info().outputPath('record.png') });
});

/** What JupyterLab will have of the layout when it is loaded again. */
async function savedLayout(page: Lab): Promise<string> {
  return page.evaluate(async () => {
    const { data } = await window.jupyterapp.serviceManager.workspaces.fetch('default');
    return JSON.stringify(data['layout-restorer:data'] ?? null);
  });
}
