/** The table of cells: what each has cost, over all its runs, in any order. */
import * as React from 'react';
import { CellOrder, HOTTEST_FIRST, NOTEBOOK_ORDER, type Sorting } from '../cell-order';
import type { CellMessage } from '../messages';
import { indexAfter } from './arrow-keys';
import { percentOfMost } from './bar';
import { CellDetails } from './cell-details';
import { CellRow } from './cell-row';
import { CopyCells } from './copy-cells';
import { useEnvironment } from './environment';
import { ExportLinks } from './export';
import { Rows } from './rows';
import { SortableNames } from './sortable-names';

const STEPS = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 };

export interface CellTableProps {
  sessionId: string;
  cells: ReadonlyMap<string, CellMessage>;
  /** Grows with every change in `cells`, which stays the same map. */
  revision: number;
  /** Ids of the notebook's cells, in its order; the same array as long as it holds. */
  order: readonly string[];
}

/** Drawn again only when a cell has changed, not with every message. */
export const CellTable = React.memo(function CellTable(props: CellTableProps) {
  const { sessionId, cells, revision, order } = props;
  const { trans } = useEnvironment();
  const [sorting, setSorting] = React.useState(NOTEBOOK_ORDER);
  const [active, setActive] = React.useState<string | null>(null);
  const table = React.useRef<HTMLDivElement>(null);
  const places = React.useMemo(() => new Map(order.map((id, index) => [id, index])), [order]);
  const ids = useSortedIds(cells, revision, places, sorting);
  const { most_j, sum_j } = React.useMemo(() => extentOf(cells), [cells, revision]);
  const activeIndex = active === null ? -1 : ids.indexOf(active);
  const activeCell = activeIndex < 0 ? null : (cells.get(ids[activeIndex] ?? '') ?? null);
  const part = (cell: CellMessage) => (ids.length > 1 ? partOf(cell.energy_j, sum_j) : null);
  const detailsId = React.useId();
  const isHottestFirst = sorting.by === 'energy' && sorting.isDescending;

  const isMoving = React.useRef(false);
  // Once the row is in the page.
  React.useLayoutEffect(() => {
    if (isMoving.current && active !== null) {
      isMoving.current = false;
      rowIn(table.current, active)?.querySelector('button')?.focus();
    }
  }, [active]);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const target = indexAfter(event.key, Math.max(0, activeIndex), ids.length, STEPS);
    if (target !== null) {
      event.preventDefault();
      isMoving.current = true;
      setActive(ids[target] ?? null);
    }
  };
  return (
    <section className="greenllm-Cells" aria-label={trans.__('Cells')}>
      <div className="greenllm-Cells-head">
        <h3>{trans.__('Cells')}</h3>
        <button
          className="greenllm-QuietButton"
          aria-pressed={isHottestFirst}
          title={trans.__('Cells that took most energy first')}
          onClick={() => setSorting(isHottestFirst ? NOTEBOOK_ORDER : HOTTEST_FIRST)}
        >
          {trans.__('Most energy first')}
        </button>
      </div>
      <div
        ref={table}
        role="table"
        className="greenllm-Cells-table"
        data-sorted={sorting.by}
        aria-label={trans.__('Energy and emissions of each cell')}
        aria-rowcount={ids.length + 1}
      >
        <Rows
          count={ids.length}
          order={`${sorting.by} ${sorting.isDescending}`}
          kept={activeIndex}
          onKeyDown={onKeyDown}
          names={<SortableNames sorting={sorting} onSort={setSorting} />}
          idAt={index => ids[index] ?? ''}
          row={(index, top_px, key) => {
            const cell = cells.get(ids[index] ?? '');
            return (
              cell && (
                <CellRow
                  key={key}
                  cell={cell}
                  index={index}
                  top_px={top_px}
                  percentOfMost={percentOfMost(cell.energy_j, most_j)}
                  part={part(cell)}
                  isThere={places.has(cell.cell_id)}
                  isTabStop={index === Math.max(0, activeIndex)}
                  describedBy={index === activeIndex ? detailsId : null}
                  onFocus={setActive}
                />
              )
            );
          }}
        />
      </div>
      <CellDetails id={detailsId} cell={activeCell} part={activeCell && part(activeCell)} />
      <div className="greenllm-Cells-foot">
        <CopyCells cells={cells} ids={ids} />
        <ExportLinks sessionId={sessionId} />
      </div>
    </section>
  );
});

function useSortedIds(
  cells: ReadonlyMap<string, CellMessage>,
  revision: number,
  places: ReadonlyMap<string, number>,
  sorting: Sorting
): readonly string[] {
  const [order] = React.useState(() => new CellOrder());
  return React.useMemo(
    () => order.ids(cells, places, sorting),
    [order, cells, revision, places, sorting]
  );
}

function extentOf(cells: ReadonlyMap<string, CellMessage>): { most_j: number; sum_j: number } {
  let [most_j, sum_j] = [0, 0];
  for (const { energy_j } of cells.values()) {
    most_j = Math.max(most_j, energy_j ?? 0);
    sum_j += energy_j ?? 0;
  }
  return { most_j, sum_j };
}

/** Rounded as it is told, so that a row is not drawn again for less. */
function partOf(energy_j: number | null, sum_j: number): number | null {
  return energy_j === null || !(sum_j > 0) ? null : Math.round((1000 * energy_j) / sum_j) / 1000;
}

/** By its data, not by a selector: a cell's id may be any text. */
function rowIn(table: HTMLElement | null, id: string): HTMLElement | undefined {
  const rows = table?.querySelectorAll<HTMLElement>('[data-cell-id]') ?? [];
  return [...rows].find(row => row.dataset.cellId === id);
}
