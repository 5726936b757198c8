/** How the panel looks: screenshots for a person to judge, and that nothing sticks out of it. */
import { overflow } from './checks';
import { expect, LOAD, openNotebook, rowOf, runCell, runsFor, test, type Lab } from './lab';

const CELLS = [
  LOAD,
  'import math\nvalues = [math.sqrt(n) for n in range(100_000)]',
  'for epoch in range(3):\n    __import__("time").sleep(0.7)',
  runsFor(30)
];
const WIDTHS = { narrow: 240, usual: 330, wide: 620 };
const WINDOW = { width: 1280, height: 900 };
/** High enough for the whole panel. */
const TALL_WINDOW = { width: 1280, height: 1400 };

test('light and dark, narrow and wide', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/train.ipynb`, CELLS);
  for (const index of [0, 1, 2]) {
    await runCell(page, index);
  }
  await runCell(page, 3, false);
  await expect(rowOf(panel, 'import time')).toContainText('running');
  await expect(panel.locator('.greenllm-Chart canvas')).toHaveCount(2);

  for (const theme of ['Light', 'Dark']) {
    await page.theme.setTheme(`JupyterLab ${theme}`);
    for (const [name, width] of Object.entries(WIDTHS)) {
      await page.setViewportSize(WINDOW);
      await page.sidebar.setWidth(width, 'right');
      await settle(page);
      expect(await overflow(page)).toEqual([]);
      await page.screenshot({ path: test.info().outputPath(`${theme}-${name}.png`) });
      await page.setViewportSize(TALL_WINDOW);
      await settle(page);
      await panel.screenshot({ path: test.info().outputPath(`panel-${theme}-${name}.png`) });
    }
  }
});

/** Wait until the layout has been made and the next message drawn. */
async function settle(page: Lab): Promise<void> {
  await page.waitForTimeout(400);
}
