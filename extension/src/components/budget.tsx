/** How much of the session's budget is used: a bar, and words that say the same. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { budgetState, type BudgetState } from '../budget';
import { figureText, formatEnergy, formatPercent, formatSetEnergy } from '../format';
import type { Interval, Quantity } from '../messages';
import { useEnvironment } from './environment';

export interface BudgetBarProps {
  energy_j: Quantity;
  interval_j: Interval;
  budget_j: number;
}

export function BudgetBar({ energy_j, interval_j, budget_j }: BudgetBarProps): React.JSX.Element {
  const { trans, preferences } = useEnvironment();
  const [limit, symbol] = formatSetEnergy(budget_j, preferences.energyUnit);
  const used = formatEnergy(energy_j, interval_j, trans, preferences.energyUnit);
  const state = budgetState(energy_j, interval_j, budget_j);
  const part = energy_j === null || !(budget_j > 0) ? null : energy_j / budget_j;
  const amount = figureText(used.unit === symbol ? { ...used, unit: '' } : used);
  const sentence =
    energy_j === null
      ? trans.__('not known how much of %1 %2 is used', limit, symbol)
      : trans.__('used %1 of %2 %3', amount, limit, symbol);
  const text = [stateWord(state, trans), sentence].filter(word => word !== '').join(' ');
  return (
    <div className="greenllm-Budget" data-state={state}>
      <span className="greenllm-Budget-name">{trans.__('Budget')}</span>
      {part !== null && energy_j !== null && (
        <div
          role="meter"
          className="greenllm-Budget-bar"
          aria-label={trans.__('Energy budget of the session')}
          aria-valuemin={0}
          aria-valuemax={budget_j}
          aria-valuenow={Math.max(0, Math.min(budget_j, energy_j))}
          aria-valuetext={text}
        >
          <span style={{ inlineSize: `${Math.round(100 * Math.max(0, Math.min(1, part)))}%` }} />
        </div>
      )}
      <span className="greenllm-Budget-text">
        {state === 'exceeded' && <span aria-hidden="true">▲ </span>}
        {text}
        {part !== null && state === 'within' && ` (${formatPercent(part, trans)})`}
      </span>
    </div>
  );
}

function stateWord(state: BudgetState, trans: TranslationBundle): string {
  switch (state) {
    case 'exceeded':
      return trans.__('Over budget:');
    case 'perhaps exceeded':
      return trans.__('Perhaps over budget:');
    default:
      return '';
  }
}
