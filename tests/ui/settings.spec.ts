/** Settings, commands, menu, toolbar and status bar. */
import {
  expect,
  LOAD,
  openNotebook,
  panelOf,
  rowOf,
  runCell,
  runsFor,
  setPreference,
  test
} from './lab';

const ITEM = '.greenllm-StatusItem:not(.lm-mod-hidden) button';

test('the status bar shows power and energy while something is measured, and opens the panel', async ({
  page,
  tmpPath
}) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [LOAD, runsFor(4)]);
  const item = page.locator(ITEM);
  await expect(panel).toBeVisible();
  await expect(item).toHaveCount(0);
  await runCell(page, 0);
  await runCell(page, 1, false);
  await expect(item).toContainText(/\d W · .*±.*J/);
  await page.screenshot({ path: test.info().outputPath('status.png') });
  await page.sidebar.openTab('jp-debugger-sidebar');
  await expect(panel).toBeHidden();
  await item.click();
  await expect(panel).toBeVisible();
  await expect(item).toContainText(/at rest · .*±.*J/);
  await expect(item).toHaveAttribute('title', /Energy of the session: .*95 % interval/);

  await page.notebook.save();
  await page.evaluate(() => window.jupyterapp.commands.execute('application:close-all'));
  await expect(item).toHaveCount(0);
});

test('a budget shows in the status bar: how much of it is used, and that it is used up', async ({
  page,
  tmpPath
}) => {
  const cells = ['%energy budget 1MJ', runsFor(1), '%energy budget 1J'];
  await openNotebook(page, `${tmpPath}/a.ipynb`, cells, 'greenllm');
  const item = page.locator(ITEM);
  await runCell(page, 0);
  await runCell(page, 1);
  await expect(item).toContainText('% of budget');
  await expect(item).toHaveAttribute('data-budget', 'within');
  await runCell(page, 2);
  await expect(item).toContainText('over budget');
  await expect(item).toHaveAttribute('data-budget', 'exceeded');
});

test('menu, palette and toolbar have what one can do', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['sum(range(9))']);
  await page.sidebar.openTab('jp-debugger-sidebar');
  await page
    .locator('.jp-NotebookPanel-toolbar [data-jp-item-name="greenllm"]')
    .getByRole('button')
    .click();
  await expect(panel).toBeVisible();

  await page.menu.openLocator('View>Energy and Emissions');
  const submenu = page.locator('.lm-Menu').last();
  await expect(submenu.locator('.lm-Menu-itemLabel')).toHaveText([
    'Show Energy and Emissions',
    'Measure This Notebook',
    'Show Energy on Cells',
    '',
    'Remove GreenLLM’s Records from This Notebook',
    'Settings of Energy and Emissions'
  ]);
  await page.screenshot({ path: test.info().outputPath('menu.png') });
  await submenu.getByText('Measure This Notebook').click();
  await expect(panel.locator('[data-state="waiting for the first cell"]').first()).toBeVisible();

  await page.evaluate(() => window.jupyterapp.commands.execute('greenllm:settings'));
  await expect(page.locator('.jp-SettingsPanel')).toContainText('Price of a kilowatt-hour');
  await expect(page.locator('.jp-SettingsPanel')).toContainText('Stored in notebooks');
  await page.screenshot({ path: test.info().outputPath('settings.png') });
});

test('the panel is drawn no more often than the user wants', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [runsFor(14)], 'greenllm');
  await setPreference(page, 'refreshMs', 5000);
  await runCell(page, 0, false);
  await expect(rowOf(panel, 'import time')).toContainText('running');
  const energies = await panel.evaluate(async node => {
    const seen = new Set<string>();
    for (let end = performance.now() + 6000; performance.now() < end;) {
      seen.add(node.querySelector('.greenllm-Power-value')?.textContent ?? '');
      seen.add(node.querySelector('.greenllm-Totals-energy')?.textContent ?? '');
      await new Promise(resolve => requestAnimationFrame(resolve));
    }
    return [...seen].length;
  });
  // Two figures, drawn anew once or twice.
  expect(energies).toBeLessThanOrEqual(6);
});

test('the place of the settings is the kernel’s', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['sum(range(9))'], 'greenllm');
  await setPreference(page, 'place', 'FR');
  await runCell(page, 0);
  await expect(panel.locator('.greenllm-Intensity')).toContainText('France');
  await setPreference(page, 'place', 'Atlantis');
  await expect(panel.locator('.greenllm-Intensity')).toContainText('ATLANTIS');
  await expect(panel.locator('.greenllm-Intensity')).not.toContainText('France');
  await panelOf(page).screenshot({ path: test.info().outputPath('place.png') });
});
