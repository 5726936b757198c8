/** Comparisons of models: what each draws for a token, at what quality, and what that allows one to say. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { byBatch, changeText, newestFirst, verdictText, type NumberedModel } from '../comparison';
import type { ComparisonSummary } from '../messages';
import { energyAxisUnit, formatEnergy, formatPlain } from '../quantities';
import { formatMoment } from '../times';
import { useEnvironment } from './environment';
import { FigureText } from './figure';
import { FrontPlot } from './front-plot';
import { useHistory } from './ledger-hooks';
import { ProvenanceChip } from './provenance';

const NONE: readonly ComparisonSummary[] = [];

/** @param own - Those of the session that is shown. */
export const Comparisons = React.memo(function Comparisons(props: {
  own?: readonly ComparisonSummary[];
}) {
  const { trans } = useEnvironment();
  const { value } = useHistory();
  const [chosen, choose] = React.useState<string | null>(null);
  const all = newestFirst(props.own ?? NONE, value?.comparisons ?? NONE);
  const shown = all.find(({ comparison_id }) => comparison_id === chosen) ?? all[0];
  if (!shown) {
    return null;
  }
  return (
    <section className="greenllm-Comparisons" aria-label={trans.__('Comparisons')}>
      <h3>{trans.__('Comparisons')}</h3>
      {all.length > 1 && (
        <select
          className="greenllm-Comparisons-choice"
          aria-label={trans.__('Which comparison is shown')}
          value={shown.comparison_id}
          onChange={event => choose(event.currentTarget.value)}
        >
          {all.map(each => (
            <option key={each.comparison_id} value={each.comparison_id}>
              {titleOf(each)}
            </option>
          ))}
        </select>
      )}
      <p className="greenllm-Note">{workText(shown, trans)}</p>
      {[...byBatch(shown)].map(([batch, models]) => (
        <Front key={batch} comparison={shown} batch={batch} models={models} />
      ))}
      {shown.omitted > 0 && (
        <p className="greenllm-Note">
          {trans._n('%1 more is in the notebook.', '%1 more are in the notebook.', shown.omitted)}
        </p>
      )}
    </section>
  );
});

interface FrontProps {
  comparison: ComparisonSummary;
  batch: number;
  models: readonly NumberedModel[];
}

function Front({ comparison, batch, models }: FrontProps): React.JSX.Element {
  const { trans, preferences } = useEnvironment();
  const { energyUnit } = preferences;
  const { unit, quality } = comparison;
  const qualityName = nameOfQuality(quality, trans);
  const most_j = Math.max(...models.map(({ model }) => model.energy_j ?? 0));
  const [axisUnit_j, symbol] = energyAxisUnit(most_j, energyUnit);
  return (
    <div className="greenllm-Front">
      <p className="greenllm-Note">{trans.__('Batch %1', batch)}</p>
      <FrontPlot
        models={models}
        name={trans.__('%1 against energy at batch %2', qualityName, batch)}
        energyName={
          unit === 'token' ? trans.__('%1/token', symbol) : trans.__('%1/request', symbol)
        }
        energyUnit_j={axisUnit_j}
        qualityName={qualityName}
      />
      <table aria-label={trans.__('Batch %1', batch)}>
        <thead>
          <tr>
            <th scope="col">{trans.__('Model, verdict')}</th>
            <th scope="col">
              {unit === 'token' ? trans.__('Energy per token') : trans.__('Energy per request')}
            </th>
            {quality !== null && <th scope="col">{qualityName}</th>}
          </tr>
        </thead>
        <tbody>
          {models.map(({ number, model }) => (
            <tr key={number} data-front={model.on_front === true} data-outcome={model.outcome}>
              <th scope="row">
                <span className="greenllm-Front-number">{number}</span>{' '}
                <bdi title={model.runtime}>{model.contender}</bdi>
                <span className="greenllm-Front-verdict">
                  {verdictText(model, trans)} <span>{changeText(model, trans)}</span>
                </span>
                {model.on_front && (
                  <span className="greenllm-Front-best">◆ {trans.__('on the front')}</span>
                )}
                <ProvenanceChip provenance={model.provenance} trans={trans} />
              </th>
              <td>
                <FigureText
                  figure={formatEnergy(model.energy_j, model.interval_j, trans, energyUnit)}
                />
              </td>
              {quality !== null && (
                <td>
                  <FigureText figure={formatPlain(model.quality, model.quality_interval, trans)} />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** When it was and of what. */
function titleOf({ started_at, rows }: ComparisonSummary): string {
  const names = [...new Set(rows.map(({ contender }) => contender))];
  return `${formatMoment(started_at)}: ${names.join(', ')}`;
}

function workText(comparison: ComparisonSummary, trans: TranslationBundle): string {
  const { prompt_tokens, new_tokens, status, started_at } = comparison;
  const work =
    new_tokens > 0
      ? trans.__(
          '%1: prompts of %2 tokens, %3 new ones',
          formatMoment(started_at),
          prompt_tokens,
          new_tokens
        )
      : trans.__('%1: texts of %2 tokens', formatMoment(started_at), prompt_tokens);
  return status === 'interrupted' ? trans.__('%1 (interrupted)', work) : work;
}

function nameOfQuality(quality: ComparisonSummary['quality'], trans: TranslationBundle): string {
  return quality === 'error rate' ? trans.__('Error rate') : trans.__('Bits per byte');
}
