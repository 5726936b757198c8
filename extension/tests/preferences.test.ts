import Ajv from 'ajv';
import { describe, expect, it } from 'vitest';
import schema from '../schema/panel.json';
import { DEFAULT_PREFERENCES, readPreferences } from '../src/preferences';

describe('preferences', () => {
  it('are by default what the settings say', () => {
    const defaults: [string, unknown][] = Object.entries(schema.properties).map(([key, of]) => [
      key,
      of.default
    ]);
    expect(readPreferences(Object.fromEntries(defaults))).toEqual(DEFAULT_PREFERENCES);
    expect(readPreferences({})).toEqual(DEFAULT_PREFERENCES);
  });

  it('are read from settings', () => {
    const settings = {
      energyUnit: 'watt-hour',
      refreshMs: 1000,
      badges: false,
      chart: 'stacked',
      pricePerKWh: 0.31,
      currency: 'cny',
      place: ' US-CA ',
      notebookMetadata: 'redacted'
    };
    expect(new Ajv({ strict: false }).validate(schema, settings)).toBe(true);
    expect(readPreferences(settings)).toEqual({
      energyUnit: 'watt-hour',
      refreshMs: 1000,
      badges: false,
      chart: 'stacked',
      price: { perKWh: 0.31, currency: 'CNY' },
      place: 'US-CA',
      notebookMetadata: 'redacted'
    });
  });

  it('that cannot be used give way to the default', () => {
    const wrong = {
      energyUnit: 'calorie',
      refreshMs: 'often',
      badges: 'yes',
      chart: {},
      pricePerKWh: -1,
      currency: '<img>',
      place: 7,
      notebookMetadata: 'all'
    };
    expect(readPreferences(wrong)).toEqual(DEFAULT_PREFERENCES);
  });

  it('refresh no faster and no slower than can be used', () => {
    expect(readPreferences({ refreshMs: 1 }).refreshMs).toBe(250);
    expect(readPreferences({ refreshMs: 1e9 }).refreshMs).toBe(5000);
  });
});
