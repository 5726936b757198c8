/** The panel in Simplified Chinese, in a JupyterLab set to it. */
import { hostname } from 'node:os';
import { galata } from '@jupyterlab/galata';
import type { Locator } from '@playwright/test';
import { expect, LOAD, openNotebook, panelOf, rowOf, runCell, runsFor, stateOf, test } from './lab';

const NARROW = 240;
/** Units, names and code are the same in every language. */
const SAME_EVERYWHERE =
  /\b(?:import time|report|idle|Jupyter Server|Escape|GreenLLM|GREENLLM_PLACE|greenllm|toml|place|CPU|GPU|DRAM|Python|energy|virtual|Virtual|package|[µmkMG]?(?:Wh|J|W|g)|[µn]g|CO₂e|kWh|Our World in Data|CSV|JSON|Parquet|Markdown)\b/g;

test.use({
  mockSettings: {
    ...galata.DEFAULT_SETTINGS,
    '@jupyterlab/translation-extension:plugin': { locale: 'zh_CN' }
  },
  // Galata waits for a tab with an English name.
  waitForApplication: async ({}, use) => {
    await use(async page => {
      await page.locator('#jupyterlab-splash').waitFor({ state: 'detached' });
    });
  }
});

test('the panel speaks Chinese, also where there is little room', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [LOAD, 'sum(range(9))', runsFor(2)]);
  await expect(stateOf(panel, 'not measured')).toContainText('测量此笔记本');
  await runCell(page, 0);
  await expect(stateOf(panel, 'waiting for the first cell')).toContainText('正在测量');
  await runCell(page, 1);
  await runCell(page, 2, false);
  await expect(rowOf(panel, 'import time')).toContainText('运行中');
  await expect(rowOf(panel, 'import time')).not.toContainText('运行中');
  await expect(rowOf(panel, 'sum(range(9))')).toContainText('实测');
  await expect(panel).toContainText('2 个单元格');

  expect(await latinWordsIn(panel)).toEqual([]);
  await page.sidebar.setWidth(NARROW, 'right');
  await page.setViewportSize({ width: 1280, height: 1800 });
  await expect.poll(() => widthBeyond(panel)).toBe(0);
  await panel.screenshot({ path: test.info().outputPath('narrow.png') });
});

test('so do the settings, the commands and the menu', async ({ page }) => {
  await page.evaluate(() =>
    window.jupyterapp.commands.execute('settingeditor:open', { query: 'GreenLLM' })
  );
  await expect(page.locator('.jp-SettingsPanel')).toContainText('能量单位');
  const label = await page.evaluate(() => window.jupyterapp.commands.label('greenllm:open'));
  expect(label).toBe('显示能耗与排放');
  await page.screenshot({ path: test.info().outputPath('settings.png') });
  await expect(panelOf(page)).toBeAttached();
  await page.locator('.lm-MenuBar-itemLabel', { hasText: '查看' }).click();
  await expect(page.locator('.lm-Menu-itemLabel', { hasText: '能耗与排放' })).toBeVisible();
});

/** Words in Latin letters, in the text and in what a screen reader says, outside names that come from elsewhere. */
async function latinWordsIn(panel: Locator): Promise<string[]> {
  const models = await panel.locator('.greenllm-Front bdi').allTextContents();
  const texts = await panel.evaluate(node => {
    const copy = node.cloneNode(true) as HTMLElement;
    // What the kernel, the server and the provider of carbon intensity say, names of models, and code.
    const foreign =
      '.greenllm-Cell-name, .greenllm-Panel-notebook, .greenllm-Meters, .greenllm-Intensity, ' +
      '.greenllm-Front bdi, .greenllm-Comparisons-choice option, pre, code';
    copy.querySelectorAll(foreign).forEach(part => part.remove());
    const said = [...copy.querySelectorAll('[aria-label], [title]')].flatMap(part => [
      part.getAttribute('aria-label') ?? '',
      part.getAttribute('title') ?? ''
    ]);
    const walker = document.createTreeWalker(copy, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      said.push(walker.currentNode.textContent ?? '');
    }
    return said;
  });
  return texts.flatMap(
    text =>
      [hostname(), ...models]
        .reduce((rest, name) => rest.replaceAll(name, ''), text)
        .replace(SAME_EVERYWHERE, '')
        .match(/[A-Za-z]{2,}/g) ?? []
  );
}

/** By how much the panel's contents are wider than the panel, px. */
async function widthBeyond(panel: Locator): Promise<number> {
  return panel.evaluate(node => node.scrollWidth - node.clientWidth);
}
