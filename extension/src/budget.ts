/** How what was drawn or emitted stands to its budget, as far as the interval lets one say. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Figure } from './figure';
import type { Interval, Quantity } from './messages';
import { formatEmissions, formatEnergy, formatSetEnergy, formatSetMass } from './quantities';
import type { EnergyUnit } from './units';

export type BudgetState = 'within' | 'perhaps exceeded' | 'exceeded' | 'not known';

/** A budget and what of it is used: J, or, where it is one of emissions, g of CO2e. */
export interface BudgetUse {
  readonly isOfEmissions: boolean;
  readonly most: number;
  readonly used: Quantity;
  readonly interval: Interval;
  readonly state: BudgetState;
}

interface Limits {
  readonly budget_j?: Quantity;
  readonly budget_gco2e?: Quantity;
}

/**
 * How an energy, J, and its emissions, g of CO2e, stand to the budget that is set; null where none is.
 */
export function budgetUse(
  { budget_j = null, budget_gco2e = null }: Limits,
  energy: readonly [Quantity, Interval],
  emissions: readonly [Quantity, Interval]
): BudgetUse | null {
  const isOfEmissions = budget_j === null;
  const most = budget_j ?? budget_gco2e;
  if (most === null) {
    return null;
  }
  const [used, interval] = isOfEmissions ? emissions : energy;
  return { isOfEmissions, most, used, interval, state: stateOf(used, interval, most) };
}

/** The budget itself: it is exact. */
export function formatBudget(use: BudgetUse, unit: EnergyUnit = 'joule'): [string, string] {
  return use.isOfEmissions ? formatSetMass(use.most) : formatSetEnergy(use.most, unit);
}

/** What of it is used. */
export function formatUsed(use: BudgetUse, trans: TranslationBundle, unit: EnergyUnit): Figure {
  return use.isOfEmissions
    ? formatEmissions(use.used, use.interval, trans)
    : formatEnergy(use.used, use.interval, trans, unit);
}

function stateOf(used: Quantity, interval: Interval, most: number): BudgetState {
  if (used === null) {
    return 'not known';
  }
  const [low, high] = interval ?? [used, used];
  return low > most ? 'exceeded' : high > most ? 'perhaps exceeded' : 'within';
}
