import type { EnergyUnit } from './units';
/** What the user can set, and how it is read from JupyterLab's settings. */

/** What electricity costs; `perKWh` is null where no price is set. */
export interface Price {
  readonly perKWh: number | null;
  /** ISO 4217 code. */
  readonly currency: string;
}

/** What is written of a cell's energy into the notebook file. */
export type NotebookMetadata = 'nothing' | 'redacted' | 'everything';

export interface Preferences {
  readonly energyUnit: EnergyUnit;
  /** How often what is shown may change, ms. */
  readonly refreshMs: number;
  /** Whether cells have badges. */
  readonly badges: boolean;
  /** Whether channels are drawn as lines of their own or stacked to their total. */
  readonly chart: 'apart' | 'stacked';
  readonly price: Price;
  /** Where the machine stands, as ISO 3166 code; empty where the user has named no place. */
  readonly place: string;
  readonly notebookMetadata: NotebookMetadata;
}

export const DEFAULT_PREFERENCES: Preferences = {
  energyUnit: 'joule',
  refreshMs: 250,
  badges: true,
  chart: 'apart',
  price: { perKWh: null, currency: 'EUR' },
  place: '',
  notebookMetadata: 'nothing'
};

const REFRESH_MS = { least: 250, most: 5000 };
const CURRENCY = /^[A-Za-z]{3}$/;
const LONGEST_PLACE = 32;

/**
 * Preferences from settings as they are stored; what cannot be used gives way to the default.
 *
 * @param settings - By the keys of schema/panel.json.
 */
export function readPreferences(settings: Readonly<Record<string, unknown>>): Preferences {
  const usual = DEFAULT_PREFERENCES;
  const { energyUnit, refreshMs, badges, chart, place, notebookMetadata } = settings;
  return {
    energyUnit: oneOf(['joule', 'watt-hour'], energyUnit, usual.energyUnit),
    refreshMs: Number.isFinite(refreshMs)
      ? Math.min(REFRESH_MS.most, Math.max(REFRESH_MS.least, refreshMs as number))
      : usual.refreshMs,
    badges: typeof badges === 'boolean' ? badges : usual.badges,
    chart: oneOf(['apart', 'stacked'], chart, usual.chart),
    price: readPrice(settings),
    place: typeof place === 'string' ? place.trim().slice(0, LONGEST_PLACE) : usual.place,
    notebookMetadata: oneOf(
      ['nothing', 'redacted', 'everything'],
      notebookMetadata,
      usual.notebookMetadata
    )
  };
}

function readPrice({ pricePerKWh, currency }: Readonly<Record<string, unknown>>): Price {
  const isPrice = Number.isFinite(pricePerKWh) && (pricePerKWh as number) > 0;
  return {
    perKWh: isPrice ? (pricePerKWh as number) : null,
    currency:
      typeof currency === 'string' && CURRENCY.test(currency)
        ? currency.toUpperCase()
        : DEFAULT_PREFERENCES.price.currency
  };
}

function oneOf<T extends string>(choices: readonly T[], value: unknown, usual: T): T {
  return choices.includes(value as T) ? (value as T) : usual;
}
