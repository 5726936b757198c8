/** What stands beside an energy: idle, net, this kernel's share, and when and how the baseline was taken. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { figureText, type Figure } from '../figure';
import type { BaselineBasis, Interval, KnownNet, Quantity } from '../messages';
import { formatEnergy, formatShare } from '../quantities';
import { formatBasis } from '../times';
import type { EnergyUnit } from '../units';
import { FigureText } from './figure';

/** What a record's total, a cell's or the session's message has of it; kernels of earlier versions have less. */
export interface NetSource {
  readonly idle_j?: Quantity;
  readonly idle_interval_j?: Interval;
  readonly net_j?: Quantity;
  readonly net_interval_j?: Interval;
  readonly share_j?: Quantity;
  readonly share_of_j?: Quantity;
  readonly baseline?: BaselineBasis | null;
  readonly known_net?: KnownNet | null;
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
  /** Where net and idle are those of some channels only: which. */
  readonly of: readonly string[];
  /** Of which channels they are not known. */
  readonly without: readonly string[];
}

/** A sum of the same figures, added in another order, differs by less than this part of it. */
const ROUNDING = 1e-9;

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
  const { share_j = null, known_net = null } = source;
  const known = known_net ?? source;
  const { net_j = null, idle_j = null, baseline } = known;
  const quantity = (value_j: Quantity, interval_j?: Interval, beside_j: Quantity = null) =>
    value_j === null ? null : formatEnergy(value_j, interval_j ?? null, trans, unit, beside_j);
  return {
    net: quantity(net_j, known.net_interval_j, gross_j),
    idle: quantity(idle_j, known.idle_interval_j),
    basis: baseline ? formatBasis(baseline, beside, trans) : '',
    share:
      share_j === null || gross_j === null
        ? null
        : shareText(share_j, source.share_of_j ?? gross_j, [gross_j, interval_j], trans, unit),
    isMissing: gross_j !== null && source.baseline === null,
    of: known_net && net_j !== null ? known_net.of : [],
    without: known_net ? known_net.without : []
  };
}

function shareText(
  share_j: number,
  of_j: number,
  [gross_j, interval_j]: readonly [number, Interval],
  trans: TranslationBundle,
  unit: EnergyUnit
): string {
  const isWhole = of_j >= gross_j * (1 - ROUNDING);
  const scale = gross_j > 0 ? of_j / gross_j : 1;
  const within: Interval = interval_j && [interval_j[0] * scale, interval_j[1] * scale];
  return formatShare(share_j, of_j, within, trans, unit, isWhole);
}

/** The same in lines, for a tooltip. */
export function netLines(figures: NetFigures, trans: TranslationBundle): string[] {
  const { net, idle, basis, share } = figures;
  return [
    net && trans.__('net of idle: %1', net.detail),
    net && figures.of.length > 0 && whoseNet(figures, trans),
    idle && trans.__('idle: %1, %2', figureText(idle), basis),
    figures.isMissing && howToKnowNet(figures, trans),
    share !== null && trans.__('this kernel: %1', share)
  ].filter(line => typeof line === 'string');
}

/** What is to be done, and of which channels nothing is known. */
export function howToKnowNet({ without }: NetFigures, trans: TranslationBundle): string {
  return without.length > 0
    ? trans.__(
        'No idle power known of %1: %energy idle measures it while nothing else runs.',
        listText(without)
      )
    : trans.__('Net is not known yet: %energy idle measures the idle power.');
}

/** Whose net it is, where it is not the whole's. */
export function whoseNet({ of }: NetFigures, trans: TranslationBundle): string {
  return trans.__('Net and idle are of %1.', listText(of));
}

/** Labels in a row: there are commas within them. */
export function listText(labels: readonly string[]): string {
  return labels.join('; ');
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
          {figures.of.length > 0 ? trans.__('net of %1:', listText(figures.of)) : trans.__('net')}{' '}
          <FigureText figure={net} />
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
