/** Power now, in total, and whether it is the present one. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { provenanceOfTotal } from '../provenance';
import { formatPower } from '../quantities';
import type { EnergySession } from '../session';
import type { PowerState } from '../state';
import { formatDuration } from '../times';
import { useEnvironment } from './environment';
import { ProvenanceChip } from './provenance';

export interface PowerNowProps {
  session: EnergySession;
  state: PowerState;
}

export function PowerNow({ session, state }: PowerNowProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const provenance = provenanceOfTotal(session.hello?.channels ?? []);
  const isLive = state === 'live';
  const power_w = isLive ? (session.power?.total_w ?? null) : null;
  return (
    <div className="greenllm-Power" role="group" aria-label={trans.__('Power now')}>
      <span className="greenllm-Power-value" data-live={power_w !== null}>
        {power_w === null
          ? powerStateName(state, trans)
          : formatPower(power_w, provenance === 'estimated')}
      </span>
      <span className="greenllm-Power-state" data-power={state}>
        <StateShape state={state} />
        {isLive ? trans.__('live') : lastKnown(session, provenance === 'estimated', trans)}
      </span>
      {power_w !== null && <ProvenanceChip provenance={provenance} trans={trans} />}
    </div>
  );
}

/** A full disc while power is live, an open one at rest, a triangle where nothing comes though something should. */
const StateShape = React.memo(function StateShape({ state }: { state: PowerState }) {
  return (
    <svg
      className="greenllm-Power-shape"
      viewBox="0 0 10 10"
      width="10"
      height="10"
      aria-hidden="true"
    >
      {state === 'no reading' ? (
        <path d="M5 1.2 9.2 8.8H.8z" />
      ) : (
        <circle cx="5" cy="5" r={state === 'live' ? 4.5 : 3.8} />
      )}
    </svg>
  );
});

export function powerStateName(state: PowerState, trans: TranslationBundle): string {
  switch (state) {
    case 'live':
      return trans.__('power unavailable');
    case 'at rest':
      return trans.__('at rest');
    case 'no reading':
      return trans.__('no reading');
  }
}

/** What the last reading was. When is told where one is waited for: at rest it would have to be told anew each second. */
function lastKnown(session: EnergySession, isEstimate: boolean, trans: TranslationBundle): string {
  const { power, powerAge_s } = session;
  if (typeof power?.total_w !== 'number') {
    return trans.__('none so far');
  }
  const last = formatPower(power.total_w, isEstimate);
  return session.isRunning
    ? trans.__('last %1, %2 ago', last, ageText(Math.round(powerAge_s), trans))
    : trans.__('last %1', last);
}

/** To the second, as it is drawn anew. */
function ageText(seconds: number, trans: TranslationBundle): string {
  return seconds < 60 ? trans.__('%1 s', seconds) : formatDuration(seconds, trans);
}
