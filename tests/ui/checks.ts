/** What holds of everything of ours that is shown, whatever it shows. */
import AxeBuilder from '@axe-core/playwright';
import { panelOf, type Lab } from './lab';

/** The outermost of our elements carry this while axe looks at them. */
const OURS = 'data-greenllm-outermost';

/** What axe finds in all that is ours in the page. */
export async function violations(page: Lab): Promise<string[]> {
  await page.evaluate(mark => {
    for (const node of document.querySelectorAll('[class*="greenllm-"]')) {
      const isOutermost = !node.parentElement?.closest('[class*="greenllm-"]');
      node.toggleAttribute(mark, isOutermost);
    }
  }, OURS);
  const builder = new AxeBuilder({ page: page }).include(`[${OURS}]`).setLegacyMode(true);
  const results = await builder.analyze();
  return results.violations.flatMap(({ id, nodes }) =>
    nodes.map(node => `${id}: ${node.html} (${node.failureSummary ?? ''})`)
  );
}

/** What can be seen beyond the panel's right edge. */
export async function overflow(page: Lab): Promise<string[]> {
  return panelOf(page).evaluate(panel => {
    const right = panel.getBoundingClientRect().right + 1;
    return [...panel.querySelectorAll('*')]
      .filter(node => node.getBoundingClientRect().right > right && node.clientWidth > 0)
      .filter(node => !node.closest('.greenllm-Cells-names, .greenllm-Heard'))
      .map(node => node.getAttribute('class') ?? node.tagName);
  });
}
