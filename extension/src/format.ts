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
const DIGITS_WITHOUT_INTERVAL = 3;
const DIGITS_OF_AN_ESTIMATE = 2;
/** Of this kernel's part, which comes without an interval of its own. */
const DIGITS_OF_A_SHARE = 2;
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
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const when = at.toDateString() === beside.toDateString() ? time : `${day} ${time}`;
  const isKnown = !Number.isNaN(at.getTime());
  const how = basis.how === 'measured' ? trans.__('measured') : trans.__('learnt');
  const seconds = basis.how === 'measured' && trans.__('(%1 s)', Math.round(basis.duration_s));
  return [how, isKnown && when, seconds].filter(part => part !== false).join(' ');
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
  const more = Math.abs(Number(text)) < 10 ** (1 - places) ? places + 1 : places;
  const spread = `[${rounded(low, more)}, ${rounded(high, more)}]`;
  return { value: rounded(value, more), spread, unit, detail };
}

/** To how many decimals a figure with this half width is rounded; below 0: to tens and so on. */
function decimalPlaces(halfWidth: number): number {
  const exponent = exponentOf(halfWidth);
  const leading = Math.round(halfWidth / 10 ** (exponent - 2));
  const digits = leading >= 355 && leading < 950 ? 1 : 2;
  return Math.min(20, digits - 1 - exponent - (leading >= 950 ? 1 : 0));
}

/** Without "-0", which is no sign of anything. */
function rounded(value: number, places: number): string {
  const text =
    places >= 0 ? value.toFixed(places) : String(Math.round(value / 10 ** -places) * 10 ** -places);
  return Number(text) === 0 ? text.replace('-', '') : text;
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

function significant(value: number, digits: number): string {
  if (value === 0) {
    return '0';
  }
  const exponent = exponentOf(Number(value.toPrecision(digits)));
  const places = digits - 1 - exponent;
  return rounded(value, Math.min(20, places));
}

function exponentOf(value: number): number {
  return Math.floor(Math.log10(Math.abs(value)) + 1e-12);
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
