/** Records in the notebook file: none unless wanted, without names of machines where that is wanted, removable. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import {
  badgeOf,
  expect,
  keptRecord,
  openNotebook,
  reload,
  runCell,
  runsFor,
  setPreference,
  test,
  type Lab
} from './lab';

interface Saved {
  cells: { id: string; metadata: { greenllm?: Record<string, unknown> } }[];
}

/** What stands in the notebook's file. */
async function saved(page: Lab, path: string): Promise<Saved> {
  await page.notebook.save();
  const { content } = (await page.evaluate(
    path => window.jupyterapp.serviceManager.contents.get(path),
    path
  )) as { content: Saved };
  return content;
}

async function isDirty(page: Lab): Promise<boolean> {
  return page.evaluate(
    () => (window.jupyterapp.shell.currentWidget as NotebookPanel).context.model.dirty
  );
}

async function command(page: Lab, id: string): Promise<void> {
  await page.evaluate(id => window.jupyterapp.commands.execute(id), id);
}

/** Wait until the kernel has told of a settled run. */
async function settled(page: Lab, index: number): Promise<void> {
  await expect(badgeOf(page, index)).toHaveAttribute('data-running', 'false');
  await page.waitForTimeout(1000);
}

test('nothing is written into a notebook unless the user wants it', async ({ page, tmpPath }) => {
  const path = `${tmpPath}/a.ipynb`;
  await openNotebook(page, path, ['first = 1'], 'greenllm');
  await runCell(page, 0);
  await settled(page, 0);
  expect((await saved(page, path)).cells[0]?.metadata.greenllm).toBeUndefined();
  expect(await isDirty(page)).toBe(false);
});

test('whole records, and records that name no machine', async ({ page, tmpPath }) => {
  const path = `${tmpPath}/a.ipynb`;
  await openNotebook(page, path, ['first = 1', runsFor(1)], 'greenllm');
  const recordOf = async (index: number) =>
    (await saved(page, path)).cells[index]?.metadata.greenllm;
  await setPreference(page, 'notebookMetadata', 'everything');
  await runCell(page, 0);
  await expect.poll(() => recordOf(0)).toMatchObject({ cell_id: 'cell-0', settled: true });
  const whole = await recordOf(0);
  expect(whole?.host).not.toBe('');
  expect(whole?.session_id).not.toBe('');
  expect(JSON.stringify(whole?.channels)).toContain('Virtual GPU 0');

  await setPreference(page, 'notebookMetadata', 'redacted');
  await runCell(page, 1);
  await expect.poll(() => recordOf(1)).toMatchObject({ cell_id: 'cell-1', host: '' });
  const redacted = await recordOf(1);
  expect(JSON.stringify(redacted)).not.toContain('Virtual GPU');
  expect(redacted).toMatchObject({ session_id: '', run_id: '' });
  expect(redacted?.energy).toMatchObject({ provenance: 'measured' });
  // Written once, and then left alone.
  await page.waitForTimeout(1500);
  expect(await isDirty(page)).toBe(false);
});

test('a page that is loaded again in the middle of a cell keeps its record all the same', async ({
  page,
  tmpPath
}) => {
  const path = `${tmpPath}/a.ipynb`;
  await openNotebook(page, path, [runsFor(8)], 'greenllm');
  await setPreference(page, 'notebookMetadata', 'everything');
  await page.notebook.save();
  await runCell(page, 0, false);
  await expect(badgeOf(page, 0)).toHaveAttribute('data-running', 'true');
  await reload(page);
  await expect(badgeOf(page, 0)).toHaveAttribute('data-running', 'false', { timeout: 30_000 });
  await expect
    .poll(async () => (await saved(page, path)).cells[0]?.metadata.greenllm)
    .toMatchObject({ cell_id: 'cell-0', status: 'ok', settled: true });
});

test('a record is kept though the view in which the cell was run is closed before it ends', async ({
  page,
  tmpPath
}) => {
  const path = `${tmpPath}/a.ipynb`;
  await openNotebook(page, path, [runsFor(5)], 'greenllm');
  await setPreference(page, 'notebookMetadata', 'everything');
  await command(page, 'docmanager:clone');
  const views = page.locator('.jp-NotebookPanel');
  await expect(views).toHaveCount(2);
  await runCell(page, 0, false);
  await expect(badgeOf(page, 0).first()).toHaveAttribute('data-running', 'true');
  await page.evaluate(() => window.jupyterapp.shell.currentWidget?.close());
  await expect(views).toHaveCount(1);
  await expect(badgeOf(page, 0)).toHaveAttribute('data-running', 'false', { timeout: 30_000 });
  await page.evaluate(
    id => window.jupyterapp.shell.activateById(id),
    (await views.getAttribute('id')) ?? ''
  );
  await expect
    .poll(async () => (await saved(page, path)).cells[0]?.metadata.greenllm)
    .toMatchObject({ cell_id: 'cell-0', status: 'ok', settled: true });
});

test('what a notebook keeps shows as of an earlier session, and nothing else does', async ({
  page,
  tmpPath
}) => {
  const metadata = [
    { greenllm: keptRecord('cell-0') },
    { greenllm: keptRecord('cell-0') },
    { greenllm: { ...keptRecord('cell-2'), name: 7 } }
  ];
  const cells = ['first = 1', 'copied = 2', 'damaged = 3'];
  await openNotebook(page, `${tmpPath}/a.ipynb`, cells, 'greenllm', metadata);
  await expect(badgeOf(page, 0)).toHaveText('700 ± 40 J');
  await expect(badgeOf(page, 0)).toHaveAttribute('title', /Of an earlier session: 2026-01-31/);
  await expect(page.locator('.greenllm-Badge')).toHaveCount(1);
  await page.screenshot({ path: test.info().outputPath('earlier.png') });
  await runCell(page, 0);
  await expect(badgeOf(page, 0)).not.toHaveAttribute('title', /earlier session/);
});

test('records are removed in one step, which can be undone', async ({ page, tmpPath }) => {
  const path = `${tmpPath}/a.ipynb`;
  const metadata = [{ greenllm: keptRecord('cell-0') }, { greenllm: keptRecord('cell-1') }];
  await openNotebook(page, path, ['first = 1', 'second = 2'], 'python3', metadata);
  await expect(page.locator('.greenllm-Badge')).toHaveCount(2);
  // JupyterLab itself has written the kernel's language into it.
  await page.notebook.save();
  expect(await isDirty(page)).toBe(false);
  await command(page, 'greenllm:remove-records');
  await expect(page.locator('.greenllm-Badge')).toHaveCount(0);
  expect(await isDirty(page)).toBe(true);
  await command(page, 'notebook:undo-cell-action');
  await expect(page.locator('.greenllm-Badge')).toHaveCount(2);
  await command(page, 'greenllm:remove-records');
  expect(JSON.stringify(await saved(page, path))).not.toContain('greenllm"');
  await command(page, 'greenllm:remove-records');
  expect(await isDirty(page)).toBe(false);
});

test('what the user undoes is her own step, not the record', async ({ page, tmpPath }) => {
  const path = `${tmpPath}/a.ipynb`;
  await openNotebook(page, path, ['first = 1', 'second = 2'], 'greenllm');
  await setPreference(page, 'notebookMetadata', 'everything');
  await page.notebook.selectCells(1);
  await command(page, 'notebook:delete-cell');
  await runCell(page, 0);
  await expect
    .poll(async () => (await saved(page, path)).cells[0]?.metadata.greenllm)
    .toMatchObject({ cell_id: 'cell-0' });
  await command(page, 'notebook:undo-cell-action');
  await expect(page.locator('.jp-Notebook .jp-Cell')).toHaveCount(2);
  expect((await saved(page, path)).cells[0]?.metadata.greenllm).toMatchObject({
    cell_id: 'cell-0'
  });
});
