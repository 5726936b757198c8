/**
 * Turns quantities into text with the digits that mean something, and no others.
 *
 * The rules are those of the kernel (greenllm_kernel/accounting/notation.py), so that a cell reads
 * the same in its output and in the sidebar: rounding after the Particle Data Group (Review of
 * Particle Physics, introduction, 5.3), "[low, high]" where an interval is lopsided, and an upper
 * limit where it drowns the value.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { NOT_KNOWN, notKnown, type Figure } from './figure';
import type { Interval, Quantity } from './messages';
import {
  decimalPlaces,
  DIGITS_WITHOUT_INTERVAL,
  exponentOf,
  placesBesideEnds,
  rounded,
  significant
} from './rounding';
import { GRAMS, unitFor, unitsOfEnergy, WATTS, type EnergyUnit, type Units } from './units';

const PLAIN: Units = [[1, '']];
const INTENSITY: Units = [[1, 'g CO₂e/kWh']];
const DIGITS_OF_AN_ESTIMATE = 2;
/** Of this kernel's part, which comes without an interval of its own. */
const DIGITS_OF_A_SHARE = 2;
/** Of what somebody has set, such as a budget, at least and at most. */
const DIGITS_SET = { least: 2, most: 4 };
/** Half an interval, in the unit that stands beside, below which a unit of its own reads better. */
const LEAST_SHOWN = 0.1;

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
  const units = unitsBeside(valueJ, intervalJ, unitsOfEnergy(unit), besideJ);
  return formatQuantity(valueJ, intervalJ, units, trans);
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
  const [factor, symbol] = unitFor(shareJ, unitsOfEnergy(unit));
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
  return unitFor(mostJ, unitsOfEnergy(unit));
}

/** An energy that somebody has set, such as a budget: it is exact. */
export function formatSetEnergy(valueJ: number, unit: EnergyUnit = 'joule'): [string, string] {
  return formatSet(valueJ, unitsOfEnergy(unit));
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

function unitsBeside(raw: Quantity, interval: Interval, units: Units, beside: Quantity): Units {
  if (raw === null || interval === null || beside === null) {
    return units;
  }
  const unit = unitFor(Math.abs(beside), units);
  const halfWidth = (interval[1] - interval[0]) / 2;
  return halfWidth >= Math.max(Math.abs(raw), unit[0] * LEAST_SHOWN) ? [unit] : units;
}
