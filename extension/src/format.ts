/**
 * Turns quantities into text with the digits that mean something, and no others.
 *
 * The rules are those of the kernel (greenllm_kernel/accounting/notation.py), so that a cell reads
 * the same in its output and in the sidebar: rounding after the Particle Data Group (Review of
 * Particle Physics, introduction, 5.3), "[low, high]" where an interval is lopsided, and an upper
 * limit where it drowns the value.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Interval, Quantity } from './messages';

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
const DIGITS_WITHOUT_INTERVAL = 3;
const DIGITS_OF_AN_ESTIMATE = 2;
const NOT_KNOWN = '–';

/** An energy with its 95 % interval. */
export function formatEnergy(
  valueJ: Quantity,
  intervalJ: Interval,
  trans: TranslationBundle,
  unit: EnergyUnit = 'joule'
): Figure {
  return formatQuantity(valueJ, intervalJ, unit === 'joule' ? JOULES : WATT_HOURS, trans);
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
    return { value: NOT_KNOWN, spread: '', unit: '', detail: trans.__('unavailable') };
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
  const [text, from, to] = [value.toFixed(places), low.toFixed(places), high.toFixed(places)];
  const detail = trans.__('%1 %4; 95 % interval %2 to %3 %4', text, from, to, unit);
  if (low <= 0 && value >= 0 && Number(text) === 0) {
    return { value: `< ${to}`, spread: '', unit, detail };
  }
  const [below, above] = [(value - low).toFixed(places), (high - value).toFixed(places)];
  return { value: text, spread: below === above ? `± ${above}` : `[${from}, ${to}]`, unit, detail };
}

/** How many decimals a figure with this half width is written with (none is fewer than 0). */
function decimalPlaces(halfWidth: number): number {
  const exponent = exponentOf(halfWidth);
  const leading = Math.round(halfWidth / 10 ** (exponent - 2));
  const digits = leading >= 355 && leading < 950 ? 1 : 2;
  return Math.min(20, Math.max(0, digits - 1 - exponent - (leading >= 950 ? 1 : 0)));
}

function unitFor(size: number, units: Units): Unit {
  if (size === 0) {
    return units.find(([factor]) => factor === 1 || factor === 3.6e3) ?? units[0];
  }
  // 999.6 reads as "1.00 k" once rounded.
  const fitting = units.filter(([factor]) => size >= factor * 0.9995);
  return fitting.at(-1) ?? units[0];
}

function significant(value: number, digits: number): string {
  if (value === 0) {
    return '0';
  }
  const exponent = exponentOf(Number(value.toPrecision(digits)));
  const places = digits - 1 - exponent;
  return places >= 0
    ? value.toFixed(Math.min(20, places))
    : String(Math.round(value / 10 ** -places) * 10 ** -places);
}

function exponentOf(value: number): number {
  return Math.floor(Math.log10(Math.abs(value)) + 1e-12);
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
