/** Whatever a kernel, a notebook or a record says is text: nothing of it runs, and nothing of it breaks the page. */
import {
  expect,
  LOAD,
  openNotebook,
  panelOf,
  recordOf,
  rowOf,
  runCell,
  stateOf,
  test,
  type Lab
} from './lab';
import { cell, gpus, hello, power, say, totals } from './said';

const MIME_TYPE = 'application/vnd.greenllm.energy.v1+json';
/** Each would set window.hacked where it is taken for more than text. */
const SCRIPTS = [
  '<script>window.hacked = true</script>',
  '<img src=x onerror="window.hacked = true">',
  '"><svg onload="window.hacked = true">',
  'javascript:window.hacked = true',
  '{{constructor.constructor("window.hacked = true")()}}'
];
const HUGE = 'x'.repeat(5_000_000);

test('scripts in messages are words', async ({ page, tmpPath }) => {
  const panel = await openMeasured(page, tmpPath);
  for (const [index, script] of SCRIPTS.entries()) {
    await say(page, [
      hello({
        host: script,
        version: script,
        warnings: [script],
        unusable: [{ meter: script, reason: script, remedy: script }],
        channels: gpus(2).map(gpu => ({ ...gpu, label: script, meter: script, fault: script })),
        intensity: {
          value_gco2e_per_kwh: 1,
          interval_gco2e_per_kwh: null,
          place: script,
          source: script,
          vintage: script
        }
      }),
      power({ power_w: { [script]: 1 } }),
      totals({ unavailable: [script] }),
      cell(`cell-${index}`, { name: script, stage: script, unavailable: [script] })
    ]);
    await expect(rowOf(panel, script)).toHaveCount(1);
  }
  await expectUnharmed(page);
});

test('messages of the wrong shape are passed over', async ({ page, tmpPath }) => {
  const panel = await openMeasured(page, tmpPath);
  const good = cell('cell-0', { name: '[1] good' });
  await say(page, [
    null,
    [],
    'hello',
    {},
    { ...good, energy_j: '12' },
    { ...good, energy_j: { valueOf: 1 } },
    { ...good, interval_j: [1] },
    { ...good, name: HUGE },
    { ...good, name: 7 },
    { ...good, runs: 1e999 },
    { ...good, schema: 2 },
    { ...good, kind: '__proto__' },
    { ...good, seq: 'NaN' },
    deep(2000),
    hello({ channels: gpus(10_000) }),
    JSON.parse('{"__proto__": {"hacked": true}, "constructor": {"prototype": {"hacked": true}}}')
  ]);
  await expect(panel.locator('[data-cell-id]')).toHaveCount(0);
  await say(page, [hello(), totals(), good]);
  await expect(rowOf(panel, 'good')).toContainText('700');
  await expectUnharmed(page);
});

test('names that JavaScript gives a meaning are only names', async ({ page, tmpPath }) => {
  const panel = await openMeasured(page, tmpPath);
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
  const channels = gpus(names.length).map((gpu, index) => ({ ...gpu, id: names[index] ?? '' }));
  const powers = JSON.parse(`{${names.map(name => `"${name}": 100`).join(', ')}}`) as Record<
    string,
    number
  >;
  await say(page, [
    hello({ channels }),
    power({ power_w: powers, total_w: 500, at_ms: Date.now() }),
    ...names.map(name => cell(name, { name: `[1] cell ${name}` }))
  ]);
  await expect(panel.locator('[data-cell-id]')).toHaveCount(names.length);
  await expectUnharmed(page);
});

test('very many channels and cells do not stop the page', async ({ page, tmpPath }) => {
  const panel = await openMeasured(page, tmpPath);
  const many = gpus(256);
  const powers = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`gpu:${n}`, n]));
  await say(page, [hello({ channels: many }), power({ power_w: powers, at_ms: Date.now() })]);
  await say(
    page,
    Array.from({ length: 6000 }, (_, n) => cell(`cell-${n}`, { name: `[${n}] cell ${n}` }))
  );
  // The latest ones are kept.
  await expect(panel.locator('.greenllm-Cells').getByRole('table')).toHaveAttribute(
    'aria-rowcount',
    '5001'
  );
  await expectUnharmed(page);
});

test('records in outputs are checked, and drawn as text', async ({ page, tmpPath }) => {
  test.slow();
  const shown = [
    ...SCRIPTS.map(script => recordOf({ name: script, host: script, stage: script })),
    null,
    [],
    'record',
    { ...recordOf(), energy: null },
    { ...recordOf(), name: 'x'.repeat(3000) },
    { ...recordOf(), duration_s: '1' },
    { ...recordOf(), channels: Array.from({ length: 10_000 }, () => ({})) },
    JSON.parse(`{"__proto__": {"hacked": true}}`) as unknown,
    deep(500)
  ];
  const sources = shown.map(
    record =>
      `import json\nfrom IPython.display import display\ndisplay({"${MIME_TYPE}": json.loads(${JSON.stringify(
        JSON.stringify(record)
      )})}, raw=True)`
  );
  await openNotebook(page, `${tmpPath}/a.ipynb`, sources);
  for (const index of sources.keys()) {
    await runCell(page, index);
  }
  const cards = page.locator('.jp-OutputArea .greenllm-Record');
  await expect(cards).toHaveCount(shown.length);
  await expect(page.locator('.greenllm-Record', { hasText: SCRIPTS[0] ?? '' })).toHaveCount(1);
  await expect(page.locator('p.greenllm-Record')).toHaveCount(shown.length - SCRIPTS.length);
  await expectUnharmed(page);
});

test('no token is kept in the browser', async ({ page, tmpPath }) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [LOAD, '1']);
  await runCell(page, 0);
  await runCell(page, 1);
  await expect(rowOf(panel, '1')).toContainText('J');
  const token = process.env.GREENLLM_UI_TOKEN ?? '';
  expect(token).not.toBe('');
  const kept = await page.evaluate(async () => {
    const databases = await indexedDB.databases();
    const settings = await fetch('/lab/api/settings/greenllm:panel');
    const storage = [localStorage, sessionStorage].map(part => Object.entries(part));
    return JSON.stringify([storage, databases, document.cookie, await settings.text()]);
  });
  expect(kept).not.toContain(token);
});

async function openMeasured(page: Lab, tmpPath: string) {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['1'], 'greenllm');
  await expect(stateOf(panel, 'waiting for the first cell')).toBeVisible();
  return panel;
}

/** Nothing ran, no prototype was changed, and the page still answers. */
async function expectUnharmed(page: Lab): Promise<void> {
  const harm = await page.evaluate(() => ({
    hacked: 'hacked' in window || 'hacked' in {},
    scripts: document.querySelectorAll('[class*="greenllm-"] script').length,
    images: document.querySelectorAll('[class*="greenllm-"] img').length
  }));
  expect(harm).toEqual({ hacked: false, scripts: 0, images: 0 });
  await expect(panelOf(page)).toBeVisible();
  await page.evaluate(() => window.jupyterapp.commands.execute('greenllm:open'));
}

function deep(levels: number): unknown {
  return JSON.parse('{"a":'.repeat(levels) + '1' + '}'.repeat(levels)) as unknown;
}
