/** The names of the columns of the table of cells, each of which sorts it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { NOTEBOOK_ORDER, type SortColumn, type Sorting } from '../cell-order';
import { useEnvironment } from './environment';

interface Column {
  /** Of the style sheet: the place in a row. */
  readonly area: string;
  readonly name: string;
  readonly sorts?: { readonly by: SortColumn; readonly title: string };
}

export interface SortableNamesProps {
  sorting: Sorting;
  onSort: (sorting: Sorting) => void;
}

/** Drawn again only in another order, not with every change in the table. */
export const SortableNames = React.memo(function SortableNames(props: SortableNamesProps) {
  const { sorting, onSort } = props;
  const { trans } = useEnvironment();
  return (
    <div role="rowgroup" className="greenllm-Cells-names">
      <div role="row" className="greenllm-Cell-names" aria-rowindex={1}>
        {columns(trans).map(({ area, name, sorts }) => (
          <span
            key={area}
            role="columnheader"
            className="greenllm-Column"
            data-column={area}
            aria-sort={sorts && sortWord(sorting, sorts.by)}
          >
            {sorts ? (
              <button title={sorts.title} onClick={() => onSort(nextSorting(sorting, sorts.by))}>
                {name}
                {sorting.by === sorts.by && (
                  <span aria-hidden="true">{sorting.isDescending ? ' ▾' : ' ▴'}</span>
                )}
              </button>
            ) : (
              name
            )}
          </span>
        ))}
      </div>
    </div>
  );
});

/** In the order of the cells of a row. */
function columns(trans: TranslationBundle): Column[] {
  return [
    {
      area: 'name',
      name: trans.__('Cell'),
      sorts: { by: 'notebook', title: trans.__('Sort as in the notebook') }
    },
    { area: 'status', name: trans.__('Status') },
    {
      area: 'energy',
      name: trans.__('Energy'),
      sorts: { by: 'energy', title: trans.__('Sort by energy') }
    },
    {
      area: 'emissions',
      name: trans.__('Emissions'),
      sorts: { by: 'emissions', title: trans.__('Sort by emissions') }
    },
    {
      area: 'runs',
      name: trans.__('Runs'),
      sorts: { by: 'runs', title: trans.__('Sort by number of runs') }
    },
    {
      area: 'time',
      name: trans.__('Time'),
      sorts: { by: 'time', title: trans.__('Sort by time') }
    },
    {
      area: 'power',
      name: trans.__('Power'),
      sorts: { by: 'power', title: trans.__('Sort by energy per second') }
    },
    { area: 'provenance', name: trans.__('Provenance') }
  ];
}

function sortWord(sorting: Sorting, by: SortColumn): 'ascending' | 'descending' | 'none' {
  return sorting.by !== by ? 'none' : sorting.isDescending ? 'descending' : 'ascending';
}

/** The largest first, at another click the smallest; the notebook's order begins at its top. */
function nextSorting(sorting: Sorting, by: SortColumn): Sorting {
  if (sorting.by === by) {
    return { by, isDescending: !sorting.isDescending };
  }
  return by === 'notebook' ? NOTEBOOK_ORDER : { by, isDescending: true };
}
