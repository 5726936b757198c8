/** The stretch of time a chart shows: what is in it, what is marked, and what a hand on the chart does to it. */
import * as React from 'react';
import type { HistoryTable } from '../history';
import type { EnergySession } from '../session';
import { BandLanes, seenOf, type Band } from './band-lanes';
import { rowNear } from './chart-readings';
import { TABLE_POINTS } from './chart-table';
import {
  actionOf,
  rangeSpan,
  selected,
  type ChartView,
  type Span,
  type ViewAction
} from './chart-view';
import { AXIS_WIDTH_PX, RIGHT_PX, type TimeChartProps } from './time-chart';

/** By about this it is seen to move, px. */
const VISIBLE_PX = 0.5;

/** What the charts share; with the same of it, and of the same revision, a chart is not drawn again. */
export interface ChartProps {
  session: EnergySession;
  /** The session's `pictureRevision` which the chart is to show: the session stays the same object. */
  revision: string;
  view: ChartView;
  onView: (action: ViewAction) => void;
  /** What is held while the pointer is down; null: nothing. */
  grabbed: Span | null;
  onGrab: (span: Span) => void;
  /** The instant under the pointer, s; null where there is none. */
  hover_s: number | null;
  onHover: (time_s: number | null) => void;
  /** Which run is marked on the time axis; null: none. */
  marked: string | null;
  isTable: boolean;
  /** Of the axes and what is between them, CSS px; 0 until it is known. */
  width: number;
  syncKey: string;
  /** Id of the text that says what the keys do. */
  keysId: string;
}

export interface Stretch {
  readonly span: Span;
  /** What of the history is shown. */
  readonly table: HistoryTable;
  /** The same in few rows, to be read. */
  readonly brief: HistoryTable;
  /** The row under the pointer; null where there is none. */
  readonly row: number | null;
  readonly bands: readonly Band[];
  /** How many more runs there are than bands. */
  readonly more: number;
  readonly marking: Band | undefined;
  /** What a chart of it is given, whatever it draws. */
  readonly chart: Pick<
    TimeChartProps,
    | 'width'
    | 'span'
    | 'shades'
    | 'syncKey'
    | 'onHover'
    | 'onGrab'
    | 'onSelect'
    | 'onReset'
    | 'onKeyDown'
  >;
  /** Changes when its table is to be told anew, not only with what is new. */
  readonly tableVersion: string;
  /**
   * Changes when a chart of it is to be drawn anew: with what is new, and once all has moved by what can be seen.
   *
   * @param top - The highest value on its scale.
   * @param least_s - How far it moves at least until then, s.
   */
  readonly versionOf: (top: number, least_s: number) => string;
}

export function useStretch(props: ChartProps): Stretch {
  const { session, revision, view, onView, grabbed, onGrab, onHover, hover_s, width } = props;
  const [lanes] = React.useState(() => new BandLanes());
  const { history, hello, runs } = session;
  const bounds: Span = [history.first_s, view.held?.[1] ?? history.last_s];
  const span = view.zoom ?? view.held ?? grabbed ?? rangeSpan(view.range, bounds);
  const plot_px = Math.max(width - AXIS_WIDTH_PX - RIGHT_PX, 100);
  const table = history.tableFor(...span, plot_px);
  const { bands, more } = lanes.choose(runs, span, history.last_s);
  const marking = bands.find(({ run }) => run.run_id === props.marked);
  const isFollowing = view.zoom === null && view.held === null && grabbed === null;
  return {
    span,
    table,
    brief: history.tableFor(...span, TABLE_POINTS),
    row: hover_s === null ? null : rowNear(table, hover_s),
    bands,
    more,
    marking,
    chart: {
      width,
      span,
      shades: bands.map(band => ({
        span: seenOf(band.run, span, history.last_s),
        isMarked: band === marking
      })),
      syncKey: props.syncKey,
      onHover,
      onGrab: () => onGrab(span),
      onSelect: part => onView({ kind: 'zoom', span: selected(part, bounds) }),
      onReset: () => onView({ kind: 'reset' }),
      onKeyDown: event => {
        const action = actionOf(event.key, span, bounds);
        if (action && !event.ctrlKey && !event.metaKey && !event.altKey) {
          event.preventDefault();
          event.stopPropagation();
          onView(action);
        }
      }
    },
    tableVersion: [view.range, view.held, view.zoom, hello?.channels.length].join(),
    versionOf: (top, least_s) => {
      // A power of 2: that of the session grows, and would count other steps each time.
      const seen_s = 2 ** Math.round(Math.log2(((span[1] - span[0]) / plot_px) * VISIBLE_PX));
      const step_s = Math.max(least_s, seen_s);
      const moved = isFollowing ? [view.range, Math.floor(history.last_s / step_s)] : span;
      const isStill = view.held !== null || grabbed !== null;
      const news = isStill ? 'still' : isFollowing ? history.pastRevision : revision;
      const marks = [bands.length, marking?.run.run_id];
      return [...moved, news, width, table.spacing_s, top.toPrecision(2), ...marks].join();
    }
  };
}
