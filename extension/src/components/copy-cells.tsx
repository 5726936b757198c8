/** Puts the table of cells on the clipboard as Markdown, as it is sorted. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { figureText } from '../figure';
import { markdownTable, type Align } from '../markdown';
import type { CellMessage } from '../messages';
import { formatEmissions, formatEnergy, formatMeanPower } from '../quantities';
import { formatDuration } from '../times';
import type { EnergyUnit } from '../units';
import { countOf, nameWithoutCount, statusText } from './cell-row';
import { useEnvironment } from './environment';
import { provenanceName } from './provenance';

/** How long it says that it has copied. */
const SAID_FOR_MS = 4000;

export interface CopyCellsProps {
  cells: ReadonlyMap<string, CellMessage>;
  ids: readonly string[];
}

export function CopyCells({ cells, ids }: CopyCellsProps): React.JSX.Element {
  const { trans, preferences, actions } = useEnvironment();
  const [said, say] = React.useState('');
  React.useEffect(() => {
    const timer = window.setTimeout(() => say(''), SAID_FOR_MS);
    return () => window.clearTimeout(timer);
  }, [said]);
  const copy = () => {
    const rows = ids.map(id => cells.get(id)).filter(cell => cell !== undefined);
    try {
      actions.copy(cellsAsMarkdown(rows, trans, preferences.energyUnit));
      say(trans.__('Copied'));
    } catch (reason) {
      say(trans.__('Not copied: %1', String(reason)));
    }
  };
  return (
    <span className="greenllm-Copy">
      <button className="greenllm-Button" onClick={copy}>
        {trans.__('Copy as Markdown')}
      </button>
      <span role="status" className="greenllm-Said">
        {said}
      </span>
    </span>
  );
}

export function cellsAsMarkdown(
  cells: readonly CellMessage[],
  trans: TranslationBundle,
  unit: EnergyUnit
): string {
  const names: [string, Align][] = [
    [trans.__('Cell'), 'left'],
    [trans.__('Name'), 'left'],
    [trans.__('Status'), 'left'],
    [trans.__('Runs'), 'right'],
    [trans.__('Time'), 'right'],
    [trans.__('Energy (95 %)'), 'right'],
    [trans.__('Emissions (95 %)'), 'right'],
    [trans.__('Power (95 %)'), 'right'],
    [trans.__('Provenance'), 'left']
  ];
  return markdownTable(
    names,
    cells.map(cell => [
      countOf(cell),
      nameWithoutCount(cell.name),
      statusText(cell, trans),
      String(cell.runs),
      formatDuration(cell.duration_s, trans),
      figureText(formatEnergy(cell.energy_j, cell.interval_j, trans, unit)),
      figureText(formatEmissions(cell.mass_gco2e, cell.interval_gco2e, trans)),
      figureText(formatMeanPower(cell.energy_j, cell.interval_j, cell.duration_s, trans)),
      provenanceName(cell.provenance, trans)
    ])
  );
}
