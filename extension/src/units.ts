/** The units in which quantities are told. */

export type EnergyUnit = 'joule' | 'watt-hour';

export type Unit = readonly [factor: number, symbol: string];
/** Smallest first. */
export type Units = readonly [Unit, ...Unit[]];

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
export const GRAMS: Units = [
  [1e-9, 'ng'],
  [1e-6, 'µg'],
  [1e-3, 'mg'],
  [1, 'g'],
  [1e3, 'kg'],
  [1e6, 't']
];
export const WATTS: Units = [
  [1e-3, 'mW'],
  [1, 'W'],
  [1e3, 'kW'],
  [1e6, 'MW']
];

export function unitsOfEnergy(unit: EnergyUnit): Units {
  return unit === 'joule' ? JOULES : WATT_HOURS;
}

/** The one in which a value of this size is told. */
export function unitFor(size: number, units: Units): Unit {
  if (size === 0) {
    return units.find(([factor]) => factor === 1 || factor === 3.6e3) ?? units[0];
  }
  // 999.6 reads as "1.00 k" once rounded.
  const fitting = units.filter(([factor]) => size >= factor * 0.9995);
  return fitting.at(-1) ?? units[0];
}
