import { expect, it } from 'vitest';
import { budgetUse, formatBudget } from '../src/budget';

const NOTHING = [null, null] as const;

it.each([
  [100, [90, 110], 120, 'within'],
  [100, [90, 110], 105, 'perhaps exceeded'],
  [100, [90, 110], 95, 'perhaps exceeded'],
  [100, [90, 110], 80, 'exceeded'],
  [100, null, 80, 'exceeded'],
  [null, null, 80, 'not known']
] as const)('%j %j of a budget of %j is %s, in J and in g of CO2e', (used, pair, most, state) => {
  const figure = [used, pair && ([...pair] as [number, number])] as const;
  expect(budgetUse({ budget_j: most }, figure, NOTHING)).toMatchObject({ most, state });
  expect(budgetUse({ budget_gco2e: most }, NOTHING, figure)).toMatchObject({ most, state });
});

it('is none where none is set, and tells in which unit one is', () => {
  expect(budgetUse({}, [100, null], [1, null])).toBeNull();
  expect(budgetUse({ budget_j: null, budget_gco2e: null }, NOTHING, NOTHING)).toBeNull();
  const grams = budgetUse({ budget_gco2e: 20 }, NOTHING, [21, [20.5, 21.5]]);
  expect(grams && formatBudget(grams)).toEqual(['20', 'g CO₂e']);
  const joules = budgetUse({ budget_j: 7200 }, NOTHING, NOTHING);
  expect(joules && formatBudget(joules, 'watt-hour')).toEqual(['2.0', 'Wh']);
});
