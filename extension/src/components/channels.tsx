/** The list of GPUs, CPUs and memories: the chart's legend, with each one's power, limit, use and provenance. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatPercent, formatPower } from '../format';
import type { ChannelDescription, Provenance } from '../messages';
import type { EnergySession } from '../session';
import type { PowerState } from '../state';
import { useEnvironment } from './environment';
import { LineSwatch, lineStyles, type LineStyle } from './lines';
import { shortNames } from './names';
import { ProvenanceChip } from './provenance';

export interface ChannelListProps {
  session: EnergySession;
  state: PowerState;
}

export function ChannelList({ session, state }: ChannelListProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const channels = session.hello?.channels ?? [];
  const styles = lineStyles(channels);
  const names = shortNames(channels, trans);
  const power = state === 'live' ? session.power : null;
  return (
    <ul className="greenllm-Channels" aria-label={trans.__('Power of each part')}>
      {channels.map(channel => (
        <ChannelRow
          key={channel.id}
          channel={channel}
          name={names.get(channel.id) ?? ''}
          line={styles.get(channel.id)}
          power_w={power ? (power.power_w[channel.id] ?? null) : undefined}
          utilization={power?.utilization?.[channel.id] ?? null}
        />
      ))}
    </ul>
  );
}

interface ChannelRowProps {
  channel: ChannelDescription;
  /** What the chart calls it. */
  name: string;
  line: LineStyle | undefined;
  /** undefined where there is no present reading to show. */
  power_w: number | null | undefined;
  /** Part of the time in which it was busy, 0 to 1; null where that is not known. */
  utilization: number | null;
}

/** Drawn again only when its own figures have changed. */
const ChannelRow = React.memo(function ChannelRow(props: ChannelRowProps) {
  const { trans } = useEnvironment();
  const { channel, name, line, power_w, utilization } = props;
  const provenance = channel.fault === null ? channel.provenance : 'unavailable';
  const title = React.useMemo(
    () => channel.fault ?? trans.__('%1, read by %2', channel.label, channel.meter),
    [channel, trans]
  );
  return (
    <li className="greenllm-Channel" data-inside={channel.inside !== null} title={title}>
      <LineSwatch line={channel.fault === null ? line : undefined} />
      <span className="greenllm-Channel-label">
        <span className="greenllm-Channel-component">{name}</span> {channel.label}
      </span>
      <ChannelChips channel={channel} provenance={provenance} utilization={utilization} />
      <span className="greenllm-Channel-power">
        {power_w !== undefined && formatPower(power_w, provenance === 'estimated')}
      </span>
      {typeof channel.limit_w === 'number' && channel.fault === null && (
        <LimitMeter name={name} power_w={power_w ?? null} limit_w={channel.limit_w} trans={trans} />
      )}
      {channel.fault !== null && <span className="greenllm-Channel-fault">{channel.fault}</span>}
    </li>
  );
});

const ChannelChips = React.memo(function ChannelChips(props: {
  channel: ChannelDescription;
  provenance: Provenance;
  utilization: number | null;
}) {
  const { trans } = useEnvironment();
  const { channel, provenance, utilization } = props;
  return (
    <span className="greenllm-Channel-provenance">
      <ProvenanceChip provenance={provenance} trans={trans} />
      {utilization !== null && (
        <span className="greenllm-Channel-note greenllm-Channel-utilization">
          {trans.__('in use %1', useText(utilization, trans))}
        </span>
      )}
      {channel.inside !== null && (
        <span className="greenllm-Channel-note">{trans.__('part of another')}</span>
      )}
    </span>
  );
});

/** A slim bar: how much of its limit a channel draws. Without a reading, the limit alone. */
function LimitMeter(props: {
  name: string;
  power_w: number | null;
  limit_w: number;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { name, power_w, limit_w, trans } = props;
  const limit = formatPower(limit_w);
  if (power_w === null) {
    return (
      <span className="greenllm-Channel-limit">
        <span className="greenllm-Channel-note">{trans.__('limit %1', limit)}</span>
      </span>
    );
  }
  const part = limit_w > 0 ? Math.min(power_w / limit_w, 1) : 1;
  const text = trans.__('%1 of %2', formatPercent(part, trans), limit);
  return (
    <span className="greenllm-Channel-limit">
      <svg
        className="greenllm-Channel-meter"
        role="meter"
        aria-label={trans.__('%1: power of its limit', name)}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(100 * part)}
        aria-valuetext={text}
        viewBox="0 0 100 4"
        preserveAspectRatio="none"
      >
        <rect width="100" height="4" className="greenllm-Channel-all" />
        <rect width={(100 * part).toFixed(1)} height="4" className="greenllm-Channel-drawn" />
      </svg>
      <span className="greenllm-Channel-note">{text}</span>
    </span>
  );
}

/** Unlike a part of an energy, a use of nothing at all is a use: "0 %". */
function useText(utilization: number, trans: TranslationBundle): string {
  return utilization === 0 ? trans.__('%1 %', 0) : formatPercent(utilization, trans);
}
