/** What an energy costs, in the manner of the reader's language. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { notKnown, type Figure } from './figure';
import { languageOfPage } from './language';
import type { Interval, Quantity } from './messages';
import type { Price } from './preferences';
import {
  decimalPlaces,
  DIGITS_WITHOUT_INTERVAL,
  exponentOf,
  placesBesideEnds,
  rounded
} from './rounding';

const J_PER_KWH = 3.6e6;
/** To how many decimals beyond those a currency usually has money is told: hundredths of a cent. */
const DECIMALS_BEYOND_A_COIN = 2;

/** What an energy costs, with the energy's interval; null where no price is set. */
export function formatMoney(
  energyJ: Quantity,
  intervalJ: Interval,
  { perKWh, currency }: Price,
  trans: TranslationBundle
): Figure | null {
  if (perKWh === null) {
    return null;
  }
  if (energyJ === null) {
    return notKnown(trans);
  }
  const { most, amount, number } = moneyWriter(currency);
  const [value, low, high] = [energyJ, ...(intervalJ ?? [energyJ, energyJ])].map(
    joules => (joules / J_PER_KWH) * perKWh
  ) as [number, number, number];
  const least = 10 ** -most;
  if (Math.max(Math.abs(low), Math.abs(high)) < least) {
    const text = `< ${amount(least, most)}`;
    return { value: text, spread: '', unit: '', detail: text };
  }
  const halfWidth = (high - low) / 2;
  const wanted = halfWidth > 0 ? decimalPlaces(halfWidth) : decimalsOf(value);
  const places = Math.min(most, wanted);
  const detail = intervalJ
    ? trans.__(
        '%1; 95 % interval %2 to %3',
        ...[value, low, high].map(ofMoney => amount(ofMoney, places))
      )
    : trans.__('%1, interval unknown', amount(value, places));
  const [below, above] = [rounded(value - low, places), rounded(high - value, places)];
  if (low === 0 && high > 0 && Number(rounded(value, places)) === 0) {
    return { value: `< ${amount(high, places)}`, spread: '', unit: '', detail };
  }
  if (below === above) {
    const spread = Number(above) === 0 ? '' : `± ${number(Number(above), places)}`;
    return { value: amount(value, places), spread, unit: '', detail };
  }
  const more = Math.min(most, placesBesideEnds(rounded(value, places), places));
  const spread = `[${number(low, more)}, ${number(high, more)}]`;
  return { value: amount(value, more), spread, unit: '', detail };
}

interface MoneyWriter {
  /** Decimals that are told at most. */
  readonly most: number;
  amount(value: number, places: number): string;
  /** The same without its currency. */
  number(value: number, places: number): string;
}

function moneyWriter(currency: string): MoneyWriter {
  const write = (value: number, places: number, options: Intl.NumberFormatOptions) =>
    new Intl.NumberFormat(languageOfPage(), {
      ...options,
      minimumFractionDigits: Math.max(0, places),
      maximumFractionDigits: Math.max(0, places)
    }).format(Number(rounded(value, places)));
  const number = (value: number, places: number) => write(value, places, {});
  try {
    const style = { style: 'currency', currency } as const;
    const { maximumFractionDigits = 2 } = new Intl.NumberFormat(
      languageOfPage(),
      style
    ).resolvedOptions();
    return {
      most: maximumFractionDigits + DECIMALS_BEYOND_A_COIN,
      amount: (value, places) => write(value, places, style),
      number
    };
  } catch {
    // Not the code of a currency: it stands beside the number as it is.
    const amount = (value: number, places: number) => `${number(value, places)} ${currency}`;
    return { most: 2 + DECIMALS_BEYOND_A_COIN, amount, number };
  }
}

function decimalsOf(value: number): number {
  return value === 0 ? 0 : DIGITS_WITHOUT_INTERVAL - 1 - exponentOf(value);
}
