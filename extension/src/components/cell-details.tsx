/** What is known of a cell beyond its row: its interval, share and idle, its last run, its budget. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { budgetUse, formatBudget, type BudgetUse } from '../budget';
import type { CellMessage } from '../messages';
import { formatEmissions, formatEnergy, formatMeanPower, formatPercent } from '../quantities';
import { formatDuration } from '../times';
import type { EnergyUnit } from '../units';
import { useEnvironment } from './environment';
import { netFigures, netLines } from './net';

export interface CellDetailsProps {
  /** By which the button of the cell's row refers to it. */
  id: string;
  /** null: none has the focus. */
  cell: CellMessage | null;
  /** Its energy as a part of all cells' (1); null where it is not known. */
  part: number | null;
}

/** Of the cell that has the focus: with a mouse, the same is beside each figure. */
export const CellDetails = React.memo(function CellDetails(props: CellDetailsProps) {
  const { trans, preferences } = useEnvironment();
  const { id, cell, part } = props;
  return (
    <p id={id} className="greenllm-Note greenllm-Cells-details">
      {cell && detailsOf(cell, part, trans, preferences.energyUnit).join('; ')}
    </p>
  );
});

function detailsOf(
  cell: CellMessage,
  part: number | null,
  trans: TranslationBundle,
  unit: EnergyUnit
): string[] {
  const { energy_j, interval_j, mass_gco2e, interval_gco2e, duration_s } = cell;
  const emissions = formatEmissions(mass_gco2e, interval_gco2e, trans);
  const power = formatMeanPower(energy_j, interval_j, duration_s, trans);
  return [
    ...energyDetails(cell, part, trans, unit),
    trans.__('emissions: %1', emissions.detail),
    trans.__('power: %1', power.detail),
    runsDetail(cell, trans, unit)
  ];
}

/** Of the energy: its interval, its part of all, a run's budget, and idle and net. */
export function energyDetails(
  cell: CellMessage,
  part: number | null,
  trans: TranslationBundle,
  unit: EnergyUnit
): string[] {
  const { energy_j, interval_j } = cell;
  const budget = budgetOfRun(cell);
  const beside = netFigures(cell, [energy_j, interval_j], new Date(cell.at_ms), trans, unit);
  return [
    formatEnergy(energy_j, interval_j, trans, unit).detail,
    part !== null && trans.__('%1 of all cells', formatPercent(part, trans)),
    budget && trans.__('budget of a run: %1 %2', ...formatBudget(budget, unit)),
    ...netLines(beside, trans)
  ].filter(line => typeof line === 'string');
}

/** How often it ran, how long in all, and what the last run took. */
export function runsDetail(cell: CellMessage, trans: TranslationBundle, unit: EnergyUnit): string {
  const last = formatEnergy(cell.last_energy_j, cell.last_interval_j, trans, unit);
  return trans._n(
    '%1 run, %2 in all; last run: %3',
    '%1 runs, %2 in all; last run: %3',
    cell.runs,
    formatDuration(cell.duration_s, trans),
    last.detail
  );
}

/** How the last run stands with its own budget. */
export function budgetOfRun(cell: CellMessage): BudgetUse | null {
  return budgetUse(
    cell,
    [cell.last_energy_j, cell.last_interval_j],
    [cell.last_mass_gco2e ?? null, cell.last_interval_gco2e ?? null]
  );
}
