/** Power now, in total. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatPower } from '../format';
import { weakest } from '../provenance';
import type { EnergySession } from '../session';
import type { PowerState } from '../state';
import { useEnvironment } from './environment';
import { ProvenanceChip } from './provenance';

export interface PowerNowProps {
  session: EnergySession;
  state: PowerState;
}

export function PowerNow({ session, state }: PowerNowProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const counted = (session.hello?.channels ?? []).filter(
    c => c.inside === null && c.fault === null
  );
  const provenance = weakest(counted);
  const isLive = state === 'live';
  const power_w = isLive ? (session.power?.total_w ?? null) : null;
  return (
    <div className="greenllm-Power" role="group" aria-label={trans.__('Power now')}>
      <span className="greenllm-Power-value" data-live={power_w !== null}>
        {power_w === null
          ? powerStateName(state, trans)
          : formatPower(power_w, provenance === 'estimated')}
      </span>
      {power_w !== null && <ProvenanceChip provenance={provenance} trans={trans} />}
    </div>
  );
}

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
