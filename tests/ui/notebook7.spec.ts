/** Notebook 7: the same panel, badges and settings, without JupyterLab around them. */
import { expect, test, type Locator, type Page } from '@playwright/test';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { notebookOf, runsFor } from './lab';

const PLUGINS = ['preferences', 'streams', 'panel', 'badges', 'status', 'metadata', 'record'];
const PATH = 'seven.ipynb';

const errors: string[] = [];

test.beforeEach(({ page }) => {
  errors.length = 0;
  page.on('console', message => {
    const text = `${message.text()} ${message.location().url}`;
    if (message.type() === 'error' && /greenllm/i.test(text)) {
      errors.push(text);
    }
  });
  page.on('pageerror', error => errors.push(`${error.message} ${error.stack ?? ''}`));
});

test.afterEach(async ({ request }) => {
  const response = await request.get('/api/sessions');
  const sessions = (await response.json()) as { id: string; path: string }[];
  const own = sessions.filter(({ path }) => path === PATH);
  await Promise.all(own.map(({ id }) => request.delete(`/api/sessions/${id}`)));
  await request.delete(`/api/contents/${PATH}`);
  expect(errors.filter(text => /greenllm/i.test(text))).toEqual([]);
});

/** Open a notebook of these cells in Notebook 7, as its file browser does. */
async function open(page: Page, cells: readonly string[], kernel: string): Promise<void> {
  const content: unknown = JSON.parse(notebookOf(cells, kernel));
  const data = { type: 'notebook', format: 'json', content };
  expect((await page.request.put(`/api/contents/${PATH}`, { data })).ok()).toBe(true);
  await page.goto(`/notebooks/${PATH}`);
  await expect(page.locator('.jp-Notebook .jp-CodeCell')).toHaveCount(cells.length);
}

async function openPanel(page: Page): Promise<Locator> {
  // Items that open a menu have no role of their own there.
  const submenu = page.locator('.lm-Menu-itemLabel').getByText('Energy and Emissions');
  // A menu that is opened before the page is ready has not all of its items.
  await expect(async () => {
    await page.keyboard.press('Escape');
    await page.getByRole('menuitem', { name: 'View', exact: true }).click();
    await submenu.first().hover({ timeout: 2000 });
  }).toPass();
  await page.getByRole('menuitem', { name: 'Show Energy and Emissions' }).click();
  const panel = page.locator('#greenllm-panel');
  await expect(panel).toBeVisible();
  return panel;
}

async function runCell(page: Page, index: number): Promise<void> {
  await page.locator('.jp-Notebook .jp-CodeCell').nth(index).locator('.cm-content').click();
  await page.keyboard.press('Control+Enter');
}

test('the panel, badges and the record work in Notebook 7', async ({ page }) => {
  await open(page, [runsFor(3), '%%energy named\nsum(range(9))'], 'greenllm');
  const panel = await openPanel(page);
  await expect(panel.locator('[data-state="waiting for the first cell"]').first()).toBeVisible();

  await runCell(page, 0);
  await expect(panel.locator('.greenllm-Power-value[data-live="true"]')).toContainText('W');
  const row = panel.locator('[data-cell-id]', { hasText: 'import time' });
  await expect(row).toContainText(/±.*J/);
  await expect(page.locator('.jp-Cell').first().locator('.greenllm-Badge')).toContainText('J');
  await page.screenshot({ path: test.info().outputPath('notebook7.png') });

  await runCell(page, 1);
  await expect(page.locator('.jp-OutputArea .greenllm-Record summary')).toContainText('named');
  await expect(page.locator('.greenllm-Badge')).toHaveCount(2);
});

test('a notebook that is not measured is after a click, and the toolbar opens the panel', async ({
  page
}) => {
  await open(page, ['sum(range(9))'], 'python3');
  await page
    .locator('.jp-NotebookPanel-toolbar [data-jp-item-name="greenllm"]')
    .getByRole('button')
    .click();
  const panel = page.locator('#greenllm-panel');
  await expect(panel.locator('.greenllm-State[data-state="not measured"]')).toBeVisible();
  await expect(panel.locator('.greenllm-Host .greenllm-Power-value')).toContainText('W');
  await page.screenshot({ path: test.info().outputPath('notebook7-not-measured.png') });
  await panel.getByRole('button', { name: 'Measure this notebook' }).click();
  await expect(panel.locator('[data-state="waiting for the first cell"]').first()).toBeVisible();
  await runCell(page, 0);
  await expect(panel.locator('[data-cell-id]')).toContainText('J');
});

test('every part of GreenLLM is at work there', async ({ page }) => {
  await open(page, ['1'], 'python3');
  await expect(page.locator('[data-jp-item-name="greenllm"]')).toBeVisible();
  const active = await page.evaluate(
    plugins =>
      plugins.filter(name =>
        (window as unknown as { jupyterapp: JupyterFrontEnd }).jupyterapp.isPluginActivated(
          `greenllm:${name}`
        )
      ),
    PLUGINS
  );
  expect(active).toEqual(PLUGINS);
});
