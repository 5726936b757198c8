/** The table of cells: what each has cost, over all its runs. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatDuration, formatEmissions, formatEnergy } from '../format';
import type { CellMessage } from '../messages';
import { useEnvironment } from './environment';
import { FigureText } from './figure';
import { netFigures, netLines } from './net';
import { ProvenanceChip } from './provenance';

type Order = 'notebook' | 'energy';

export interface CellTableProps {
  cells: ReadonlyMap<string, CellMessage>;
  /** Ids of the notebook's cells, in its order. */
  order: readonly string[];
}

export function CellTable({ cells, order }: CellTableProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const [by, setBy] = React.useState<Order>('notebook');
  const places = new Map(order.map((id, index) => [id, index]));
  const rows = sorted([...cells.values()], by, places);
  const most_j = Math.max(...rows.map(cell => cell.energy_j ?? 0));
  return (
    <section className="greenllm-Cells" aria-label={trans.__('Cells')}>
      <div className="greenllm-Cells-head">
        <h3>{trans.__('Cells')}</h3>
        <button
          className="greenllm-Cells-order"
          aria-pressed={by === 'energy'}
          title={trans.__('Cells that took most energy first')}
          onClick={() => setBy(by === 'energy' ? 'notebook' : 'energy')}
        >
          {trans.__('Most energy first')}
        </button>
      </div>
      <div role="table" aria-label={trans.__('Energy and emissions of each cell')}>
        <HeaderRow />
        <div role="rowgroup">
          {rows.map(cell => (
            <CellRow
              key={cell.cell_id}
              cell={cell}
              percent={most_j > 0 ? Math.round((100 * (cell.energy_j ?? 0)) / most_j) : 0}
              isThere={places.has(cell.cell_id)}
            />
          ))}
        </div>
      </div>
    </section>
  );
}

function HeaderRow(): React.JSX.Element {
  const { trans } = useEnvironment();
  const names = [
    trans.__('Cell'),
    trans.__('Status'),
    trans.__('Energy'),
    trans.__('Emissions'),
    trans.__('Runs'),
    trans.__('Provenance')
  ];
  return (
    <div role="rowgroup" className="greenllm-Cells-names">
      <div role="row" className="greenllm-Cell">
        {names.map(name => (
          <span key={name} role="columnheader">
            {name}
          </span>
        ))}
      </div>
    </div>
  );
}

interface CellRowProps {
  cell: CellMessage;
  /** Its energy in percent of the largest in the table. */
  percent: number;
  isThere: boolean;
}

/** Drawn again only when its own message has changed. */
const CellRow = React.memo(function CellRow({ cell, percent, isThere }: CellRowProps) {
  const { trans, preferences, actions } = useEnvironment();
  const unit = preferences.energyUnit;
  const isRunning = cell.status === 'running';
  const energy = formatEnergy(cell.energy_j, cell.interval_j, trans, unit);
  const beside = netFigures(
    cell,
    [cell.energy_j, cell.interval_j],
    new Date(cell.at_ms),
    trans,
    unit
  );
  const detail = [energy.detail, ...netLines(beside, trans)].join('\n');
  const emissions = formatEmissions(cell.mass_gco2e, cell.interval_gco2e, trans);
  return (
    <div
      role="row"
      className="greenllm-Cell"
      data-status={cell.status}
      data-cell-id={cell.cell_id}
      style={{ '--greenllm-share': `${percent}%` } as React.CSSProperties}
    >
      <span role="cell" className="greenllm-Cell-name">
        <button
          disabled={!isThere}
          title={nameTitle(cell, isThere, trans)}
          onClick={() => actions.goToCell(cell.cell_id)}
        >
          <span className="greenllm-Cell-count">{isRunning ? '[*]' : countOf(cell)}</span>
          <span className="greenllm-Cell-text">{nameWithoutCount(cell.name)}</span>
        </button>
      </span>
      <span role="cell" className="greenllm-Cell-status">
        {statusName(cell.status, trans)}
      </span>
      <span role="cell" className="greenllm-Cell-energy">
        <FigureText figure={{ ...energy, detail }} />
      </span>
      <span role="cell" className="greenllm-Cell-emissions">
        <FigureText figure={{ ...emissions, spread: '' }} />
      </span>
      <span
        role="cell"
        className="greenllm-Cell-runs"
        data-once={cell.runs === 1}
        title={runsTitle(cell, trans)}
      >
        {trans._n('%1 run', '%1 runs', cell.runs)}
      </span>
      <span role="cell" className="greenllm-Cell-provenance">
        <ProvenanceChip provenance={cell.provenance} trans={trans} />
      </span>
    </div>
  );
});

function statusName(status: CellMessage['status'], trans: TranslationBundle): string {
  switch (status) {
    case 'running':
      return trans.__('running');
    case 'error':
      return trans.__('error');
    case 'interrupted':
      return trans.__('interrupted');
    case 'ok':
      return '';
  }
}

function sorted(
  cells: CellMessage[],
  by: Order,
  places: ReadonlyMap<string, number>
): CellMessage[] {
  const place = (cell: CellMessage) => places.get(cell.cell_id) ?? Infinity;
  const inOrder = cells.sort((a, b) => (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0));
  return by === 'notebook'
    ? inOrder
    : inOrder.sort((a, b) => (b.energy_j ?? -1) - (a.energy_j ?? -1));
}

function countOf(cell: CellMessage): string {
  return `[${cell.execution_count ?? ' '}]`;
}

/** The kernel puts the count before the words; here it has a column of its own. */
function nameWithoutCount(name: string): string {
  return name.replace(/^\[[\d* ]*\]\s*/, '');
}

function nameTitle(cell: CellMessage, isThere: boolean, trans: TranslationBundle): string {
  return isThere ? cell.name : trans.__('%1 (not a cell of this notebook)', cell.name);
}

function runsTitle(cell: CellMessage, trans: TranslationBundle): string {
  const last = formatEnergy(cell.last_energy_j, cell.last_interval_j, trans);
  return trans.__('%1 in all; last run: %2', formatDuration(cell.duration_s, trans), last.detail);
}
