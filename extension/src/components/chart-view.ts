/** Which stretch of time the charts show: the latest of a range, one that is held, or one zoomed into. */

/** First and last instant, s since the epoch. */
export type Span = readonly [from_s: number, to_s: number];
export type Range = 'minute' | 'ten minutes' | 'session';

export interface ChartView {
  readonly range: Range;
  /** Where the picture stands still; null: it follows the present. */
  readonly held: Span | null;
  /** null: all of it. */
  readonly zoom: Span | null;
}

export type ViewAction =
  | { readonly kind: 'range'; readonly range: Range }
  | { readonly kind: 'hold'; readonly span: Span }
  | { readonly kind: 'follow' }
  | { readonly kind: 'zoom'; readonly span: Span }
  | { readonly kind: 'reset' };

export const FIRST_VIEW: ChartView = { range: 'minute', held: null, zoom: null };

/** A chart never shows less than this while it follows, so that the first seconds do not stretch. */
const SHORTEST_RANGE_S = 20;
/** Nor less than this when zoomed: messages come 4 times a second. */
const SHORTEST_ZOOM_S = 2;
const RANGES_S: Readonly<Record<Range, number>> = {
  minute: 60,
  'ten minutes': 600,
  session: Infinity
};
const PAN_PART = 0.2;
const ZOOM_FACTOR = 1.5;

export function changedView(view: ChartView, action: ViewAction): ChartView {
  switch (action.kind) {
    case 'range':
      return { range: action.range, held: null, zoom: null };
    case 'hold':
      return { ...view, held: action.span };
    case 'follow':
      return { ...view, held: null, zoom: null };
    case 'zoom':
      return { ...view, zoom: action.span };
    case 'reset':
      return { ...view, zoom: null };
  }
}

/** The stretch a range shows now, of a history from its first to its last instant. */
export function rangeSpan(range: Range, [first_s, last_s]: Span): Span {
  const from_s = Math.max(first_s, last_s - RANGES_S[range]);
  return [from_s, Math.max(last_s, from_s + SHORTEST_RANGE_S)];
}

/** What a key does to a chart that shows `span`; null where it means nothing here. */
export function actionOf(key: string, span: Span, bounds: Span): ViewAction | null {
  const step_s = (span[1] - span[0]) * PAN_PART;
  switch (key) {
    case 'ArrowLeft':
      return { kind: 'zoom', span: moved(span, -step_s, bounds) };
    case 'ArrowRight':
      return { kind: 'zoom', span: moved(span, step_s, bounds) };
    case '+':
    case '=':
      return { kind: 'zoom', span: stretched(span, 1 / ZOOM_FACTOR, bounds) };
    case '-':
    case '_':
      return { kind: 'zoom', span: stretched(span, ZOOM_FACTOR, bounds) };
    case 'Escape':
    case '0':
      return { kind: 'reset' };
    default:
      return null;
  }
}

/** A stretch that was selected, not shorter than can be told apart. */
export function selected([a_s, b_s]: Span, bounds: Span): Span {
  const span: Span = [Math.min(a_s, b_s), Math.max(a_s, b_s)];
  return span[1] - span[0] < SHORTEST_ZOOM_S ? stretched(span, 1, bounds) : moved(span, 0, bounds);
}

function stretched([from_s, to_s]: Span, factor: number, bounds: Span): Span {
  const longest_s = Math.max(bounds[1] - bounds[0], SHORTEST_ZOOM_S);
  const length_s = Math.min(Math.max((to_s - from_s) * factor, SHORTEST_ZOOM_S), longest_s);
  const middle_s = (from_s + to_s) / 2;
  return moved([middle_s - length_s / 2, middle_s + length_s / 2], 0, bounds);
}

/** Moved by so much, but not out of what there is. */
function moved([from_s, to_s]: Span, by_s: number, [first_s, last_s]: Span): Span {
  const length_s = to_s - from_s;
  const latest_s = Math.max(first_s, last_s - length_s);
  const start_s = Math.min(Math.max(from_s + by_s, first_s), latest_s);
  return [start_s, start_s + length_s];
}
