/** How a joule becomes a gram: the carbon intensity, its place and its source. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { languageOfPage } from '../language';
import type { CarbonIntensity, HelloMessage } from '../messages';
import { formatIntensity } from '../quantities';
import { useEnvironment } from './environment';
import { FigureText } from './figure';

/** What a provider calls the place where none is known. */
const WORLD = 'world';

/** Drawn again only when the kernel says something new. */
export const Intensity = React.memo(function Intensity({ hello }: { hello: HelloMessage }) {
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
          {trans.__('None is known for this machine, so emissions are unavailable.')} <SetPlace />
        </p>
      )}
      {hello.preferences_error && (
        <p className="greenllm-Note greenllm-Intensity-problem">
          {trans.__('The place in the settings is not in force: %1', hello.preferences_error)}
        </p>
      )}
    </section>
  );
});

function Source({ intensity }: { intensity: CarbonIntensity }): React.JSX.Element {
  const { trans } = useEnvironment();
  const { value_gco2e_per_kwh, interval_gco2e_per_kwh, place, source, vintage } = intensity;
  return (
    <>
      <p>
        <FigureText figure={formatIntensity(value_gco2e_per_kwh, interval_gco2e_per_kwh, trans)} />{' '}
        · <bdi>{placeName(place, trans)}</bdi>
      </p>
      <p className="greenllm-Note">
        <bdi>{source}</bdi> {vintage}
      </p>
      {isWorld(place) && (
        <p className="greenllm-Note">
          {trans.__(
            'Where this machine stands is never looked up. Name it for emissions with a narrower interval: in the settings, in greenllm.toml, or in GREENLLM_PLACE.'
          )}{' '}
          <SetPlace />
        </p>
      )}
    </>
  );
}

function SetPlace(): React.JSX.Element {
  const { trans, actions } = useEnvironment();
  return (
    <button className="greenllm-Button" onClick={() => actions.openSettings()}>
      {trans.__('Set the place…')}
    </button>
  );
}

/** A country's name from its code ("US-CA": United States, CA). */
function placeName(place: string, trans: TranslationBundle): string {
  if (isWorld(place)) {
    return trans.__('world average');
  }
  const [country = '', ...region] = place.split('-');
  try {
    const name = new Intl.DisplayNames(languageOfPage(), { type: 'region' }).of(country) ?? country;
    return [name, ...region].join(', ');
  } catch {
    // Not a country's code: what the provider called it.
    return place;
  }
}

function isWorld(place: string): boolean {
  return place.toLowerCase() === WORLD;
}
