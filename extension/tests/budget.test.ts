import { expect, it } from 'vitest';
import { budgetState } from '../src/budget';

it.each([
  [100, [90, 110], 120, 'within'],
  [100, [90, 110], 105, 'perhaps exceeded'],
  [100, [90, 110], 95, 'perhaps exceeded'],
  [100, [90, 110], 80, 'exceeded'],
  [100, null, 80, 'exceeded'],
  [null, null, 80, 'not known'],
  [100, [90, 110], null, 'not known']
] as const)('%j J %j of a budget of %j J is %s', (energy_j, interval_j, budget_j, state) => {
  expect(budgetState(energy_j, interval_j && [...interval_j], budget_j)).toBe(state);
});
