/** Rounds numbers to the digits that mean something. */

export const DIGITS_WITHOUT_INTERVAL = 3;

/** To how many decimals a figure with this half width is rounded; below 0: to tens and so on. */
export function decimalPlaces(halfWidth: number): number {
  const exponent = exponentOf(halfWidth);
  const leading = Math.round(halfWidth / 10 ** (exponent - 2));
  const digits = leading >= 355 && leading < 950 ? 1 : 2;
  return Math.min(20, digits - 1 - exponent - (leading >= 950 ? 1 : 0));
}

/** Without "-0", which is no sign of anything. */
export function rounded(value: number, places: number): string {
  const text =
    places >= 0 ? value.toFixed(places) : String(Math.round(value / 10 ** -places) * 10 ** -places);
  return Number(text) === 0 ? text.replace('-', '') : text;
}

export function significant(value: number, digits: number): string {
  if (value === 0) {
    return '0';
  }
  const exponent = exponentOf(Number(value.toPrecision(digits)));
  const places = digits - 1 - exponent;
  return rounded(value, Math.min(20, places));
}

export function exponentOf(value: number): number {
  return Math.floor(Math.log10(Math.abs(value)) + 1e-12);
}

/** Beside a lopsided interval's two ends, no value of a single digit. */
export function placesBesideEnds(text: string, places: number): number {
  return Math.abs(Number(text)) < 10 ** (1 - places) ? places + 1 : places;
}
