/** What the panel says when it has nothing to show, and that its buttons work. */
import {
  changeKernel,
  expect,
  openNotebook,
  panelOf,
  rowOf,
  runCell,
  stateOf,
  test,
  type Lab
} from './lab';

/** Makes the kernel's Python behave as if GreenLLM were not installed. */
const HIDE = `import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name == "greenllm_kernel":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())`;

const MEASURE = 'Measure this notebook';

async function picture(page: Lab, name: string): Promise<void> {
  await panelOf(page).screenshot({ path: test.info().outputPath(`${name}.png`) });
}

test('no notebook', async ({ page }) => {
  await page.evaluate(() => window.jupyterapp.commands.execute('greenllm:open'));
  await expect(stateOf(panelOf(page), 'no notebook')).toBeVisible();
  await picture(page, 'no-notebook');
});

test('a kernel that is not measured, and is after a click', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['sum(range(9))']);
  const state = stateOf(panel, 'not measured');
  await expect(state).toBeVisible();
  await picture(page, 'not-measured');
  await state.getByRole('button', { name: MEASURE }).click();
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await picture(page, 'waiting');
  await runCell(page, 0);
  await expect(rowOf(panel, 'sum(range(9))')).toContainText('J');
  // Measuring was no cell of the user's: the count begins at 1.
  await expect(page.locator('.jp-InputPrompt').first()).toHaveText('[1]:');
});

test('a kernel in whose environment GreenLLM is not installed', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [HIDE]);
  await runCell(page, 0);
  await stateOf(panel, 'not measured').getByRole('button', { name: MEASURE }).click();
  await expect(panel.getByRole('alert')).toContainText('not installed where this kernel runs');
  await expect(panel.getByRole('alert')).toContainText('ModuleNotFoundError');
  await expect(page.locator('.jp-OutputArea-output')).toHaveCount(0);
  await picture(page, 'not-installed');
});

test('no kernel, and a way to one', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['1']);
  await expect(stateOf(panel, 'not measured')).toBeVisible();
  await changeKernel(page, 'shut down');
  const state = stateOf(panel, 'no kernel');
  await expect(state).toBeVisible();
  await picture(page, 'no-kernel');
  await state.getByRole('button', { name: 'Start kernel…' }).click();
  await expect(page.locator('.jp-Dialog')).toContainText('Select Kernel');
  await page.locator('.jp-Dialog .jp-mod-accept').click();
  await expect(stateOf(panel, 'not measured')).toBeVisible();
});

test('not a Python kernel', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['1'], 'other');
  await expect(stateOf(panel, 'not python')).toBeVisible();
});

test('a machine without a sensor', async ({ page, tmpPath }) => {
  const cells = [
    '%env GREENLLM_USE_METERS=cpu_model,ram_model',
    '%load_ext greenllm_kernel',
    'import time; time.sleep(4)'
  ];
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, cells);
  for (const index of [0, 1, 2]) {
    await runCell(page, index);
  }
  await expect(panel.locator('[data-notice="estimates"]')).toContainText('every figure comes from');
  await expect(rowOf(panel, 'import time')).toContainText('estimated');
  await picture(page, 'estimates');
});
