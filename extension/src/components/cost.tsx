/** What something has cost, on two lines: a stage, a session, a cell of an earlier session. */
import * as React from 'react';
import type { Interval, Provenance, Quantity } from '../messages';
import { formatMoney } from '../money';
import { formatEmissions, formatEnergy } from '../quantities';
import { formatDuration } from '../times';
import { useEnvironment } from './environment';
import { FigureText } from './figure';
import { ProvenanceChip } from './provenance';

export interface CostSource {
  readonly energy_j: Quantity;
  readonly interval_j: Interval;
  readonly mass_gco2e: Quantity;
  readonly interval_gco2e: Interval;
  readonly duration_s: number;
  readonly runs: number;
  readonly provenance: Provenance;
}

export interface CostProps {
  cost: CostSource;
  /** What it is the cost of. */
  children: React.ReactNode;
  /** In percent of the largest beside it: a bar. */
  percentOfMost?: number;
}

export function Cost({ cost, children, percentOfMost }: CostProps): React.JSX.Element {
  const { trans, preferences } = useEnvironment();
  const { energy_j, interval_j, mass_gco2e, interval_gco2e } = cost;
  const money = formatMoney(energy_j, interval_j, preferences.price, trans);
  const emissions = formatEmissions(mass_gco2e, interval_gco2e, trans);
  return (
    <span
      className="greenllm-Cost"
      style={{ '--greenllm-share': `${percentOfMost ?? 0}%` } as React.CSSProperties}
    >
      <span className="greenllm-Cost-name">{children}</span>
      <span className="greenllm-Cost-energy">
        <FigureText figure={formatEnergy(energy_j, interval_j, trans, preferences.energyUnit)} />
      </span>
      <span className="greenllm-Cost-more">
        <ProvenanceChip provenance={cost.provenance} trans={trans} />
        <span>{trans._n('%1 run', '%1 runs', cost.runs)}</span>
        <span>{formatDuration(cost.duration_s, trans)}</span>
      </span>
      <span className="greenllm-Cost-emissions">
        <FigureText figure={{ ...emissions, spread: '' }} />
        {money && (
          <>
            {' · '}
            <FigureText figure={{ ...money, spread: '' }} />
          </>
        )}
      </span>
    </span>
  );
}
