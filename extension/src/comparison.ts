/** What comparisons of models allow one to say, in words, and in which order they are shown. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ComparedModel, ComparisonSummary, Interval } from './messages';

/** An interval that reaches beyond this change (+1,000 %) has no upper end worth telling. */
const MOST_TOLD = 10;

/** A row with the number under which it stands in the plot and in the table. */
export interface NumberedModel {
  readonly number: number;
  readonly model: ComparedModel;
}

/** Comparisons of this session and those of the ledger, each once, the newest first. */
export function newestFirst(
  own: readonly ComparisonSummary[],
  kept: readonly ComparisonSummary[]
): ComparisonSummary[] {
  const found = new Map([...kept, ...own].map(each => [each.comparison_id, each]));
  return [...found.values()].sort((a, b) => (a.started_at < b.started_at ? 1 : -1));
}

/** The models by batch; one has the same number at each. */
export function byBatch({ rows }: ComparisonSummary): Map<number, NumberedModel[]> {
  const names = [...new Set(rows.map(({ contender }) => contender))];
  const batches = new Map<number, NumberedModel[]>();
  for (const model of rows) {
    const numbered = { number: names.indexOf(model.contender) + 1, model };
    batches.set(model.batch, [...(batches.get(model.batch) ?? []), numbered]);
  }
  return batches;
}

/** The verdict as it is told; of the baseline, that it is that. */
export function verdictText(model: ComparedModel, trans: TranslationBundle): string {
  const isEstimated = model.provenance === 'estimated';
  switch (model.outcome) {
    case null:
      return trans.__('baseline');
    case 'saves':
      return isEstimated ? trans.__('saves (estimated)') : trans.__('saves energy');
    case 'costs':
      return isEstimated ? trans.__('costs (estimated)') : trans.__('costs energy');
    case 'unchanged':
      return trans.__('no change larger than %1 %', roundedUp(reach(model.change_interval)));
    case 'storage_only':
      return trans.__('storage saving only');
    case 'inconclusive':
      return trans.__('inconclusive');
  }
}

/** By how much a model's energy differs from the baseline's: "−12 % [−15, −9]"; empty where that is not known. */
export function changeText(
  { change, change_interval }: ComparedModel,
  trans: TranslationBundle
): string {
  if (change === null || change_interval === null) {
    return '';
  }
  const [low, high] = change_interval;
  const places = high - low >= 0.1 ? 0 : 1;
  const percent = (part: number) => signed((100 * part).toFixed(places));
  const most = high > MOST_TOLD ? trans.__('unbounded') : percent(high);
  return `${percent(change)} % [${percent(low)}, ${most}]`;
}

/** How far an interval reaches from 0, in percent. */
function reach(interval: Interval): number {
  return 100 * Math.max(...(interval ?? [0]).map(Math.abs));
}

/** A percentage with two digits that is not smaller. */
function roundedUp(percent: number): string {
  if (!(percent > 0)) {
    return '0';
  }
  const places = 1 - Math.floor(Math.log10(percent));
  const factor = 10 ** places;
  return (Math.ceil(percent * factor - 1e-9) / factor).toFixed(Math.max(0, places));
}

function signed(text: string): string {
  const isNothing = Number(text) === 0;
  return text.startsWith('-') ? `−${text.slice(1)}` : isNothing ? text : `+${text}`;
}
