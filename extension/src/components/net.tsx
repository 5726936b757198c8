/** What stands beside an energy: idle, net, this kernel's share, and when and how the baseline was taken. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import {
  figureText,
  formatBasis,
  formatEnergy,
  formatShare,
  type EnergyUnit,
  type Figure
} from '../format';
import type { BaselineBasis, Interval, Quantity } from '../messages';
import { FigureText } from './figure';

/** What a record's total, a cell's or the session's message has of it; kernels of earlier versions have less. */
export interface NetSource {
  readonly idle_j?: Quantity;
  readonly idle_interval_j?: Interval;
  readonly net_j?: Quantity;
  readonly net_interval_j?: Interval;
  readonly share_j?: Quantity;
  readonly baseline?: BaselineBasis | null;
}

/** The same as it is drawn; null where it is not known. */
export interface NetFigures {
  readonly net: Figure | null;
  readonly idle: Figure | null;
  /** "measured 12:34 (10 s)" */
  readonly basis: string;
  /** "0.85 kJ (71 %)" */
  readonly share: string | null;
  /** Whether there is an energy whose net could become known. */
  readonly isMissing: boolean;
}

/**
 * @param gross_j - The energy beside which it stands, and its interval.
 * @param beside - When that was.
 */
export function netFigures(
  source: NetSource,
  [gross_j, interval_j]: readonly [Quantity, Interval],
  beside: Date,
  trans: TranslationBundle,
  unit: EnergyUnit = 'joule'
): NetFigures {
  const { net_j = null, idle_j = null, share_j = null, baseline } = source;
  const quantity = (value_j: Quantity, interval_j?: Interval) =>
    value_j === null ? null : formatEnergy(value_j, interval_j ?? null, trans, unit);
  return {
    net: quantity(net_j, source.net_interval_j),
    idle: quantity(idle_j, source.idle_interval_j),
    basis: baseline ? formatBasis(baseline, beside, trans) : '',
    share:
      share_j === null || gross_j === null
        ? null
        : formatShare(share_j, gross_j, interval_j, trans, unit),
    isMissing: gross_j !== null && baseline === null
  };
}

/** The same in lines, for a tooltip. */
export function netLines(figures: NetFigures, trans: TranslationBundle): string[] {
  const { net, idle, basis, share } = figures;
  return [
    net && trans.__('net of idle: %1', net.detail),
    idle && trans.__('idle: %1, %2', figureText(idle), basis),
    figures.isMissing && howToKnowNet(trans),
    share !== null && trans.__('this kernel: %1', share)
  ].filter(line => typeof line === 'string');
}

export function howToKnowNet(trans: TranslationBundle): string {
  return trans.__('Net is not known yet: %energy idle measures the idle power.');
}

/** Net, idle and share in a row. */
export function NetRow(props: {
  figures: NetFigures;
  trans: TranslationBundle;
}): React.JSX.Element | null {
  const { figures, trans } = props;
  const { net, idle, basis, share } = figures;
  if (!net && share === null) {
    return null;
  }
  return (
    <span className="greenllm-Net">
      {net && (
        <span className="greenllm-Net-net">
          {trans.__('net')} <FigureText figure={net} />
        </span>
      )}
      {idle && (
        <span className="greenllm-Net-idle">
          {trans.__('idle')} <FigureText figure={idle} />
          {basis !== '' && `, ${basis}`}
        </span>
      )}
      {share !== null && (
        <span className="greenllm-Net-share">{trans.__('this kernel %1', share)}</span>
      )}
    </span>
  );
}
