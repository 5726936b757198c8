/** How much of the session's budget is used: a bar, and words that say the same. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatBudget, formatUsed, type BudgetState, type BudgetUse } from '../budget';
import { figureText } from '../figure';
import { formatPercent } from '../quantities';
import { useEnvironment } from './environment';

export function BudgetBar({ use }: { use: BudgetUse }): React.JSX.Element {
  const { trans, preferences } = useEnvironment();
  const { most, used, state, isOfEmissions } = use;
  const [limit, symbol] = formatBudget(use, preferences.energyUnit);
  const figure = formatUsed(use, trans, preferences.energyUnit);
  const part = used === null || !(most > 0) ? null : used / most;
  const amount = figureText(figure.unit === symbol ? { ...figure, unit: '' } : figure);
  const sentence =
    used === null
      ? trans.__('not known how much of %1 %2 is used', limit, symbol)
      : trans.__('used %1 of %2 %3', amount, limit, symbol);
  const text = [stateWord(state, trans), sentence].filter(word => word !== '').join(' ');
  return (
    <div className="greenllm-Budget" data-state={state}>
      <span className="greenllm-Budget-name">{trans.__('Budget')}</span>
      {part !== null && used !== null && (
        <div
          role="meter"
          className="greenllm-Budget-bar"
          aria-label={
            isOfEmissions
              ? trans.__('Emissions budget of the session')
              : trans.__('Energy budget of the session')
          }
          aria-valuemin={0}
          aria-valuemax={most}
          aria-valuenow={Math.max(0, Math.min(most, used))}
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
