/** The list of GPUs, CPUs and memories: the chart's legend, with each one's power, limit, use and provenance. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ChannelDescription, PowerMessage, Provenance } from '../messages';
import { formatPercent, formatPower } from '../quantities';
import { useEnvironment } from './environment';
import { LineSwatch, lineStyles, type LineStyle } from './lines';
import { shortNames } from './names';
import { ProvenanceChip } from './provenance';

export interface ChannelListProps {
  channels: readonly ChannelDescription[];
  /** The present one; null where there is none. */
  power: PowerMessage | null;
}

/** Drawn again only with another power, not with every message. */
export const ChannelList = React.memo(function ChannelList(props: ChannelListProps) {
  const { trans } = useEnvironment();
  const { channels, power } = props;
  const styles = lineStyles(channels);
  const names = shortNames(channels, trans);
  return (
    <ul className="greenllm-Channels" aria-label={trans.__('Power of each part')}>
      {channels.map(channel => (
        <ChannelRow
          key={channel.id}
          channel={channel}
          name={names.get(channel.id) ?? ''}
          line={styles.get(channel.id)}
          {...figuresOf(channel, power, trans)}
        />
      ))}
    </ul>
  );
});

/** As they are told: what reads the same is not drawn again. */
interface ChannelFigures {
  /** Empty where there is no present reading to show. */
  readonly power: string;
  /** Which part of its limit it draws, 0 to 1; null where that is not known. */
  readonly partOfLimit: number | null;
  /** In which part of the time it was busy; empty where that is not known. */
  readonly use: string;
}

function figuresOf(
  channel: ChannelDescription,
  message: PowerMessage | null,
  trans: TranslationBundle
): ChannelFigures {
  const { id, limit_w } = channel;
  const power_w = message?.power_w[id] ?? null;
  const utilization = message?.utilization?.[id] ?? null;
  const isLimited = typeof limit_w === 'number' && power_w !== null;
  const part = isLimited ? (limit_w > 0 ? Math.min(power_w / limit_w, 1) : 1) : null;
  return {
    power: message ? formatPower(power_w, provenanceOf(channel) === 'estimated') : '',
    partOfLimit: part && Number(part.toFixed(3)),
    use: utilization === null ? '' : useText(utilization, trans)
  };
}

function provenanceOf({ fault, provenance }: ChannelDescription): Provenance {
  return fault === null ? provenance : 'unavailable';
}

interface ChannelRowProps extends ChannelFigures {
  channel: ChannelDescription;
  /** What the chart calls it. */
  name: string;
  line: LineStyle | undefined;
}

/** Drawn again only when its own figures have changed. */
const ChannelRow = React.memo(function ChannelRow(props: ChannelRowProps) {
  const { trans } = useEnvironment();
  const { channel, name, line, power, partOfLimit, use } = props;
  const title = React.useMemo(
    () => channel.fault ?? trans.__('%1, read by %2', channel.label, channel.meter),
    [channel, trans]
  );
  return (
    <li className="greenllm-Channel" data-inside={channel.inside !== null} title={title}>
      <LineSwatch line={channel.fault === null ? line : undefined} />
      <ChannelLabel name={name} label={channel.label} />
      <ChannelChips channel={channel} use={use} />
      <span className="greenllm-Channel-power">{power}</span>
      {typeof channel.limit_w === 'number' && channel.fault === null && (
        <LimitMeter name={name} part={partOfLimit} limit_w={channel.limit_w} />
      )}
      {channel.fault !== null && <span className="greenllm-Channel-fault">{channel.fault}</span>}
    </li>
  );
});

const ChannelLabel = React.memo(function ChannelLabel(props: { name: string; label: string }) {
  return (
    <span className="greenllm-Channel-label">
      <span className="greenllm-Channel-component">{props.name}</span> {props.label}
    </span>
  );
});

const ChannelChips = React.memo(function ChannelChips(props: {
  channel: ChannelDescription;
  use: string;
}) {
  const { trans } = useEnvironment();
  const { channel, use } = props;
  return (
    <span className="greenllm-Channel-provenance">
      <ProvenanceChip provenance={provenanceOf(channel)} trans={trans} />
      {use !== '' && (
        <span className="greenllm-Channel-note greenllm-Channel-utilization">
          {trans.__('in use %1', use)}
        </span>
      )}
      {channel.inside !== null && (
        <span className="greenllm-Channel-note">{trans.__('part of another')}</span>
      )}
    </span>
  );
});

/** A slim bar: how much of its limit a channel draws. Without a reading, the limit alone. */
const LimitMeter = React.memo(function LimitMeter(props: {
  name: string;
  part: number | null;
  limit_w: number;
}) {
  const { trans } = useEnvironment();
  const { name, part, limit_w } = props;
  const limit = formatPower(limit_w);
  if (part === null) {
    return (
      <span className="greenllm-Channel-limit">
        <span className="greenllm-Channel-note">{trans.__('limit %1', limit)}</span>
      </span>
    );
  }
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
});

/** Unlike a part of an energy, a use of nothing at all is a use: "0 %". */
function useText(utilization: number, trans: TranslationBundle): string {
  return utilization === 0 ? trans.__('%1 %', 0) : formatPercent(utilization, trans);
}
