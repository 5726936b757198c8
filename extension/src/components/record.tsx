/** A record as a one-line card, with its channels to unfold. All of it is text from checked data. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { budgetUse, formatBudget, type BudgetState } from '../budget';
import type { ChannelEnergy, EnergyRecord, EnergyTotal } from '../messages';
import { formatEmissions, formatEnergy, formatShare } from '../quantities';
import { formatBasis, formatDuration } from '../times';
import type { EnergyUnit } from '../units';
import { asRecord } from '../validate';
import { FigureText } from './figure';
import { listText, netFigures, NetRow, type NetSource } from './net';
import { ProvenanceChip } from './provenance';
import { statusWord } from './status';

export interface RecordViewProps {
  /** A record, if it is one: it is checked here. */
  data: unknown;
  trans: TranslationBundle;
  unit: EnergyUnit;
}

export function RecordView({ data, trans, unit }: RecordViewProps): React.JSX.Element {
  const record = asRecord(data);
  return record ? (
    <Card record={record} trans={trans} unit={unit} />
  ) : (
    <p className="greenllm-Record">
      {trans.__('This energy record is not in a form that this version can read.')}
    </p>
  );
}

interface CardProps {
  record: EnergyRecord;
  trans: TranslationBundle;
  unit: EnergyUnit;
}

function Card({ record, trans, unit }: CardProps): React.JSX.Element {
  const { energy, emissions, channels } = record;
  const at = new Date(record.started_at);
  const hasNet = channels.some(channel => channel.idle_j !== null);
  const hasShare = channels.some(channel => channel.share_j !== null);
  const mass = formatEmissions(
    emissions?.mass_gco2e ?? null,
    emissions?.interval_gco2e ?? null,
    trans
  );
  return (
    <details className="greenllm-Record" data-status={record.status}>
      <summary>
        <span className="greenllm-Record-name" title={record.name}>
          {record.name}
        </span>
        <FigureText figure={formatEnergy(energy.gross_j, energy.interval_j, trans, unit)} />
        <FigureText figure={mass} />
        <ProvenanceChip provenance={energy.provenance} trans={trans} />
        <span>{formatDuration(record.duration_s, trans)}</span>
        {record.status !== 'ok' && <span>{statusWord(record.status, trans)}</span>}
        <BudgetLine record={record} trans={trans} unit={unit} />
        <NetRow
          figures={netFigures(
            withShare(energy, channels),
            [energy.gross_j, energy.interval_j],
            at,
            trans,
            unit
          )}
          trans={trans}
        />
      </summary>
      <table>
        <thead>
          <tr>
            <th scope="col">{trans.__('Part')}</th>
            <th scope="col">{trans.__('Energy')}</th>
            {hasNet && <th scope="col">{trans.__('Idle')}</th>}
            {hasNet && <th scope="col">{trans.__('Net')}</th>}
            {hasShare && <th scope="col">{trans.__('This kernel')}</th>}
            <th scope="col">{trans.__('Provenance')}</th>
            <th scope="col">{trans.__('Meter')}</th>
          </tr>
        </thead>
        <tbody>
          {channels.map((channel, index) => (
            <ChannelRow key={index} channel={channel} trans={trans} unit={unit}>
              {hasNet && <NetCells channel={channel} at={at} trans={trans} unit={unit} />}
              {hasShare && <td className="greenllm-Figure">{shareOf(channel, trans, unit)}</td>}
            </ChannelRow>
          ))}
        </tbody>
      </table>
      {reasons(energy, channels, trans).map(reason => (
        <p key={reason}>{reason}</p>
      ))}
      <UnitLines record={record} trans={trans} unit={unit} />
      {emissions && (
        <p>
          {trans.__(
            '%1 g CO₂e/kWh, %2 (%3 %4)',
            Math.round(emissions.intensity_gco2e_per_kwh),
            emissions.place,
            emissions.source,
            emissions.vintage
          )}
        </p>
      )}
    </details>
  );
}

/** How the run stands to the budget that was set for it; nothing where none was. */
function BudgetLine({ record, trans, unit }: CardProps): React.JSX.Element | null {
  const { energy, emissions } = record;
  const budget = budgetUse(
    record,
    [energy.gross_j, energy.interval_j],
    [emissions?.mass_gco2e ?? null, emissions?.interval_gco2e ?? null]
  );
  if (budget === null) {
    return null;
  }
  return (
    <span className="greenllm-Record-budget" data-state={budget.state}>
      {budget.state === 'exceeded' && <span aria-hidden="true">▲ </span>}
      {budgetText(budget.state, formatBudget(budget, unit), trans)}
    </span>
  );
}

function budgetText(
  state: BudgetState,
  amount: [string, string],
  trans: TranslationBundle
): string {
  switch (state) {
    case 'exceeded':
      return trans.__('over its budget of %1 %2', ...amount);
    case 'perhaps exceeded':
      return trans.__('perhaps over its budget of %1 %2', ...amount);
    case 'within':
      return trans.__('within its budget of %1 %2', ...amount);
    case 'not known':
      return trans.__('not known whether within its budget of %1 %2', ...amount);
  }
}

interface ChannelProps {
  channel: ChannelEnergy;
  trans: TranslationBundle;
  unit: EnergyUnit;
}

function ChannelRow(props: ChannelProps & { children: React.ReactNode }): React.JSX.Element {
  const { channel, trans, unit, children } = props;
  return (
    <tr>
      <th scope="row">
        {channel.label}
        {!channel.counted && ` ${trans.__('(part of another)')}`}
      </th>
      <td>
        <FigureText figure={formatEnergy(channel.energy_j, channel.interval_j, trans, unit)} />
      </td>
      {children}
      <td>
        <ProvenanceChip provenance={channel.provenance} trans={trans} />
      </td>
      <td>
        {channel.meter}
        {channel.fault !== null && `: ${channel.fault}`}
      </td>
    </tr>
  );
}

function NetCells({ channel, at, trans, unit }: ChannelProps & { at: Date }): React.JSX.Element {
  const { energy_j, idle_j, baseline } = channel;
  if (energy_j === null || idle_j === null) {
    return (
      <>
        <td />
        <td />
      </>
    );
  }
  const idle = formatEnergy(idle_j, channel.idle_interval_j ?? null, trans, unit);
  const netInterval = channel.net_interval_j ?? null;
  const net = formatEnergy(energy_j - idle_j, netInterval, trans, unit, energy_j);
  return (
    <>
      <td>
        <FigureText figure={idle} />
        {baseline && (
          <span className="greenllm-Record-basis"> {formatBasis(baseline, at, trans)}</span>
        )}
      </td>
      <td>
        <FigureText figure={net} />
      </td>
    </>
  );
}

function shareOf(channel: ChannelEnergy, trans: TranslationBundle, unit: EnergyUnit): string {
  const { energy_j, interval_j, share_j } = channel;
  return energy_j === null || share_j === null
    ? ''
    : formatShare(share_j, energy_j, interval_j, trans, unit);
}

/** Why net and share are not known; a record of an earlier version says nothing of it. */
function reasons(
  energy: EnergyTotal,
  channels: readonly ChannelEnergy[],
  trans: TranslationBundle
): string[] {
  const summed = summedOf(channels);
  if (summed.length === 0 || energy.baseline === undefined) {
    return [];
  }
  const lacking = (key: 'idle_j' | 'share_j') =>
    listText([
      ...new Set(summed.filter(channel => channel[key] === null).map(({ label }) => label))
    ]);
  return [
    energy.net_j === null &&
      trans.__(
        'Net: no idle power known of %1; %energy idle measures it while nothing else runs',
        lacking('idle_j')
      ),
    energy.share_j === null &&
      trans.__('This kernel’s share cannot be told of %1', lacking('share_j'))
  ].filter(reason => typeof reason === 'string');
}

/** What stands beside the total; the share of those channels that know it, where not all do. */
function withShare(energy: EnergyTotal, channels: readonly ChannelEnergy[]): NetSource {
  const known = summedOf(channels).filter(channel => channel.share_j !== null);
  if (energy.share_j !== null || known.length === 0) {
    return energy;
  }
  const sum = (key: 'share_j' | 'energy_j') =>
    known.reduce((total, channel) => total + (channel[key] ?? 0), 0);
  return { ...energy, share_j: sum('share_j'), share_of_j: sum('energy_j') };
}

function summedOf(channels: readonly ChannelEnergy[]): ChannelEnergy[] {
  return channels.filter(channel => channel.counted && channel.energy_j !== null);
}

/** Energy for each token, sample and so on. */
function UnitLines({ record, trans, unit }: CardProps): React.JSX.Element {
  return (
    <>
      {Object.entries(record.units).map(([name, each]) => (
        <p key={name}>
          <FigureText
            figure={formatEnergy(each.energy_j_per_unit, each.interval_j_per_unit, trans, unit)}
          />{' '}
          {trans.__('per %1 (%2)', name, each.count)}
        </p>
      ))}
    </>
  );
}
