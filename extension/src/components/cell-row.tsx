/** One cell in the table of cells. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { CellMessage } from '../messages';
import { formatEmissions, formatEnergy, formatMeanPower } from '../quantities';
import { formatDuration } from '../times';
import { budgetOfRun, energyDetails, runsDetail } from './cell-details';
import { useEnvironment } from './environment';
import { FigureText } from './figure';
import { ProvenanceChip } from './provenance';
import { statusWord } from './status';

export interface CellRowProps {
  cell: CellMessage;
  /** Its place in the table, from 0. */
  index: number;
  top_px: number;
  /** Its energy in percent of the largest in the table: the bar. */
  percentOfMost: number;
  /** Its energy as a part of all cells' (1); null where it is not known. */
  part: number | null;
  /** Whether it is still in the notebook. */
  isThere: boolean;
  /** Whether the tab key leads here; arrow keys lead to the others. */
  isTabStop: boolean;
  /** Id of the text that tells more of it; null where that tells of another. */
  describedBy: string | null;
  onFocus: (cellId: string) => void;
}

/** Drawn again only when its own message, its place, or its part of all cells has changed. */
export const CellRow = React.memo(function CellRow(props: CellRowProps) {
  const { cell, index, top_px, percentOfMost, part, isThere, isTabStop } = props;
  const { trans, preferences } = useEnvironment();
  const { energyUnit: unit } = preferences;
  const energy = formatEnergy(cell.energy_j, cell.interval_j, trans, unit);
  return (
    <div
      role="row"
      className="greenllm-Cell"
      aria-rowindex={index + 2}
      data-status={cell.status}
      data-cell-id={cell.cell_id}
      style={
        { insetBlockStart: top_px, '--greenllm-share': `${percentOfMost}%` } as React.CSSProperties
      }
    >
      <CellName
        cell={cell}
        isThere={isThere}
        isTabStop={isTabStop}
        describedBy={props.describedBy}
        onFocus={props.onFocus}
      />
      <span role="cell" className="greenllm-Cell-energy">
        <FigureText
          figure={{ ...energy, detail: energyDetails(cell, part, trans, unit).join('\n') }}
        />
      </span>
      <CellFigures cell={cell} />
    </div>
  );
});

/** Which cell it is, with the way to it, and how it stands. */
const CellName = React.memo(function CellName(
  props: Pick<CellRowProps, 'cell' | 'isThere' | 'isTabStop' | 'describedBy' | 'onFocus'>
) {
  const { cell, isThere, isTabStop, describedBy, onFocus } = props;
  const { trans, actions } = useEnvironment();
  const isRunning = cell.status === 'running';
  return (
    <>
      <span role="cell" className="greenllm-Cell-name">
        <button
          aria-disabled={!isThere}
          tabIndex={isTabStop ? 0 : -1}
          title={nameTitle(cell, isThere, trans)}
          aria-describedby={describedBy ?? undefined}
          onFocus={() => onFocus(cell.cell_id)}
          onClick={() => isThere && actions.goToCell(cell.cell_id)}
        >
          <span className="greenllm-Cell-count">{isRunning ? '[*]' : countOf(cell)}</span>
          <bdi className="greenllm-Cell-text">{nameWithoutCount(cell.name)}</bdi>
        </button>
      </span>
      <span role="cell" className="greenllm-Cell-status">
        {statusText(cell, trans)}
      </span>
    </>
  );
});

/** Beside its energy: what other cells have cost makes no difference to it. */
const CellFigures = React.memo(function CellFigures({ cell }: { cell: CellMessage }) {
  const { trans, preferences } = useEnvironment();
  const emissions = formatEmissions(cell.mass_gco2e, cell.interval_gco2e, trans);
  const power = formatMeanPower(cell.energy_j, cell.interval_j, cell.duration_s, trans);
  return (
    <>
      <span role="cell" className="greenllm-Cell-emissions">
        <FigureText figure={{ ...emissions, spread: '' }} />
      </span>
      <span
        role="cell"
        className="greenllm-Cell-runs"
        data-once={cell.runs === 1}
        title={runsDetail(cell, trans, preferences.energyUnit)}
      >
        {trans.__('%1×', cell.runs)}
      </span>
      <span role="cell" className="greenllm-Cell-time">
        {formatDuration(cell.duration_s, trans)}
      </span>
      <span role="cell" className="greenllm-Cell-power">
        <FigureText figure={{ ...power, spread: '' }} />
      </span>
      <span role="cell" className="greenllm-Cell-provenance">
        <ProvenanceChip provenance={cell.provenance} trans={trans} />
      </span>
    </>
  );
});

/** The kernel puts the count before the words; here it has a column of its own. */
export function nameWithoutCount(name: string): string {
  return name.replace(/^\[[\d* ]*\]\s*/, '');
}

export function countOf(cell: CellMessage): string {
  return `[${cell.execution_count ?? ' '}]`;
}

/** What to know of the latest run: that it goes on, how it ended, or that it drew too much. */
export function statusText(cell: CellMessage, trans: TranslationBundle): string {
  return cell.status === 'ok' ? budgetText(cell, trans) : statusWord(cell.status, trans);
}

function budgetText(cell: CellMessage, trans: TranslationBundle): string {
  switch (budgetOfRun(cell)?.state) {
    case 'exceeded':
      return trans.__('over budget');
    case 'perhaps exceeded':
      return trans.__('perhaps over budget');
    default:
      return '';
  }
}

function nameTitle(cell: CellMessage, isThere: boolean, trans: TranslationBundle): string {
  return isThere ? cell.name : trans.__('%1 (not a cell of this notebook)', cell.name);
}
