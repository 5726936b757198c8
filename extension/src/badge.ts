/** What a cell's badge says, and its node. Made by hand, not by React: a notebook may have thousands. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { netFigures, netLines, type NetSource } from './components/net';
import { provenanceMeaning } from './components/provenance';
import { statusWord } from './components/status';
import { figureText } from './figure';
import type { CellMessage, EnergyRecord, Interval, Provenance, Quantity } from './messages';
import { formatEmissions, formatEnergy } from './quantities';
import { formatDay, formatDuration } from './times';
import type { EnergyUnit } from './units';

/** A cell as the kernel tells of it, or the record of an earlier session that the notebook keeps. */
export type BadgeSubject = CellMessage | EnergyRecord;

interface Figures {
  readonly energy_j: Quantity;
  readonly interval_j: Interval;
  readonly mass_gco2e: Quantity;
  readonly interval_gco2e: Interval;
  readonly provenance: Provenance;
  readonly beside: NetSource;
  readonly at: Date;
  readonly isRunning: boolean;
  /** Said after the figures. */
  readonly remarks: readonly string[];
}

export function makeBadge(): HTMLElement {
  const node = document.createElement('span');
  node.className = 'greenllm-Badge';
  node.setAttribute('role', 'note');
  return node;
}

export function writeBadge(
  node: HTMLElement,
  subject: BadgeSubject,
  trans: TranslationBundle,
  unit: EnergyUnit
): void {
  const isEarlier = !('kind' in subject);
  const figures = isEarlier ? ofRecord(subject, trans) : ofMessage(subject, trans, unit);
  const { energy_j, interval_j, provenance } = figures;
  const energy = formatEnergy(energy_j, interval_j, trans, unit);
  const lines = [energy.detail, ...linesBelow(figures, trans, unit)];
  node.textContent = figureText(energy);
  node.title = lines.join('\n');
  node.setAttribute('aria-label', trans.__('Energy of this cell: %1', lines.join('. ')));
  node.dataset.provenance = provenance;
  node.dataset.running = String(figures.isRunning);
  node.dataset.earlier = String(isEarlier);
}

function linesBelow(figures: Figures, trans: TranslationBundle, unit: EnergyUnit): string[] {
  const { energy_j, interval_j, provenance } = figures;
  const net = netFigures(figures.beside, [energy_j, interval_j], figures.at, trans, unit);
  const emissions = formatEmissions(figures.mass_gco2e, figures.interval_gco2e, trans);
  const meaning = provenanceMeaning(provenance, trans);
  return [
    ...(energy_j === null ? [meaning] : [meaning, ...netLines(net, trans)]),
    trans.__('emissions: %1', emissions.detail),
    ...figures.remarks
  ];
}

function ofMessage(cell: CellMessage, trans: TranslationBundle, unit: EnergyUnit): Figures {
  const isRunning = cell.status === 'running';
  const last = formatEnergy(cell.last_energy_j, cell.last_interval_j, trans, unit);
  const runs = trans._n('%1 run', '%1 runs', cell.runs);
  return {
    ...cell,
    beside: cell,
    at: new Date(cell.at_ms),
    isRunning,
    remarks: [
      ...(isRunning ? [statusWord(cell.status, trans)] : []),
      trans.__('%1, %2 in all', runs, formatDuration(cell.duration_s, trans)),
      ...(cell.runs > 1 ? [trans.__('last run: %1', last.detail)] : [])
    ]
  };
}

function ofRecord(record: EnergyRecord, trans: TranslationBundle): Figures {
  const { energy, emissions } = record;
  const at = new Date(record.started_at);
  return {
    energy_j: energy.gross_j,
    interval_j: energy.interval_j,
    mass_gco2e: emissions?.mass_gco2e ?? null,
    interval_gco2e: emissions?.interval_gco2e ?? null,
    provenance: energy.provenance,
    beside: energy,
    at,
    isRunning: false,
    remarks: [
      formatDuration(record.duration_s, trans),
      trans.__('Of an earlier session: %1', formatDay(at))
    ]
  };
}
