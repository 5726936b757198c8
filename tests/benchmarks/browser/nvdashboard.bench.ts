/** What jupyterlab-nvdashboard costs the page it is in, with the same eight GPUs under it. */
import { galata } from '@jupyterlab/galata';
import { expect, openNotebook, test } from '../../ui/lab';
import { EVERY_MS } from './kernel';
import { Cost, median, note, wait } from './metering';

const ROUNDS = 3;
const ROUND_MS = 8_000;
const WIDGET = { id: 'gpu-resource-widget', title: 'GPU Resources' };

for (const [rate, updateFrequency] of [
  ['as it comes', undefined],
  ['at 4 a second', EVERY_MS]
] as const) {
  test.describe(rate, () => {
    test.use({
      mockSettings: {
        ...galata.DEFAULT_SETTINGS,
        ...(updateFrequency ? { 'jupyterlab-nvdashboard:config': { updateFrequency } } : {})
      }
    });

    test(`jupyterlab-nvdashboard, ${rate}`, async ({ page, tmpPath }) => {
      await openNotebook(page, `${tmpPath}/a.ipynb`, ['1']);
      await page.sidebar.openTab('jp-debugger-sidebar');
      const command = await page.evaluate(() =>
        window.jupyterapp.commands
          .listCommands()
          .find(id => window.jupyterapp.commands.label(id) === 'Open GPU Dashboard Widget')
      );
      test.skip(command === undefined, 'jupyterlab-nvdashboard is not there');
      const cost = await Cost.of(page);
      const empty_mb = await cost.heap_mb();
      const quiet: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        quiet.push(await cost.share(ROUND_MS));
      }
      await page.evaluate(
        ({ command, widget }) => window.jupyterapp.commands.execute(command, widget),
        { command: command ?? '', widget: WIDGET }
      );
      await expect(page.locator('.recharts-surface').first()).toBeVisible();
      await wait(3000);
      const seen: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        seen.push(await cost.share(ROUND_MS));
      }
      note(`nvdashboard ${rate}, share of a core`, 100 * (median(seen) - median(quiet)));
      note(`nvdashboard ${rate}, heap`, (await cost.heap_mb()) - empty_mb);
    });
  });
}
