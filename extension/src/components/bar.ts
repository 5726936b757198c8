/** The bar beside a figure: how much it is of the largest of its kind. */
import type { Quantity } from '../messages';

/** In whole percent; 0 where nothing is known. */
export function percentOfMost(value: Quantity, most: number): number {
  return most > 0 ? Math.round((100 * Math.max(0, value ?? 0)) / most) : 0;
}
