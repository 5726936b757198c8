import { expect, it, vi } from 'vitest';
import { remembered } from '../src/remembered';

it('is made once of each object, also where nothing comes of it', () => {
  const make = vi.fn(({ length }: readonly number[]) => (length > 0 ? { length } : null));
  const lengthOf = remembered(make);
  const [some, none] = [[1, 2], []];
  expect(lengthOf(some)).toEqual({ length: 2 });
  expect(lengthOf(some)).toBe(lengthOf(some));
  expect([lengthOf(none), lengthOf(none)]).toEqual([null, null]);
  expect(make).toHaveBeenCalledTimes(2);
});
