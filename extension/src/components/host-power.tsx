/** What the server's host draws now, where no kernel is measured: of the whole machine, not of a notebook. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { HostPower } from '../messages';
import { counted, provenanceOfTotal } from '../provenance';
import { formatPower } from '../quantities';
import { useEnvironment } from './environment';
import { ProvenanceChip } from './provenance';

export function HostPowerNow({ host }: { host: HostPower }): React.JSX.Element {
  const { trans } = useEnvironment();
  const { channels, power_w, total_w } = host;
  const provenance = provenanceOfTotal(channels);
  const title = trans.__('The machine now');
  return (
    <section className="greenllm-Host" aria-label={title}>
      <h3>{title}</h3>
      <div className="greenllm-Power">
        <span className="greenllm-Power-value" data-live={total_w !== null}>
          {total_w === null
            ? waitingOrNone(host, trans)
            : formatPower(total_w, provenance === 'estimated')}
        </span>
        {total_w !== null && <ProvenanceChip provenance={provenance} trans={trans} />}
      </div>
      <ul className="greenllm-Channels" aria-label={trans.__('Power of each part')}>
        {channels.map(channel => (
          <li key={channel.id} className="greenllm-Channel" data-inside={channel.inside !== null}>
            <span className="greenllm-Channel-label">{channel.label}</span>
            <span className="greenllm-Channel-provenance">
              <ProvenanceChip
                provenance={channel.fault === null ? channel.provenance : 'unavailable'}
                trans={trans}
              />
            </span>
            <span className="greenllm-Channel-power">
              {formatPower(power_w[channel.id] ?? null, channel.provenance === 'estimated')}
            </span>
            {channel.fault !== null && (
              <span className="greenllm-Channel-fault">{channel.fault}</span>
            )}
          </li>
        ))}
      </ul>
      <p className="greenllm-Note">
        {trans.__(
          'All of %1, whoever uses it. What cells cost is known once they are measured.',
          host.host
        )}
      </p>
    </section>
  );
}

/** Why there is no total: that no sensor can be read, or that none has been yet. */
function waitingOrNone({ ready, channels }: HostPower, trans: TranslationBundle): string {
  return ready && counted(channels).length === 0
    ? trans.__('power unavailable')
    : trans.__('reading sensors…');
}
