/** How an energy stands to its budget, as far as its interval lets one say. */
import type { Interval, Quantity } from './messages';

export type BudgetState = 'within' | 'perhaps exceeded' | 'exceeded' | 'not known';

/** @param budget_j - What was to be drawn at most, J; null: nothing was set. */
export function budgetState(
  energy_j: Quantity,
  interval_j: Interval,
  budget_j: Quantity
): BudgetState {
  if (energy_j === null || budget_j === null) {
    return 'not known';
  }
  const [low_j, high_j] = interval_j ?? [energy_j, energy_j];
  return low_j > budget_j ? 'exceeded' : high_j > budget_j ? 'perhaps exceeded' : 'within';
}
