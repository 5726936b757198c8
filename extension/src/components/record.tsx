/** A record as a one-line card, with its channels to unfold. All of it is text from checked data. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatDuration, formatEmissions, formatEnergy } from '../format';
import type { ChannelEnergy, EnergyRecord } from '../messages';
import { asRecord } from '../validate';
import { FigureText } from './figure';
import { ProvenanceChip } from './provenance';

export interface RecordViewProps {
  /** A record, if it is one: it is checked here. */
  data: unknown;
  trans: TranslationBundle;
}

export function RecordView({ data, trans }: RecordViewProps): React.JSX.Element {
  const record = asRecord(data);
  return record ? (
    <Card record={record} trans={trans} />
  ) : (
    <p className="greenllm-Record">
      {trans.__('This energy record is not in a form that this version can read.')}
    </p>
  );
}

interface CardProps {
  record: EnergyRecord;
  trans: TranslationBundle;
}

function Card({ record, trans }: CardProps): React.JSX.Element {
  const { energy, emissions } = record;
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
        <FigureText figure={formatEnergy(energy.gross_j, energy.interval_j, trans)} />
        <FigureText figure={mass} />
        <ProvenanceChip provenance={energy.provenance} trans={trans} />
        <span>{formatDuration(record.duration_s, trans)}</span>
        {record.status !== 'ok' && <span>{statusName(record.status, trans)}</span>}
      </summary>
      <table>
        <thead>
          <tr>
            <th scope="col">{trans.__('Part')}</th>
            <th scope="col">{trans.__('Energy')}</th>
            <th scope="col">{trans.__('Provenance')}</th>
            <th scope="col">{trans.__('Meter')}</th>
          </tr>
        </thead>
        <tbody>
          {record.channels.map((channel, index) => (
            <ChannelRow key={index} channel={channel} trans={trans} />
          ))}
        </tbody>
      </table>
      <UnitLines record={record} trans={trans} />
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

function ChannelRow(props: {
  channel: ChannelEnergy;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { channel, trans } = props;
  return (
    <tr>
      <th scope="row">
        {channel.label}
        {!channel.counted && ` ${trans.__('(part of another)')}`}
      </th>
      <td>
        <FigureText figure={formatEnergy(channel.energy_j, channel.interval_j, trans)} />
      </td>
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

/** Energy for each token, sample and so on. */
function UnitLines({ record, trans }: CardProps): React.JSX.Element {
  return (
    <>
      {Object.entries(record.units).map(([name, unit]) => (
        <p key={name}>
          <FigureText
            figure={formatEnergy(unit.energy_j_per_unit, unit.interval_j_per_unit, trans)}
          />{' '}
          {trans.__('per %1 (%2)', name, unit.count)}
        </p>
      ))}
    </>
  );
}

function statusName(status: EnergyRecord['status'], trans: TranslationBundle): string {
  switch (status) {
    case 'ok':
      return '';
    case 'error':
      return trans.__('error');
    case 'interrupted':
      return trans.__('interrupted');
    case 'partial':
      return trans.__('partial');
  }
}
