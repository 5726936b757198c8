/** Where the system chooses all colours: what colours and gradients say is still there, in the system's own. */
import type { Locator } from '@playwright/test';
import { badgeOf, expect, openNotebook, panelOf, runCell, test } from './lab';
import { cell, gpus, hello, power, say, totals } from './said';

const PROVENANCES = ['measured', 'derived', 'estimated', 'unavailable'] as const;

test('forced colours take nothing away', async ({ page, tmpPath }) => {
  const sources = PROVENANCES.map(provenance => `"${provenance}"`);
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, sources);
  await runCell(page, 0);
  const now_ms = Date.now();
  await say(page, [
    hello({ channels: gpus(2) }),
    ...PROVENANCES.map((provenance, index) =>
      cell(`cell-${index}`, { provenance, name: `[${index}] ${provenance}`, seq: index })
    ),
    totals({ energy_j: 6100, interval_j: [5900, 6300], budget_j: 5000 }),
    ...Array.from({ length: 80 }, (_, index) =>
      power({
        seq: index,
        at_ms: now_ms - 20_000 + 250 * index,
        power_w: { 'gpu:0': 300 + index, 'gpu:1': 200 },
        total_w: 500 + index,
        mass_gco2e: index / 100
      })
    )
  ]);
  await expect(panel.locator('.greenllm-Chart canvas')).toHaveCount(2);
  await expect(badgeOf(page, 3)).toBeVisible();

  await page.emulateMedia({ forcedColors: 'active', colorScheme: 'dark' });
  const chart = panel.locator('.greenllm-Chart').first();
  // The system's text is light: so is what the chart draws, though the theme's is dark.
  await expect.poll(() => lightPixels(chart)).toBeGreaterThan(100);
  const badges = await Promise.all(
    PROVENANCES.map((_, index) => lookOf(badgeOf(page, index), '::before'))
  );
  expect(new Set(badges).size).toBe(PROVENANCES.length);
  const fill = panel.locator('.greenllm-Budget-bar > span');
  expect(await lookOf(fill)).toContain('gradient');
  expect(await lookOf(panel.locator('.greenllm-Cell').first(), '::after')).toContain(
    'rgb(255, 255, 255)'
  );
  await page.setViewportSize({ width: 1280, height: 1500 });
  await panelOf(page).screenshot({ path: test.info().outputPath('forced-colors.png') });
  await page.screenshot({ path: test.info().outputPath('forced-colors-page.png') });

  await page.emulateMedia({ forcedColors: null, colorScheme: null });
  await expect.poll(() => lightPixels(chart)).toBe(0);
});

/** How many pixels of a chart's axis on the left are drawn in a light colour. */
async function lightPixels(chart: Locator): Promise<number> {
  return chart.evaluate(node => {
    const canvas = node.querySelector('canvas');
    const { data } = canvas?.getContext('2d')?.getImageData(0, 0, 40, canvas.height) ?? {
      data: new Uint8ClampedArray()
    };
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      const [red = 0, green = 0, blue = 0, alpha = 0] = data.slice(at, at + 4);
      count += Math.min(red, green, blue) > 200 && alpha > 128 ? 1 : 0;
    }
    return count;
  });
}

/** How an element, or a part of it, is drawn. */
async function lookOf(locator: Locator, part?: string): Promise<string> {
  return locator.evaluate((node, part) => {
    const { borderStyle, backgroundColor, backgroundImage } = getComputedStyle(node, part);
    return [borderStyle, backgroundColor, backgroundImage].join(' ');
  }, part);
}
