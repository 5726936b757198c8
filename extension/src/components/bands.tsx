/** The cells that ran, as marks below the time axis: where, how long, and a way to each. */
import * as React from 'react';
import type { RunSpan } from '../runs';
import type { Span } from './chart-view';
import { useEnvironment } from './environment';
import { clock } from './time-chart';

export interface Band {
  readonly run: RunSpan;
  /** What of it can be seen; to the last instant known where it still runs. */
  readonly span: Span;
  readonly lane: number;
}

/** More would be neither read nor told apart. */
const MAX_BANDS = 40;
const MAX_LANES = 3;
const WITH_SECONDS: Span = [0, 0];

export interface BandsProps {
  bands: readonly Band[];
  /** How many more ran in that time than are marked. */
  more: number;
  /** What the charts show. */
  span: Span;
  /** The marked one's run. */
  marked: string | null;
  onMark: (run_id: string | null) => void;
}

export function Bands(props: BandsProps): React.JSX.Element | null {
  const { trans } = useEnvironment();
  const { bands, more, span, marked, onMark } = props;
  const [current, setCurrent] = React.useState<string | null>(null);
  const buttons = React.useRef(new Map<string, HTMLButtonElement>());
  const latest = React.useRef(bands);
  latest.current = bands;
  const onMove = React.useCallback((event: React.KeyboardEvent, index: number) => {
    const target = latest.current[targetOf(event.key, index, latest.current.length)];
    if (target) {
      event.preventDefault();
      buttons.current.get(target.run.run_id)?.focus();
    }
  }, []);
  if (bands.length === 0) {
    return null;
  }
  const lanes = 1 + Math.max(...bands.map(band => band.lane));
  const entry = bands.some(({ run }) => run.run_id === current)
    ? current
    : (bands.at(-1)?.run.run_id ?? null);
  return (
    <div
      className="greenllm-Bands"
      role="toolbar"
      aria-label={trans.__('Cells on the time axis')}
      data-lanes={lanes}
    >
      {bands.map(({ run, span: seen, lane }, index) => (
        <BandButton
          key={run.run_id}
          run={run}
          lane={lane}
          {...placeOf(seen, span)}
          isMarked={run.run_id === marked}
          isTabStop={run.run_id === entry}
          index={index}
          buttons={buttons.current}
          onMove={onMove}
          onFocus={setCurrent}
          onMark={onMark}
        />
      ))}
      {more > 0 && (
        <span className="greenllm-Bands-more">
          {trans._n('and %1 shorter one', 'and %1 shorter ones', more)}
        </span>
      )}
    </div>
  );
}

interface BandButtonProps {
  run: RunSpan;
  lane: number;
  /** Where it stands, of the whole width. */
  left: string;
  width: string;
  isMarked: boolean;
  /** Whether the tab key leads here; arrow keys lead to the others. */
  isTabStop: boolean;
  index: number;
  /** All of them, by run. */
  buttons: Map<string, HTMLButtonElement>;
  onMove: (event: React.KeyboardEvent, index: number) => void;
  onFocus: (run_id: string) => void;
  onMark: (run_id: string | null) => void;
}

/** Its words are made once, and it is drawn again only when it has moved by what can be seen. */
const BandButton = React.memo(function BandButton(props: BandButtonProps) {
  const { trans, actions } = useEnvironment();
  const { run, lane, left, width, isMarked, isTabStop, index, buttons, onMove, onFocus, onMark } =
    props;
  const { run_id, cell_id } = run;
  const text = React.useMemo(() => bandText(run, trans), [run, trans]);
  const keep = React.useCallback(
    (node: HTMLButtonElement | null) => {
      if (node) {
        buttons.set(run_id, node);
      } else {
        buttons.delete(run_id);
      }
    },
    [buttons, run_id]
  );
  return (
    <button
      ref={keep}
      className="greenllm-Band"
      data-lane={lane}
      data-running={run.to_s === null}
      data-marked={isMarked}
      tabIndex={isTabStop ? 0 : -1}
      title={text}
      aria-label={text}
      style={{ left, width }}
      onClick={() => actions.goToCell(cell_id)}
      onKeyDown={event => onMove(event, index)}
      onFocus={() => {
        onFocus(run_id);
        onMark(run_id);
      }}
      onBlur={() => onMark(null)}
      onMouseEnter={() => onMark(run_id)}
      onMouseLeave={() => onMark(null)}
    >
      {run.name}
    </button>
  );
});

/** "[5] train(model), 12:30:05 to 12:30:20". */
export function bandText(
  { name, from_s, to_s }: RunSpan,
  trans: ReturnType<typeof useEnvironment>['trans']
): string {
  const from = clock(from_s, WITH_SECONDS);
  return to_s === null
    ? trans.__('%1, running since %2', name, from)
    : trans.__('%1, %2 to %3', name, from, clock(to_s, WITH_SECONDS));
}

/**
 * The runs to be marked in a stretch of time: the longest where there are too many, in lanes where they overlap.
 *
 * @param now_s - Until when a run that has not ended is drawn, s.
 */
export function bandsOf(runs: readonly RunSpan[], [from_s, to_s]: Span, now_s: number): Band[] {
  const seen = runs.map(run => ({
    run,
    span: [
      Math.max(run.from_s, from_s),
      Math.min(run.to_s ?? Math.max(now_s, run.from_s), to_s)
    ] as const
  }));
  const length = ({ span }: { span: Span }) => span[1] - span[0];
  const longest = seen.sort((a, b) => length(b) - length(a)).slice(0, MAX_BANDS);
  const ends: number[] = [];
  return longest
    .sort((a, b) => a.run.from_s - b.run.from_s)
    .map(({ run, span }) => {
      const free = ends.findIndex(end_s => end_s <= run.from_s);
      const lane = Math.min(free >= 0 ? free : ends.length, MAX_LANES - 1);
      ends[lane] = Math.max(ends[lane] ?? -Infinity, run.to_s ?? Infinity);
      return { run, span, lane };
    });
}

function placeOf([from_s, to_s]: Span, [first_s, last_s]: Span): { left: string; width: string } {
  const percent = (time_s: number) => (100 * time_s) / (last_s - first_s);
  return {
    left: `${percent(from_s - first_s).toFixed(2)}%`,
    width: `${percent(to_s - from_s).toFixed(2)}%`
  };
}

function targetOf(key: string, index: number, count: number): number {
  switch (key) {
    case 'ArrowLeft':
      return index - 1;
    case 'ArrowRight':
      return index + 1;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return -1;
  }
}
