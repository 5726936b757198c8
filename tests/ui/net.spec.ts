/** Gross, idle and net side by side, once the idle machine has been measured. */
import { amount, expect, openNotebook, rowOf, runCell, test } from './lab';

/** A GPU at 60 W, and at 260 W while a cell keeps it busy; four fifths of its work are this kernel's. */
const SETUP = `%env GREENLLM_USE_METERS=card
%load_ext greenllm_kernel
import math, time
from contextlib import contextmanager
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Usage
from greenllm_kernel.metering.virtual import VirtualChannel, VirtualMeter

class Load:
    spans = []
    def busy_s(self, t_s):
        return sum(max(0.0, min(t_s, end) - begin) for begin, end in self.spans)
    def energy_j(self, t_s):
        return 60.0 * t_s + 200.0 * self.busy_s(t_s)
    def power_w(self, t_s):
        return 260.0 if any(begin <= t_s < end for begin, end in self.spans) else 60.0

load = Load()

@contextmanager
def working():
    load.spans.append([time.monotonic(), math.inf])
    yield
    load.spans[-1][1] = time.monotonic()

class Card(VirtualMeter):
    def usage(self, channel_ids, process_ids):
        now_ns = time.monotonic_ns()
        busy_s = load.busy_s(now_ns / 1e9)
        return [Usage(channel_id, 0.8 * busy_s, busy_s, now_ns) for channel_id in channel_ids]

class Plugin:
    @hookimpl
    def greenllm_meters(self, config):
        channel = Channel(id="gpu:0", component=Component.GPU, label="NVIDIA H200", provides=frozenset(Kind),
                          update_period_s=0.1, averaging_window_s=0.025, gain_uncertainty=0.01)
        return [Card([VirtualChannel(channel, load)], epoch_ns=0, name="card")]

Session.current().plugins.register(Plugin(), "card")`;

const WORK = `%%energy train
with working():
    time.sleep(2)`;

const WIDTH = 300;

test('net and this kernel’s share, once the idle machine is measured', async ({
  page,
  tmpPath
}) => {
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [SETUP, '%energy idle 3', WORK]);
  for (const index of [0, 1, 2]) {
    await runCell(page, index);
  }
  await expect(page.locator('.jp-OutputArea-output').first()).toContainText('GREENLLM_USE_METERS');
  await expect(page.locator('.jp-Notebook')).toContainText('NVIDIA H200: idle 60');

  const row = page.locator('.jp-OutputArea .greenllm-Record .greenllm-Net');
  await expect(row).toContainText(/net .*±.* J.*idle .*±.* J, measured \d\d:\d\d \(\d s\)/);
  await expect(row).toContainText(/this kernel .* J \(\d+ %\)/);
  // 200 W for 2 s.
  await expect
    .poll(async () => amount(await row.locator('.greenllm-Net-net').innerText()))
    .toBeGreaterThan(340);
  expect(amount(await row.locator('.greenllm-Net-net').innerText())).toBeLessThan(460);

  const net = panel.locator('.greenllm-Totals-net');
  await expect.poll(async () => amount(await net.innerText())).toBeGreaterThan(340);
  await expect(panel.locator('.greenllm-Totals-share')).toContainText(/J \(\d+ %\)/);
  await expect(panel.locator('.greenllm-Totals-idle')).toContainText(/Idle .*measured/);
  await expect(
    rowOf(panel, 'train').locator('.greenllm-Cell-energy .greenllm-Figure')
  ).toHaveAttribute('title', /net of idle: [\s\S]*this kernel: /);

  const card = page.locator('.jp-OutputArea .greenllm-Record');
  await card.locator('summary').click();
  await expect(card.locator('table')).toContainText('This kernel');
  for (const theme of ['Light', 'Dark']) {
    await page.theme.setTheme(`JupyterLab ${theme}`);
    await page.sidebar.setWidth(WIDTH, 'right');
    await card.scrollIntoViewIfNeeded();
    await page.waitForTimeout(400);
    await page.screenshot({ path: test.info().outputPath(`${theme}.png`) });
    await panel.screenshot({ path: test.info().outputPath(`panel-${theme}.png`) });
  }
});
