/** Arrow keys among things that are one stop of the tab key. */

/**
 * To which of them a key leads, at most to the first or the last; null where the key means nothing here.
 *
 * @param steps - How far each key leads. Home and End always lead to the first and the last.
 */
export function indexAfter(
  key: string,
  index: number,
  count: number,
  steps: Readonly<Record<string, number>>
): number | null {
  const all: typeof steps = { ...steps, Home: -Infinity, End: Infinity };
  const step = all[key];
  return step === undefined ? null : Math.max(0, Math.min(count - 1, index + step));
}
