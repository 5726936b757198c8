/** The cells that ran, as marks below the time axis: where, how long, and a way to each. */
import * as React from 'react';
import { clock } from '../clock';
import type { RunSpan } from '../runs';
import { indexAfter } from './arrow-keys';
import { seenOf, type Band } from './band-lanes';
import type { Span } from './chart-view';
import { useEnvironment } from './environment';

/** How far the strip moves before its origin is taken anew, s. */
const ORIGIN_EVERY_S = 600;
const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/** In how many steps it moves from one end to the other. */
const STEPS_OF_A_STRETCH = 60;

export interface BandsProps {
  bands: readonly Band[];
  /** How many more ran in that time than are marked. */
  more: number;
  /** What the charts show. */
  span: Span;
  /** Until when a run that has not ended is drawn, s. */
  now_s: number;
  /** The marked one's run. */
  marked: string | null;
  onMark: (run_id: string | null) => void;
}

/** Drawn again only when it has moved by what makes a difference here, or something else of it has changed. */
export const Bands = React.memo(BandStrip, (last, next) => {
  const isSame = (name: keyof BandsProps) => last[name] === next[name];
  return (
    isSame('bands') &&
    isSame('more') &&
    isSame('marked') &&
    isSame('onMark') &&
    stepOf(last) === stepOf(next)
  );
});

function BandStrip(props: BandsProps): React.JSX.Element | null {
  const { trans } = useEnvironment();
  const { bands, more, span, now_s, marked, onMark } = props;
  const [current, setCurrent] = React.useState<string | null>(null);
  const buttons = React.useRef(new Map<string, HTMLButtonElement>());
  const latest = React.useRef(bands);
  latest.current = bands;
  const onMove = React.useCallback((event: React.KeyboardEvent, index: number) => {
    const bandsNow = latest.current;
    const target = indexAfter(event.key, index, bandsNow.length, STEPS);
    if (target !== null) {
      event.preventDefault();
      buttons.current.get(bandsNow[target]?.run.run_id ?? '')?.focus();
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
      <div
        className="greenllm-Bands-strip"
        style={{ transform: `translateX(${percent(originOf(span) - span[0], span)}%)` }}
      >
        {bands.map(({ run, lane }, index) => (
          <BandButton
            key={run.run_id}
            run={run}
            lane={lane}
            {...placeOf(seenOf(run, span, now_s), span)}
            isMarked={run.run_id === marked}
            isTabStop={run.run_id === entry}
            index={index}
            buttons={buttons.current}
            onMove={onMove}
            onFocus={setCurrent}
            onMark={onMark}
          />
        ))}
      </div>
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

/** Its words are made once, and it is drawn again only when it has changed: the strip moves all of them. */
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
      data-run={run_id}
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
      onMouseLeave={event => {
        // One that has the focus stays marked while others pass below the pointer.
        const focused = document.activeElement;
        const others = event.currentTarget.parentElement;
        onMark(others?.contains(focused) ? ((focused as HTMLElement).dataset.run ?? null) : null);
      }}
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
  const from = clock(from_s);
  return to_s === null
    ? trans.__('%1, running since %2', name, from)
    : trans.__('%1, %2 to %3', name, from, clock(to_s));
}

/** Which stretch is shown and until when runs have gone on in it, as exactly as the strip shows them. */
function stepOf({ span: [from_s, to_s], now_s }: BandsProps): string {
  const length_s = to_s - from_s;
  const steps = [to_s, Math.min(now_s, to_s)].map(time_s =>
    Math.floor((time_s * STEPS_OF_A_STRETCH) / length_s)
  );
  return [length_s.toFixed(3), ...steps].join();
}

/** In percent of the stretch shown, on the strip. A tenth of it is less than a pixel. */
function placeOf([from_s, to_s]: Span, span: Span): { left: string; width: string } {
  return {
    left: `${percent(from_s - originOf(span), span).toFixed(1)}%`,
    width: `${percent(to_s - from_s, span).toFixed(1)}%`
  };
}

/** What the places on the strip count from: it stands still while the stretch that is shown moves on. */
function originOf([from_s]: Span): number {
  return Math.floor(from_s / ORIGIN_EVERY_S) * ORIGIN_EVERY_S;
}

function percent(duration_s: number, [from_s, to_s]: Span): number {
  return (100 * duration_s) / (to_s - from_s);
}
