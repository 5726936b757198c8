/** The charts of a machine with eight GPUs near their limits: screenshots for a person to judge. */
import { expect, openNotebook, panelOf, runCell, test } from './lab';

/** Says, in a kernel's stead, what eight GPUs drew in the last two minutes, in four cells and a pause. */
const EIGHT_GPUS = `import math, time
kernel = get_ipython().kernel
now_ms = time.time() * 1e3
head = {"schema": 1, "session_id": "eight", "seq": 0}
def say(**content):
    head["seq"] += 1
    kernel.session.send(kernel.iopub_socket, "greenllm_event", {**head, **content})
def channel(id, component, label, limit_w=None):
    return {"id": id, "component": component, "label": label, "meter": "nvml", "provenance": "measured",
            "inside": None, "fault": None, "limit_w": limit_w}
gpus = [f"gpu:{n}" for n in range(8)]
say(kind="hello", at_ms=now_ms, version="0", host="node-1", measuring=True, ready=True, unusable=[], intensity=None,
    warnings=[], channels=[channel(id, "gpu", "NVIDIA H100 80GB HBM3", 700) for id in gpus]
    + [channel("cpu", "cpu", "Package 0", 350), channel("dram", "dram", "Memory")])
def cell(number, name, from_s, to_s):
    say(kind="cell", at_ms=now_ms, cell_id=f"cell-{number}", name=f"[{number}] {name}", stage=None, run_id=f"run-{number}",
        execution_count=number, status="running" if to_s is None else "ok", settled=to_s is not None, runs=1, duration_s=9,
        energy_j=9e3, interval_j=[8.5e3, 9.5e3], provenance="measured", unavailable=[], mass_gco2e=1, interval_gco2e=None,
        last_energy_j=9e3, last_interval_j=None, started_at_ms=now_ms + 1e3 * from_s,
        ended_at_ms=None if to_s is None else now_ms + 1e3 * to_s)
def powers(from_s, to_s, level):
    for step in range(int(from_s * 4), int(to_s * 4)):
        watts = {id: level * (0.75 + 0.2 * math.sin(step / 15 + n)) for n, id in enumerate(gpus)}
        watts |= {"cpu": 120 + 30 * math.sin(step / 5), "dram": 40}
        say(kind="power", at_ms=now_ms + step * 250, power_w=watts, total_w=sum(watts.values()), energy_j=None,
            mass_gco2e=10 + step / 480, running=[], utilization={id: 0.97 for id in gpus})
cell(1, "load(data)", -110, -56); powers(-110, -56, 200)
cell(2, "train(model)", -40, None); cell(3, "log()", -30, -20); cell(4, "x = 1", -18, -17.8)
powers(-40, 0, 700)`;

const WIDTHS = { narrow: 240, usual: 330, wide: 620 };

test('eight GPUs, in every theme and width', async ({ page, tmpPath }) => {
  test.setTimeout(180_000);
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [EIGHT_GPUS]);
  await runCell(page, 0);
  await expect(panel.locator('.greenllm-Channel')).toHaveCount(10);
  await expect(panel.locator('.greenllm-Chart canvas')).toHaveCount(2);
  await expect(panel.locator('.greenllm-Band')).not.toHaveCount(0);
  await page.setViewportSize({ width: 1280, height: 1500 });
  for (const theme of ['JupyterLab Light', 'JupyterLab Dark', 'JupyterLab Dark High Contrast']) {
    await page.theme.setTheme(theme);
    for (const [name, width] of Object.entries(WIDTHS)) {
      await page.sidebar.setWidth(width, 'right');
      for (const form of ['apart', 'stacked']) {
        await page.waitForTimeout(500);
        const file = `${theme.replaceAll(' ', '')}-${name}-${form}.png`;
        await panelOf(page).screenshot({ path: test.info().outputPath(file) });
        await panel.getByRole('button', { name: 'Stacked' }).click();
      }
    }
  }
});
