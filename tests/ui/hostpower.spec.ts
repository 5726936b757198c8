/** The power of the server's host where no kernel is measured: only while somebody looks. */
import {
  changeKernel,
  expect,
  openNotebook,
  panelOf,
  runCell,
  stateOf,
  test,
  type Lab
} from './lab';

const HOST = '.greenllm-Host';

/** Count what the page asks of the server about its host, from now on. */
function countAsked(page: Lab): () => number {
  let count = 0;
  page.on('request', request => {
    if (request.url().includes('/greenllm/api/host')) {
      count += 1;
    }
  });
  return () => count;
}

test('it shows where there is no notebook, and where the kernel is not measured until it is', async ({
  page,
  tmpPath
}) => {
  await page.evaluate(() => window.jupyterapp.commands.execute('greenllm:open'));
  await expect(stateOf(panelOf(page), 'no notebook')).toBeVisible();
  await expect(panelOf(page).locator(`${HOST} .greenllm-Power-value`)).toContainText(/\d.* W/);
  await panelOf(page).screenshot({ path: test.info().outputPath('no-notebook.png') });

  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['sum(range(9))']);
  await expect(stateOf(panel, 'not measured')).toBeVisible();
  await expect(panel.locator(`${HOST} .greenllm-Power-value`)).toContainText(/\d.* W/);
  await expect(panel.locator(`${HOST} .greenllm-Channel`).first()).toContainText('Virtual');
  for (const theme of ['Light', 'Dark']) {
    await page.theme.setTheme(`JupyterLab ${theme}`);
    await panel.screenshot({ path: test.info().outputPath(`not-measured-${theme}.png`) });
  }
  await stateOf(panel, 'not measured').getByRole('button').click();
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await expect(panel.locator(HOST)).toHaveCount(0);
  await runCell(page, 0);
  await changeKernel(page, 'shut down');
  await expect(stateOf(panel, 'no kernel')).toBeVisible();
  await expect(panel.locator(HOST)).toBeVisible();
});

test('nobody asks for it while the panel is hidden, or a kernel is measured', async ({
  page,
  tmpPath
}) => {
  const asked = countAsked(page);
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['sum(range(9))']);
  await expect(panel.locator(HOST)).toBeVisible();
  expect(asked()).toBeGreaterThan(0);
  await page.sidebar.openTab('jp-debugger-sidebar');
  await page.waitForTimeout(500);
  const hidden = asked();
  await page.waitForTimeout(3000);
  expect(asked()).toBe(hidden);
  await page.sidebar.openTab('greenllm-panel');
  await expect.poll(asked).toBeGreaterThan(hidden + 1);

  await stateOf(panel, 'not measured').getByRole('button').click();
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  await page.waitForTimeout(500);
  const measured = asked();
  await page.waitForTimeout(3000);
  expect(asked()).toBe(measured);
});

test('it is hidden where the kernel is on another host', async ({ page, tmpPath }) => {
  let replied = 0;
  await page.route('**/greenllm/api/host*', async route => {
    const response = await route.fetch();
    const power = (await response.json()) as object;
    await route.fulfill({ response, json: { ...power, kernel_here: false } });
    replied += 1;
  });
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['sum(range(9))']);
  await expect(stateOf(panel, 'not measured')).toBeVisible();
  await expect.poll(() => replied).toBeGreaterThan(1);
  await expect(panel.locator(HOST)).toHaveCount(0);
});
