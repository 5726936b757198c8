/** What the panel costs the page it is in, and how soon it shows what was read. */
import { writeFileSync } from 'node:fs';
import type { NotebookPanel } from '@jupyterlab/notebook';
import {
  expect,
  LOAD,
  openNotebook,
  panelOf,
  rowOf,
  runCell,
  runsFor,
  test,
  type Lab
} from '../../ui/lab';
import { cell, gpus, hello, prepareToSay, say, totals } from '../../ui/said';
import { EVERY_MS, FOREIGN, GPUS, keepSaying, sayAnHour, stopSaying, tick } from './kernel';
import { Cost, median, note, quantile, wait } from './metering';

const FRAMES = 80;
const ROUNDS = 4;
const ROUND_MS = 8_000;
const CELLS = 2000;
const KEYS = 60;
const HIDDEN_BY = 'jp-debugger-sidebar';

test('eight GPUs, four messages a second, an hour of history', async ({ page, tmpPath }) => {
  await openNotebook(page, `${tmpPath}/a.ipynb`, ['1']);
  const cost = await Cost.of(page);
  const empty_mb = await cost.heap_mb();
  const now_ms = Date.now();
  await sayAnHour(page, now_ms);
  await expect(panelOf(page).locator('canvas').first()).toBeVisible();
  await wait(2000);

  const foreignFrames_ms = await scriptsOfMessages(page, cost, now_ms, FOREIGN);
  const foreign_ms = median(foreignFrames_ms);
  const frames_ms = await scriptsOfMessages(page, cost, now_ms);
  note('scripting a frame, p95', quantile(frames_ms, 0.95) - foreign_ms);
  note('scripting a frame, median', median(frames_ms) - foreign_ms);
  note('scripting a frame without us, p95', quantile(foreignFrames_ms, 0.95) - foreign_ms);

  const shares: Record<'foreign' | 'seen' | 'hidden', number[]> = {
    foreign: [],
    seen: [],
    hidden: []
  };
  for (let round = 0; round < ROUNDS; round++) {
    await keepSaying(page, now_ms, FOREIGN);
    shares.foreign.push(await cost.share(ROUND_MS));
    await stopSaying(page);
    await keepSaying(page, now_ms + 60_000 * (round + 1));
    shares.seen.push(await cost.share(ROUND_MS));
    await page.sidebar.openTab(HIDDEN_BY);
    await wait(500);
    shares.hidden.push(await cost.share(ROUND_MS));
    await stopSaying(page);
    await page.sidebar.openTab('greenllm-panel');
    await wait(1000);
  }
  note('share of a core, seen', 100 * (median(shares.seen) - median(shares.foreign)));
  note('share of a core, hidden', 100 * (median(shares.hidden) - median(shares.foreign)));

  const before_mb = await cost.heap_mb();
  await sayAnHour(page, now_ms + 2 * 3_600_000);
  await wait(1000);
  const after_mb = await cost.heap_mb();
  note('heap of an hour', before_mb - empty_mb);
  note('heap, growth in an hour', after_mb - before_mb);
});

test('from reading to pixel', async ({ page, tmpPath }) => {
  const clock = rampMeter(test.info().outputPath('greenllm.toml'));
  const environment = `%env GREENLLM_CONFIG=${clock.file}\n%env GREENLLM_USE_METERS=virtual`;
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [environment, LOAD, runsFor(25)]);
  await runCell(page, 0);
  await runCell(page, 1);
  await runCell(page, 2, false);
  await expect(panel.locator('.greenllm-Power-value[data-live="true"]')).toBeVisible();
  await wait(3000);
  const shown = await powersAsShown(page, 18_000);
  expect(shown.length).toBeGreaterThan(20);
  const ages_ms = shown.map(({ total_w, at_ms }) => at_ms - clock.readAt_ms(total_w));
  note('from reading to pixel, p95', quantile(ages_ms, 0.95));
  note('from reading to pixel, median', median(ages_ms));
});

test('two thousand measured cells', async ({ page, tmpPath }) => {
  const sources = Array.from({ length: CELLS }, (_, index) => `value_${index} = ${index}`);
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, sources);
  await page.sidebar.openTab(HIDDEN_BY);
  await sayCells(page);

  const opened_ms: number[] = [];
  for (let round = 0; round < 5; round++) {
    opened_ms.push(await openingTime(page));
    await expect(rowOf(panel, 'value_')).not.toHaveCount(0);
    await page.sidebar.openTab(HIDDEN_BY);
    await wait(500);
  }
  note('opening the panel, 2,000 cells', median(opened_ms));
  await page.sidebar.openTab('greenllm-panel');
  note('sorting 2,000 cells', median(await sortingTimes(page)));

  await keepSaying(page, Date.now());
  const seen_ms = await typingTimes(page);
  await page.sidebar.openTab(HIDDEN_BY);
  const hidden_ms = await typingTimes(page);
  await stopSaying(page);
  note('typing, a key until painted, p95', quantile(seen_ms, 0.95));
  note('typing, what the panel adds, p95', quantile(seen_ms, 0.95) - quantile(hidden_ms, 0.95));
});

/** The scripts' processor time from each message until the next, ms: JupyterLab's own reading of it included. */
async function scriptsOfMessages(
  page: Lab,
  cost: Cost,
  from_ms: number,
  type?: string
): Promise<number[]> {
  const spent_ms: number[] = [];
  await page.evaluate(prepareToSay);
  for (let frame = 0; frame < FRAMES; frame++) {
    const before = await cost.spent();
    const message = tick(14_400 + frame, from_ms + EVERY_MS * frame);
    await page.evaluate(
      ({ message, type }) => setTimeout(() => window.greenllmSay([message], type), 0),
      { message, type }
    );
    await wait(EVERY_MS);
    spent_ms.push(1000 * ((await cost.spent()).scripts_s - before.scripts_s));
  }
  return spent_ms;
}

/** A meter whose power tells when it was read: it rises by 100 W each second. */
function rampMeter(file: string) {
  const [epoch_ns, epoch_ms] = [process.hrtime.bigint(), Date.now()];
  const channel = `id = "gpu:ramp"
component = "gpu"
provides = ["counter", "power"]
update_period_s = 0.1
averaging_window_s = 0.025
profile = {shape = "ramps", points = [[0, 100], [600, 60100]]}`;
  writeFileSync(
    file,
    `[meters.virtual]\nepoch_ns = ${epoch_ns}\n[[meters.virtual.channels]]\n${channel}\n`
  );
  return { file, readAt_ms: (total_w: number) => epoch_ms + (1000 * (total_w - 100)) / 100 };
}

/** Each new power that the panel showed in that time: its exact value, and when its pixels were there (wall clock). */
async function powersAsShown(
  page: Lab,
  duration_ms: number
): Promise<{ total_w: number; at_ms: number }[]> {
  return page.evaluate(async duration_ms => {
    const notebook = window.jupyterapp.shell.currentWidget as NotebookPanel;
    let latest_w = NaN;
    notebook.sessionContext.session?.kernel?.iopubMessage.connect((_, { content }) => {
      const message = content as { kind?: string; total_w?: number };
      latest_w = message.kind === 'power' ? (message.total_w ?? NaN) : latest_w;
    });
    const shown: { total_w: number; at_ms: number }[] = [];
    const value = () => document.querySelector('.greenllm-Power-value')?.textContent;
    const end_ms = performance.now() + duration_ms;
    let last = value();
    while (performance.now() < end_ms) {
      // After the frame in which it was drawn.
      await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 0)));
      if (value() !== last && !Number.isNaN(latest_w)) {
        last = value();
        shown.push({ total_w: latest_w, at_ms: performance.timeOrigin + performance.now() });
      }
    }
    return shown;
  }, duration_ms);
}

async function sayCells(page: Lab): Promise<void> {
  await say(page, [hello({ channels: gpus(GPUS) }), totals({ cells: CELLS, runs: CELLS })]);
  const cells = Array.from({ length: CELLS }, (_, index) => {
    const energy_j = 10 + ((index * 7919) % CELLS);
    return cell(`cell-${index}`, {
      name: `[${index}] value_${index} = ${index}`,
      execution_count: index,
      energy_j,
      interval_j: [0.9 * energy_j, 1.1 * energy_j]
    });
  });
  for (let first = 0; first < CELLS; first += 200) {
    await say(page, cells.slice(first, first + 200));
  }
  await say(page, [tick(0, Date.now() - 60_000)]);
}

/** From the command until the rows have been painted, ms. */
async function openingTime(page: Lab): Promise<number> {
  return page.evaluate(async () => {
    const begin_ms = performance.now();
    await window.jupyterapp.commands.execute('greenllm:open');
    const panel = document.querySelector('#greenllm-panel');
    do {
      await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 0)));
    } while (!panel?.checkVisibility() || !panel.querySelector('[data-cell-id]'));
    return performance.now() - begin_ms;
  });
}

/** From a click on the table's order until another row stands first, painted, ms. */
async function sortingTimes(page: Lab): Promise<number[]> {
  return page.evaluate(async () => {
    const first = () =>
      document.querySelector('#greenllm-panel [data-cell-id]')?.getAttribute('data-cell-id');
    const times_ms: number[] = [];
    for (let round = 0; round < 10; round++) {
      const [before, begin_ms] = [first(), performance.now()];
      document.querySelector<HTMLElement>('.greenllm-Cells-head button')?.click();
      do {
        await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 0)));
      } while (first() === before && performance.now() - begin_ms < 5000);
      times_ms.push(performance.now() - begin_ms);
      await new Promise(resolve => setTimeout(resolve, 300));
    }
    return times_ms;
  });
}

/** From each key pressed in a cell until the page was painted with it, ms; as the browser's Event Timing has it. */
async function typingTimes(page: Lab): Promise<number[]> {
  await page.locator('.jp-Cell .cm-content').first().click();
  await page.evaluate(() => {
    window.greenllmKeys = [];
    const observer = new PerformanceObserver(list => {
      for (const entry of list.getEntries()) {
        if (entry.name === 'keydown') {
          window.greenllmKeys.push(entry.duration);
        }
      }
    });
    observer.observe({ type: 'event', durationThreshold: 16 } as PerformanceObserverInit);
  });
  for (let key = 0; key < KEYS; key++) {
    await page.keyboard.press('a');
    await wait(70);
  }
  const slow_ms = await page.evaluate(() => window.greenllmKeys);
  // Those that took less than a frame are not told of.
  return [...slow_ms, ...new Array<number>(Math.max(0, KEYS - slow_ms.length)).fill(8)];
}

declare global {
  interface Window {
    greenllmKeys: number[];
  }
}
