/** The list of GPUs, CPUs and memories: the chart's legend, with each one's power and provenance. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatPower } from '../format';
import type { ChannelDescription, Component } from '../messages';
import type { EnergySession } from '../session';
import type { PowerState } from '../state';
import { useEnvironment } from './environment';
import { LineSwatch, lineStyles, type LineStyle } from './lines';
import { ProvenanceChip } from './provenance';

export interface ChannelListProps {
  session: EnergySession;
  state: PowerState;
}

export function ChannelList({ session, state }: ChannelListProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const channels = session.hello?.channels ?? [];
  const styles = lineStyles(channels);
  return (
    <ul className="greenllm-Channels" aria-label={trans.__('Power of each part')}>
      {channels.map(channel => (
        <ChannelRow
          key={channel.id}
          channel={channel}
          line={styles.get(channel.id)}
          power_w={state === 'live' ? (session.power?.power_w[channel.id] ?? null) : undefined}
        />
      ))}
    </ul>
  );
}

interface ChannelRowProps {
  channel: ChannelDescription;
  line: LineStyle | undefined;
  /** undefined where there is no present reading to show. */
  power_w: number | null | undefined;
}

function ChannelRow({ channel, line, power_w }: ChannelRowProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const provenance = channel.fault === null ? channel.provenance : 'unavailable';
  const power = power_w === undefined ? '' : formatPower(power_w, provenance === 'estimated');
  return (
    <li
      className="greenllm-Channel"
      data-inside={channel.inside !== null}
      title={channel.fault ?? trans.__('%1, read by %2', channel.label, channel.meter)}
    >
      <LineSwatch line={channel.fault === null ? line : undefined} />
      <span className="greenllm-Channel-label">
        <span className="greenllm-Channel-component">
          {componentName(channel.component, trans)}
        </span>{' '}
        {channel.label}
      </span>
      <span className="greenllm-Channel-provenance">
        <ProvenanceChip provenance={provenance} trans={trans} />
        {channel.inside !== null && (
          <span className="greenllm-Channel-note">{trans.__('part of another')}</span>
        )}
      </span>
      <span className="greenllm-Channel-power">{power}</span>
      {channel.fault !== null && <span className="greenllm-Channel-fault">{channel.fault}</span>}
    </li>
  );
}

function componentName(component: Component, trans: TranslationBundle): string {
  switch (component) {
    case 'platform':
      return trans.__('Machine');
    case 'cpu':
      return trans.__('CPU');
    case 'gpu':
      return trans.__('GPU');
    case 'dram':
      return trans.__('DRAM');
    case 'accelerator':
      return trans.__('Accelerator');
  }
}
