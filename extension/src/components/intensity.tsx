/** How a joule becomes a gram: the carbon intensity, its place and its source. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { CarbonIntensity, HelloMessage } from '../messages';
import { useEnvironment } from './environment';

/** What a provider calls the place where none is known. */
const WORLD = 'world';

export function Intensity({ hello }: { hello: HelloMessage }): React.JSX.Element | null {
  const { trans } = useEnvironment();
  const { intensity, ready } = hello;
  if (!intensity && !ready) {
    return null;
  }
  return (
    <section className="greenllm-Intensity" aria-label={trans.__('Carbon intensity')}>
      <h3>{trans.__('Carbon intensity')}</h3>
      {intensity ? (
        <Source intensity={intensity} />
      ) : (
        <p className="greenllm-Note">
          {trans.__('None is known for this machine, so emissions are unavailable.')}
        </p>
      )}
    </section>
  );
}

function Source({ intensity }: { intensity: CarbonIntensity }): React.JSX.Element {
  const { trans } = useEnvironment();
  const interval = intensity.interval_gco2e_per_kwh;
  const value = String(Math.round(intensity.value_gco2e_per_kwh));
  const spread = interval ? ` [${Math.round(interval[0])}, ${Math.round(interval[1])}]` : '';
  return (
    <>
      <p>
        {trans.__('%1 g CO₂e/kWh', `${value}${spread}`)} · {placeName(intensity.place, trans)}
      </p>
      <p className="greenllm-Note">
        {intensity.source} {intensity.vintage}
      </p>
      {isWorld(intensity.place) && (
        <p className="greenllm-Note">
          {trans.__(
            'Where this machine stands is never looked up: set place in greenllm.toml, or GREENLLM_PLACE.'
          )}
        </p>
      )}
    </>
  );
}

/** A country's name from its code ("US-CA": United States, CA). */
function placeName(place: string, trans: TranslationBundle): string {
  if (isWorld(place)) {
    return trans.__('world average');
  }
  const [country = '', ...region] = place.split('-');
  try {
    const name = new Intl.DisplayNames(undefined, { type: 'region' }).of(country) ?? country;
    return [name, ...region].join(', ');
  } catch {
    // Not a country's code: what the provider called it.
    return place;
  }
}

function isWorld(place: string): boolean {
  return place.toLowerCase() === WORLD;
}
