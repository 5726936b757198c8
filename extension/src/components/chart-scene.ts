/** What a chart shows at one time: which stretch, what of the history lies in it, and which runs are marked. */
import * as React from 'react';
import type { HistoryTable } from '../history';
import type { EnergySession } from '../session';
import { BandLanes, type Band } from './band-lanes';
import { useAtChange } from './chart-hooks';
import { rowNear } from './chart-readings';
import { TABLE_POINTS } from './chart-table';
import { rangeSpan, type ChartView, type Span, type ViewAction } from './chart-view';
import { AXIS_WIDTH_PX, RIGHT_PX } from './time-chart';

/** By about this it is seen to move, px. */
const VISIBLE_PX = 0.5;

/** What the charts share; with the same of it, and of the same revision, a chart is not drawn again. */
export interface ChartProps {
  session: EnergySession;
  /** The session's `pictureRevision` which the chart is to show: the session stays the same object. */
  revision: string;
  /** Whether power is the present one: when it comes to rest, what the charts say in words is told at once. */
  isLive: boolean;
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

export interface ChartScene {
  readonly span: Span;
  /** All that there is to be seen, by zooming out or moving. */
  readonly bounds: Span;
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
  /** Changes when its table is to be told anew, not only with what is new. */
  readonly tableVersion: string;
}

export function useScene(props: ChartProps): ChartScene {
  const { session, view, grabbed, hover_s, width } = props;
  const [lanes] = React.useState(() => new BandLanes());
  const { history, hello, runs } = session;
  const bounds: Span = [history.first_s, view.held?.[1] ?? history.last_s];
  const span = view.zoom ?? view.held ?? grabbed ?? rangeSpan(view.range, bounds);
  const table = history.tableFor(...span, plotWidth(width));
  const { bands, more } = lanes.choose(runs, span, history.last_s);
  return {
    span,
    bounds,
    table,
    brief: history.tableFor(...span, TABLE_POINTS),
    row: hover_s === null ? null : rowNear(table, hover_s),
    bands,
    more,
    marking: bands.find(({ run }) => run.run_id === props.marked),
    tableVersion: [view.range, view.held, view.zoom, hello?.channels.length, props.isLive].join()
  };
}

/**
 * Changes when a chart is to be drawn anew: with what is new, and once all has moved by what can be seen.
 *
 * @param top - The highest value on its scale.
 * @param least_s - How far it moves at least until then, s.
 */
export function useVersion(
  { session, revision, view, grabbed, width }: ChartProps,
  { span, table, bands, marking }: ChartScene,
  top: number,
  least_s: number
): string {
  const { history } = session;
  // Drawn for another reason, such as a pointer that moves, it does not take its turn before it has come.
  const [last_s, topThen] = useAtChange(revision, [history.last_s, top] as const);
  // A power of 2: that of the session grows, and would count other steps each time.
  const seen_s = 2 ** Math.round(Math.log2(((span[1] - span[0]) / plotWidth(width)) * VISIBLE_PX));
  const step_s = Math.max(least_s, seen_s);
  const isFollowing = view.zoom === null && view.held === null && grabbed === null;
  const moved = isFollowing ? [view.range, Math.floor(last_s / step_s)] : span;
  const isStill = view.held !== null || grabbed !== null;
  const news = isStill ? 'still' : isFollowing ? history.pastRevision : revision;
  const marks = [bands.length, marking?.run.run_id];
  return [...moved, news, width, table.spacing_s, topThen.toPrecision(2), ...marks].join();
}

/** Between the axes, CSS px. */
function plotWidth(width: number): number {
  return Math.max(width - AXIS_WIDTH_PX - RIGHT_PX, 100);
}
