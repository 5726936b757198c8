/**
 * Turns quantities into text with the digits that mean something, and no others.
 *
 * The rules are those of the kernel (greenllm_kernel/accounting/notation.py), so that a cell reads
 * the same in its output and in the sidebar: rounding after the Particle Data Group (Review of
 * Particle Physics, introduction, 5.3), "[low, high]" where an interval is lopsided, and an upper
 * limit where it drowns the value.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { BaselineBasis, Interval, Quantity } from './messages';
import { decimalPlaces, exponentOf, rounded, significant } from './rounding';

export type EnergyUnit = 'joule' | 'watt-hour';

/** A quantity in the pieces in which it is drawn: value, spread, unit. */
export interface Figure {
  /** "12.3", "< 4.0", or "–" where nothing is known. */
  readonly value: string;
  /** "± 0.4" or "[0.12, 0.31]"; empty where there is nothing to say. */
  readonly spread: string;
  readonly unit: string;
  /** The same in a sentence, with the whole interval, for tooltips and screen readers. */
  readonly detail: string;
}

type Unit = readonly [factor: number, symbol: string];
/** Smallest first. */
type Units = readonly [Unit, ...Unit[]];

const JOULES: Units = [
  [1e-3, 'mJ'],
  [1, 'J'],
  [1e3, 'kJ'],
  [1e6, 'MJ'],
  [1e9, 'GJ']
];
const WATT_HOURS: Units = [
  [3.6e-3, 'µWh'],
  [3.6, 'mWh'],
  [3.6e3, 'Wh'],
  [3.6e6, 'kWh'],
  [3.6e9, 'MWh']
];
const GRAMS: Units = [
  [1e-9, 'ng'],
  [1e-6, 'µg'],
  [1e-3, 'mg'],
  [1, 'g'],
  [1e3, 'kg'],
  [1e6, 't']
];
const WATTS: Units = [
  [1e-3, 'mW'],
  [1, 'W'],
  [1e3, 'kW'],
  [1e6, 'MW']
];
const PLAIN: Units = [[1, '']];
const INTENSITY: Units = [[1, 'g CO₂e/kWh']];
const J_PER_KWH = 3.6e6;
const DIGITS_WITHOUT_INTERVAL = 3;
const DIGITS_OF_AN_ESTIMATE = 2;
/** Of this kernel's part, which comes without an interval of its own. */
const DIGITS_OF_A_SHARE = 2;
/** Of what somebody has set, such as a budget, at least and at most. */
const DIGITS_SET = { least: 2, most: 4 };
/** To how many decimals beyond those a currency usually has money is told: hundredths of a cent. */
const DECIMALS_BEYOND_A_COIN = 2;
/** Half an interval, in the unit that stands beside, below which a unit of its own reads better. */
const LEAST_SHOWN = 0.1;
const NOT_KNOWN = '–';

/**
 * An energy with its 95 % interval.
 *
 * @param besideJ - What it is a part of, and is read beside: a value that its interval drowns takes its unit from there.
 */
export function formatEnergy(
  valueJ: Quantity,
  intervalJ: Interval,
  trans: TranslationBundle,
  unit: EnergyUnit = 'joule',
  besideJ: Quantity = null
): Figure {
  const units = unit === 'joule' ? JOULES : WATT_HOURS;
  return formatQuantity(valueJ, intervalJ, unitsBeside(valueJ, intervalJ, units, besideJ), trans);
}

/**
 * This kernel's part of an energy, "0.85 kJ (71 %)": two digits, or fewer where the whole has fewer.
 *
 * @param isWhole - Whether that energy is all there is, or only what the share is known of.
 */
export function formatShare(
  shareJ: number,
  grossJ: number,
  intervalJ: Interval,
  trans: TranslationBundle,
  unit: EnergyUnit = 'joule',
  isWhole = true
): string {
  const part = grossJ > 0 ? shareJ / grossJ : 0;
  const ofWhole = formatPercent(part, trans);
  const percent = isWhole ? ofWhole : trans.__('%1 of what could be told', ofWhole);
  if (!(part > 0)) {
    return percent;
  }
  const [factor, symbol] = unitFor(shareJ, unit === 'joule' ? JOULES : WATT_HOURS);
  const value = shareJ / factor;
  const halfWidth = intervalJ ? (part * (intervalJ[1] - intervalJ[0])) / 2 / factor : 0;
  const most = DIGITS_OF_A_SHARE - 1 - exponentOf(value);
  const places = halfWidth > 0 ? Math.min(most, decimalPlaces(halfWidth)) : most;
  const text = rounded(value, places);
  return Number(text) > 0 ? trans.__('%1 %2 (%3)', text, symbol, percent) : percent;
}

/** A part of a whole (1): "71 %", "< 1 %" or "> 99 %". */
export function formatPercent(part: number, trans: TranslationBundle): string {
  return trans.__('%1 %', part > 0.99 ? '> 99' : part < 0.01 ? '< 1' : Math.round(100 * part));
}

/**
 * How and when idle power was come by, in local time: "measured 12:34 (10 s)", "learnt 12:30".
 *
 * @param beside - When what stands beside it was: the day is named where it was another one.
 */
export function formatBasis(basis: BaselineBasis, beside: Date, trans: TranslationBundle): string {
  const at = new Date(basis.at);
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
  const when = at.toDateString() === beside.toDateString() ? time : `${formatDay(at)} ${time}`;
  const isKnown = !Number.isNaN(at.getTime());
  const how = basis.how === 'measured' ? trans.__('measured') : trans.__('learnt');
  const seconds = basis.how === 'measured' && trans.__('(%1 s)', Math.round(basis.duration_s));
  return [how, isKnown && when, seconds].filter(part => part !== false).join(' ');
}

/** A day in local time, "2026-01-31"; empty where it is none. */
export function formatDay(at: Date): string {
  return Number.isNaN(at.getTime())
    ? ''
    : `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

/** Date and time in the reader's manner; the text itself where it is neither. */
export function formatMoment(text: string): string {
  const at = new Date(text);
  return Number.isNaN(at.getTime())
    ? text
    : new Intl.DateTimeFormat(languageOfPage(), { dateStyle: 'medium', timeStyle: 'short' }).format(
        at
      );
}

/** A number without a unit, with its 95 % interval. */
export function formatPlain(value: Quantity, interval: Interval, trans: TranslationBundle): Figure {
  return formatQuantity(value, interval, PLAIN, trans);
}

/** A number at an axis. */
export function formatTick(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** A mass of CO2 equivalent with its 95 % interval. */
export function formatEmissions(
  massG: Quantity,
  intervalG: Interval,
  trans: TranslationBundle
): Figure {
  const figure = formatQuantity(massG, intervalG, GRAMS, trans);
  return figure.unit === '' ? figure : { ...figure, unit: `${figure.unit} CO₂e` };
}

/** Energy per second of a duration, with the energy's interval. */
export function formatMeanPower(
  energyJ: Quantity,
  intervalJ: Interval,
  duration_s: number,
  trans: TranslationBundle
): Figure {
  const power_w = energyJ === null || !(duration_s > 0) ? null : energyJ / duration_s;
  const interval_w: Interval = intervalJ && [intervalJ[0] / duration_s, intervalJ[1] / duration_s];
  return formatQuantity(power_w, interval_w, WATTS, trans);
}

/** A carbon intensity with its 95 % interval. */
export function formatIntensity(
  gramsPerKWh: number,
  interval: Interval,
  trans: TranslationBundle
): Figure {
  return formatQuantity(gramsPerKWh, interval, INTENSITY, trans);
}

/** The unit in which energies up to this one are told on an axis: of how many J it is, and its symbol. */
export function energyAxisUnit(mostJ: number, unit: EnergyUnit): readonly [number, string] {
  return unitFor(mostJ, unit === 'joule' ? JOULES : WATT_HOURS);
}

/** An energy that somebody has set, such as a budget: it is exact. */
export function formatSetEnergy(valueJ: number, unit: EnergyUnit = 'joule'): [string, string] {
  return formatSet(valueJ, unit === 'joule' ? JOULES : WATT_HOURS);
}

/** A mass of CO2 equivalent that somebody has set. */
export function formatSetMass(massG: number): [string, string] {
  const [text, symbol] = formatSet(massG, GRAMS);
  return [text, `${symbol} CO₂e`];
}

function formatSet(amount: number, units: Units): [string, string] {
  const [factor, symbol] = unitFor(amount, units);
  const value = Number((amount / factor).toPrecision(DIGITS_SET.most));
  const short = significant(value, DIGITS_SET.least);
  return [Number(short) === value ? short : String(value), symbol];
}

/** What an energy costs, with the energy's interval, in the manner of the reader's language. */
export function formatMoney(
  energyJ: Quantity,
  intervalJ: Interval,
  perKWh: number,
  currency: string,
  trans: TranslationBundle
): Figure {
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

/** A power, which comes without an interval: three digits, two where it is only an estimate. */
export function formatPower(powerW: Quantity, isEstimate = false): string {
  if (powerW === null) {
    return NOT_KNOWN;
  }
  const [factor, symbol] = unitFor(Math.abs(powerW), WATTS);
  const digits = isEstimate ? DIGITS_OF_AN_ESTIMATE : DIGITS_WITHOUT_INTERVAL;
  return `${isEstimate ? '≈ ' : ''}${significant(powerW / factor, digits)} ${symbol}`;
}

/** A mass without its interval, for the axis of a chart. */
export function formatMassTick(massG: number): string {
  const [factor, symbol] = unitFor(Math.abs(massG), GRAMS);
  return `${Number((massG / factor).toPrecision(4))} ${symbol}`;
}

/** A duration in the two largest units that matter. */
export function formatDuration(seconds: number, trans: TranslationBundle): string {
  if (seconds < 0.9995) {
    return trans.__('%1 ms', significant(seconds * 1000, 3));
  }
  if (seconds < 59.95) {
    return trans.__('%1 s', seconds.toFixed(seconds < 9.995 ? 2 : 1));
  }
  const whole = Math.round(seconds);
  if (whole < 3600) {
    return trans.__('%1 min %2 s', Math.floor(whole / 60), pad(whole % 60));
  }
  const minutes = Math.round(seconds / 60);
  return trans.__('%1 h %2 min', Math.floor(minutes / 60), pad(minutes % 60));
}

/** In which language names, dates and numbers are written: JupyterLab's, or else the browser's. */
export function languageOfPage(): string | undefined {
  return document.documentElement.lang || undefined;
}

/** A figure on one line. */
export function figureText({ value, spread, unit }: Figure): string {
  return [value, spread, unit].filter(part => part !== '').join(' ');
}

function formatQuantity(
  raw: Quantity,
  rawInterval: Interval,
  units: Units,
  trans: TranslationBundle
): Figure {
  if (raw === null) {
    return notKnown(trans);
  }
  const halfWidth = rawInterval ? (rawInterval[1] - rawInterval[0]) / 2 : 0;
  if (!rawInterval || !(halfWidth > 0)) {
    const [factor, unit] = unitFor(Math.abs(raw), units);
    const value = significant(raw / factor, DIGITS_WITHOUT_INTERVAL);
    const detail = rawInterval
      ? `${value} ${unit}`
      : trans.__('%1 %2, interval unknown', value, unit);
    return { value, spread: '', unit, detail };
  }
  const [factor, unit] = unitFor(Math.max(Math.abs(raw), halfWidth), units);
  const ends = [rawInterval[0] / factor, rawInterval[1] / factor] as const;
  return withInterval(raw / factor, ends, unit, trans);
}

function withInterval(
  value: number,
  [low, high]: readonly [number, number],
  unit: string,
  trans: TranslationBundle
): Figure {
  const places = decimalPlaces((high - low) / 2);
  const [text, from, to] = [rounded(value, places), rounded(low, places), rounded(high, places)];
  const detail = trans.__('%1 %4; 95 % interval %2 to %3 %4', text, from, to, unit);
  // Only a difference reaches below 0: what is drawn is cut off there.
  if (low === 0 && Number(text) === 0) {
    return { value: `< ${to}`, spread: '', unit, detail };
  }
  const [below, above] = [rounded(value - low, places), rounded(high - value, places)];
  if (below === above) {
    return { value: text, spread: `± ${above}`, unit, detail };
  }
  const more = placesBesideEnds(text, places);
  const spread = `[${rounded(low, more)}, ${rounded(high, more)}]`;
  return { value: rounded(value, more), spread, unit, detail };
}

/** Beside a lopsided interval's two ends, no value of a single digit. */
function placesBesideEnds(text: string, places: number): number {
  return Math.abs(Number(text)) < 10 ** (1 - places) ? places + 1 : places;
}

function notKnown(trans: TranslationBundle): Figure {
  return { value: NOT_KNOWN, spread: '', unit: '', detail: trans.__('unavailable') };
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

function unitsBeside(raw: Quantity, interval: Interval, units: Units, beside: Quantity): Units {
  if (raw === null || interval === null || beside === null) {
    return units;
  }
  const unit = unitFor(Math.abs(beside), units);
  const halfWidth = (interval[1] - interval[0]) / 2;
  return halfWidth >= Math.max(Math.abs(raw), unit[0] * LEAST_SHOWN) ? [unit] : units;
}

function unitFor(size: number, units: Units): Unit {
  if (size === 0) {
    return units.find(([factor]) => factor === 1 || factor === 3.6e3) ?? units[0];
  }
  // 999.6 reads as "1.00 k" once rounded.
  const fitting = units.filter(([factor]) => size >= factor * 0.9995);
  return fitting.at(-1) ?? units[0];
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
