/** What the session has cost so far. */
import * as React from 'react';
import { budgetUse } from '../budget';
import type { HelloMessage, TotalsMessage } from '../messages';
import { formatMoney } from '../money';
import { formatEmissions, formatEnergy, formatPercent } from '../quantities';
import { formatDuration } from '../times';
import { BudgetBar } from './budget';
import { useEnvironment } from './environment';
import { FigureText } from './figure';
import { howToKnowNet, listText, netFigures, whoseNet } from './net';
import { ProvenanceChip } from './provenance';

export interface TotalsProps {
  totals: TotalsMessage;
  hello: HelloMessage | null;
}

/** Drawn again only when the sums have changed, not with every message. */
export const Totals = React.memo(function Totals({ totals, hello }: TotalsProps) {
  const { trans, preferences } = useEnvironment();
  const unit = preferences.energyUnit;
  const energy = formatEnergy(totals.energy_j, totals.interval_j, trans, unit);
  const emissions = formatEmissions(totals.mass_gco2e, totals.interval_gco2e, trans);
  const cost = formatMoney(totals.energy_j, totals.interval_j, preferences.price, trans);
  const beside = netFigures(
    totals,
    [totals.energy_j, totals.interval_j],
    new Date(totals.at_ms),
    trans,
    unit
  );
  const budget = budgetUse(
    totals,
    [totals.energy_j, totals.interval_j],
    [totals.mass_gco2e, totals.interval_gco2e]
  );
  const partly = (totals.partial ?? []).map(({ label, coverage }) =>
    trans.__('%1 (%2 of the time)', label, formatPercent(coverage, trans))
  );
  return (
    <div className="greenllm-Totals" role="group" aria-label={trans.__('Session')}>
      <dl className="greenllm-Totals-figures">
        <div>
          <dt>{trans.__('Energy of the session')}</dt>
          <dd className="greenllm-Totals-energy">
            <FigureText figure={energy} />
          </dd>
        </div>
        {beside.net && (
          <div>
            <dt>{trans.__('Net of idle')}</dt>
            <dd className="greenllm-Totals-net">
              <FigureText figure={beside.net} />
            </dd>
          </div>
        )}
        {beside.share !== null && (
          <div>
            <dt>{trans.__('This kernel’s share')}</dt>
            <dd className="greenllm-Totals-share">{beside.share}</dd>
          </div>
        )}
        <div>
          <dt>{trans.__('Emissions')}</dt>
          <dd className="greenllm-Totals-emissions">
            <FigureText figure={emissions} />
          </dd>
        </div>
        {cost && (
          <div>
            <dt>{trans.__('Cost')}</dt>
            <dd className="greenllm-Totals-cost">
              <FigureText figure={cost} />
            </dd>
          </div>
        )}
      </dl>
      {budget && <BudgetBar use={budget} />}
      <p className="greenllm-Totals-line">
        <ProvenanceChip
          provenance={totals.provenance}
          trans={trans}
          parts={totals.by_provenance_j}
        />
        <span>{trans.__('over %1', formatDuration(totals.duration_s, trans))}</span>
        <span>{trans._n('%1 cell', '%1 cells', totals.cells)}</span>
        <span>{trans._n('%1 run', '%1 runs', totals.runs)}</span>
      </p>
      {beside.idle && (
        <p className="greenllm-Note greenllm-Totals-idle">
          {trans.__('Idle')} <FigureText figure={beside.idle} />
          {beside.basis !== '' && `, ${beside.basis}`}
        </p>
      )}
      {beside.of.length > 0 && (
        <p className="greenllm-Note greenllm-Totals-whose">{whoseNet(beside, trans)}</p>
      )}
      {beside.isMissing && <p className="greenllm-Note">{howToKnowNet(beside, trans)}</p>}
      {totals.unavailable.length > 0 && (
        <p className="greenllm-Note">
          {trans.__('Not included: %1', listText(missing(totals.unavailable, hello)))}
        </p>
      )}
      {partly.length > 0 && (
        <p className="greenllm-Note greenllm-Totals-partly">
          {trans.__('Partly read: %1', listText(partly))}
        </p>
      )}
    </div>
  );
});

function missing(ids: readonly string[], hello: HelloMessage | null): string[] {
  const labels = new Map(hello?.channels.map(channel => [channel.id, channel.label]));
  return ids.map(id => labels.get(id) ?? id);
}
