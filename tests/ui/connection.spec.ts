/** What the panel says when the way to the kernel is lost, or nothing comes over it. */
import type { WebSocketRoute } from '@playwright/test';
import {
  expect,
  openNotebook,
  panelOf,
  reload,
  rowOf,
  runCell,
  runsFor,
  stateOf,
  test
} from './lab';

test('a lost connection, a server that is gone, and both back again', async ({ page, tmpPath }) => {
  const open = new Set<WebSocketRoute>();
  let isCut = false;
  await page.routeWebSocket(/\/api\/kernels\//, socket => {
    if (isCut) {
      void socket.close({ code: 1011 });
      return;
    }
    socket.connectToServer();
    open.add(socket);
  });
  await page.reload();
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['1 + 1', runsFor(4)], 'greenllm');
  await runCell(page, 0);
  await expect(rowOf(panel, '1 + 1')).toContainText('J');

  isCut = true;
  await Promise.all([...open].map(socket => socket.close({ code: 1011 })));
  const lost = stateOf(panel, 'reconnecting');
  await expect(lost).toBeVisible();
  await expect(rowOf(panel, '1 + 1')).toContainText('J');
  await panel.screenshot({ path: test.info().outputPath('reconnecting.png') });

  await page.route(/\/api\?\d+$/, route => route.abort());
  const gone = stateOf(panel, 'server gone');
  await expect(gone).toBeVisible();
  await panel.screenshot({ path: test.info().outputPath('server-gone.png') });

  await page.unroute(/\/api\?\d+$/);
  await expect(lost).toBeVisible();
  isCut = false;
  await lost.getByRole('button', { name: 'Try now' }).click();
  await expect(lost).toHaveCount(0);
  await runCell(page, 1);
  await expect(rowOf(panel, 'import time')).toContainText('J');
});

test('what a page asked before it lost its connection it asks again afterwards', async ({
  page,
  tmpPath
}) => {
  const open = new Set<WebSocketRoute>();
  await page.routeWebSocket(/\/api\/kernels\//, socket => {
    socket.connectToServer();
    open.add(socket);
  });
  await page.reload();
  const path = `${tmpPath}/a.ipynb`;
  const before = await openNotebook(page, path, ['1 + 1', runsFor(20)], 'greenllm');
  await runCell(page, 0);
  await expect(rowOf(before, '1 + 1')).toContainText('J');
  await page.notebook.save();
  await runCell(page, 1, false);
  await expect(rowOf(before, 'import time')).toHaveCount(1);

  open.clear();
  // The kernel does not answer a page that was loaded in mid-cell: of the cell before it knows nothing.
  await reload(page);
  const panel = panelOf(page);
  await expect(rowOf(panel, 'import time')).toHaveCount(1);
  await expect(rowOf(panel, '1 + 1')).toHaveCount(0);
  await Promise.all([...open].map(socket => socket.close({ code: 1011 })));
  await expect(rowOf(panel, '1 + 1')).toContainText('J', { timeout: 40_000 });
});

test('a kernel that says nothing while its cell runs', async ({ page, tmpPath }) => {
  // For half a minute and more it holds the interpreter lock: nothing can be sent.
  const busy = 'import re, time\ntime.sleep(1)\nre.match(r"(a+)+$", "a" * 28 + "b")';
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['1 + 1', busy], 'greenllm');
  await runCell(page, 0);
  await expect(rowOf(panel, '1 + 1')).toContainText('J');
  await runCell(page, 1, false);
  const stale = stateOf(panel, 'stale');
  await expect(stale).toBeVisible({ timeout: 30_000 });
  await expect(stale.getByRole('button', { name: 'Ask again' })).toBeVisible();
  await panel.screenshot({ path: test.info().outputPath('stale.png') });
});
