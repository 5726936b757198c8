/**
 * The rows of a long table: only those in view are in the page, each at its place in a region that
 * scrolls. All are equally high; how high is measured at an empty one.
 */
import * as React from 'react';

export interface RowsProps {
  count: number;
  /** The row of the column names; it stays at the top. */
  names: React.ReactNode;
  /** A row that stays in the page also out of view, since it has the focus; -1: none. */
  kept: number;
  /** What the row of that index is of. */
  idAt: (index: number) => string;
  /** Draw the row of that index at that distance from the top, px; the key is React's. */
  row: (index: number, top_px: number, key: number) => React.ReactNode;
  /** Changes when the rows come in another order: the region then goes back to the top. */
  order: string;
  onKeyDown?: (event: React.KeyboardEvent) => void;
}

/** Until they are measured. */
const GUESS = { row_px: 46, region_px: 560 };
/** Rows in the page above and below those in view, so that scrolling shows no gap. */
const BEYOND = 4;

export function Rows(props: RowsProps): React.JSX.Element {
  const { count, names, kept, idAt, row, order, onKeyDown } = props;
  const region = React.useRef<HTMLDivElement>(null);
  const ruler = React.useRef<HTMLDivElement>(null);
  // How far one has scrolled belongs to an order: rows that are about to go out of view are not drawn in another first.
  const [scrolled, setScrolled] = React.useState({ order, top_px: 0 });
  const top_px = scrolled.order === order ? scrolled.top_px : 0;
  const { row_px, region_px } = useSizes(region, ruler);
  React.useLayoutEffect(() => {
    if (region.current) {
      region.current.scrollTop = 0;
    }
  }, [order]);
  const indices = indicesInView(count, Math.floor(top_px / row_px), region_px / row_px, kept);
  const keys = useKeys(indices.map(idAt), order);
  return (
    <div
      className="greenllm-Rows"
      ref={region}
      role="presentation"
      // To whole rows: in between nothing has to be drawn.
      onScroll={event => {
        const first = Math.floor(event.currentTarget.scrollTop / row_px);
        setScrolled(last =>
          last.order === order && last.top_px === first * row_px
            ? last
            : { order, top_px: first * row_px }
        );
      }}
    >
      {names}
      <div className="greenllm-Rows-ruler" ref={ruler} aria-hidden="true" />
      <div
        role="rowgroup"
        className="greenllm-Rows-body"
        style={{ blockSize: count * row_px }}
        onKeyDown={onKeyDown}
      >
        {indices.map((index, place) => row(index, index * row_px, keys[place] ?? -1))}
      </div>
    </div>
  );
}

/**
 * A row keeps its key, and with it its elements, as long as it is in the page: it may have the focus. Rows of another
 * order take the elements that are there: to change their texts takes the browser less time than to make them anew.
 */
function useKeys(ids: readonly string[], order: string): readonly number[] {
  const last = React.useRef({ order, keys: new Map<string, number>(), made: 0 });
  const { keys, made } = last.current;
  const isSameOrder = order === last.current.order;
  const there = [...keys.values()];
  let count = made;
  const now = ids.map((id, place) => (isSameOrder ? keys.get(id) : there[place]) ?? count++);
  last.current = {
    order,
    keys: new Map(ids.map((id, place) => [id, now[place] ?? -1])),
    made: count
  };
  return now;
}

function indicesInView(count: number, first: number, rows: number, kept: number): number[] {
  const from = Math.max(0, Math.min(first, count - 1) - BEYOND);
  const to = Math.min(count, first + Math.ceil(rows) + BEYOND);
  const indices = Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
  const isKeptOutside = kept >= 0 && kept < count && (kept < from || kept >= to);
  return isKeptOutside ? [...indices, kept].sort((a, b) => a - b) : indices;
}

function useSizes(
  region: React.RefObject<HTMLElement>,
  ruler: React.RefObject<HTMLElement>
): typeof GUESS {
  const [sizes, setSizes] = React.useState(GUESS);
  React.useLayoutEffect(() => {
    const measure = () => {
      const row_px = ruler.current?.getBoundingClientRect().height ?? 0;
      const region_px = region.current?.clientHeight ?? 0;
      // Hidden, or not laid out: what was known holds.
      if (row_px > 0 && region_px > 0) {
        setSizes(known =>
          known.row_px === row_px && known.region_px >= region_px ? known : { row_px, region_px }
        );
      }
    };
    const observer = new ResizeObserver(measure);
    [region.current, ruler.current].forEach(node => node && observer.observe(node));
    measure();
    return () => observer.disconnect();
  }, [region, ruler]);
  return sizes;
}
