/** Comparisons of models: a real one, told to the page and kept; and how the front looks. */
import { compared, comparison } from '../../extension/tests/messages';
import { overflow, violations } from './checks';
import { expect, openNotebook, reload, runCell, stateOf, switchTo, test } from './lab';
import { hello, say, SESSION, totals } from './said';

const MODELS = `import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
torch.set_num_threads(1)
def llama(layers):
    shape = dict(hidden_size=32, intermediate_size=64, num_attention_heads=4, vocab_size=256)
    return LlamaForCausalLM(LlamaConfig(num_hidden_layers=layers, **shape)).eval()
model, small = llama(6), llama(1)
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
raw = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw)`;

const COMPARE =
  '%compare model small --texts ["import"]*9 --tokenizer tokenizer --prompt-tokens 8 --new-tokens 4 --pairs 4 --window-s 0.1';

const THEMES = ['JupyterLab Light', 'JupyterLab Dark', 'JupyterLab Dark High Contrast'];
const WIDTHS = { narrow: 240, usual: 330, wide: 620 };

test('a comparison of two models shows its front, and is there again later', async ({
  page,
  tmpPath
}) => {
  test.setTimeout(240_000);
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, [MODELS, COMPARE], 'greenllm');
  await runCell(page, 0);
  await runCell(page, 1);
  const output = page.locator('.jp-Cell').nth(1).locator('.jp-OutputArea-output');
  await expect(output.filter({ hasText: 'compared 2 models' }).locator('svg')).toBeVisible();

  const section = panel.locator('.greenllm-Comparisons');
  const rows = section.locator('tbody tr');
  await expect(rows).toHaveCount(2);
  await expect(rows.nth(0)).toContainText(/model\s*baseline/);
  await expect(rows.nth(0)).toContainText(/\d.* m?J/);
  await expect(rows.nth(1)).toContainText(
    /small\s*(saves energy|costs energy|no change|storage|incon)/
  );
  await expect(section.getByRole('img', { name: /Bits per byte against energy/ })).toBeVisible();
  const before = await section.innerText();
  await section.scrollIntoViewIfNeeded();
  await page.screenshot({ path: test.info().outputPath('real.png') });

  // Where nothing is measured, from the ledger.
  await openNotebook(page, `${tmpPath}/b.ipynb`, ['1']);
  await expect(stateOf(panel, 'not measured')).toBeVisible();
  await expect(section).toContainText('small');
  await switchTo(page, `${tmpPath}/a.ipynb`);
  await expect.poll(() => section.innerText()).toBe(before);
  await page.notebook.save();
  await reload(page);
  await expect.poll(() => section.innerText()).toBe(before);
});

test('the front in every theme and width, by keyboard and for axe', async ({ page, tmpPath }) => {
  test.setTimeout(180_000);
  const panel = await openNotebook(page, `${tmpPath}/a.ipynb`, ['1'], 'greenllm');
  await runCell(page, 0);
  const [baseline = compared()] = comparison().rows;
  const rows = [1, 8].flatMap(batch =>
    [
      baseline,
      compared({
        contender: 'pruned by a quarter, distilled',
        energy_j: 5,
        interval_j: [4.6, 5.4],
        on_front: false
      }),
      compared({ contender: 'int8', runtime: 'openvino', quality: 2.01, provenance: 'estimated' }),
      compared({
        contender: 'int4',
        energy_j: 9,
        interval_j: [8, 10],
        quality: 2.3,
        on_front: false,
        outcome: 'costs',
        change: 0.12,
        change_interval: [0.05, 0.2]
      }),
      compared({
        contender: 'huffman',
        energy_j: 8,
        interval_j: [7.9, 8.1],
        quality: 2.0,
        on_front: false,
        outcome: 'storage_only',
        change: 0.001,
        change_interval: [-0.01, 0.012]
      })
    ].map(row => ({ ...row, batch, quality_interval: around(row.quality) }))
  );
  const head = { schema: 1, kind: 'comparison', session_id: SESSION, seq: 1, at_ms: 0 };
  // Later than whatever other tests have left in the ledger.
  const started_at = '2999-01-02T00:00:00.000Z';
  const earlier = comparison({ comparison_id: 'run-1', started_at: '2999-01-01T00:00:00.000Z' });
  await say(page, [
    hello(),
    totals(),
    { ...head, comparison: earlier },
    { ...head, comparison: comparison({ rows, started_at, omitted: 2 }) }
  ]);
  const section = panel.locator('.greenllm-Comparisons');
  await expect(section.locator('tbody tr')).toHaveCount(10);
  await page.setViewportSize({ width: 1280, height: 1500 });
  for (const theme of THEMES) {
    await page.theme.setTheme(theme);
    for (const [name, width] of Object.entries(WIDTHS)) {
      await page.sidebar.setWidth(width, 'right');
      await section.scrollIntoViewIfNeeded();
      await page.waitForTimeout(300);
      expect(await overflow(page)).toEqual([]);
      const path = test.info().outputPath(`${theme.replaceAll(' ', '')}-${name}.png`);
      await section.screenshot({ path });
    }
    expect(await violations(page), theme).toEqual([]);
  }
  const choice = section.getByRole('combobox');
  await choice.focus();
  await page.keyboard.press('ArrowDown');
  await expect(section.locator('tbody tr')).toHaveCount(2);
});

/** An interval such as a text of usual length leaves. */
function around(quality: number | null): [number, number] | null {
  return quality === null ? null : [quality - 0.02, quality + 0.02];
}
