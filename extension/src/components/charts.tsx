/** The live charts: power (in total and of each channel), the cells that ran, and cumulative emissions. */
import * as React from 'react';
import { quantity } from '../columns';
import { figureText } from '../figure';
import { formatEmissions, formatMassTick, formatPower } from '../quantities';
import type { EnergySession } from '../session';
import { BandLanes, seenOf, type Band } from './band-lanes';
import { Bands, bandText } from './bands';
import { useAtChange, useGrabbed, usePreferred, useWidth } from './chart-hooks';
import { powerColumns, powerSummary, readingAt, rowNear } from './chart-readings';
import { ChartSummary, ChartTable, TABLE_POINTS } from './chart-table';
import { ChartTools } from './chart-tools';
import { actionOf, changedView, FIRST_VIEW, rangeSpan, selected, type Span } from './chart-view';
import { emissionsPicture } from './emissions-picture';
import { useEnvironment } from './environment';
import { apartPicture, stackedPicture } from './power-picture';
import { Stack } from './stack';
import { AXIS_WIDTH_PX, RIGHT_PX, TimeChart } from './time-chart';

const POWER_HEIGHT_PX = 140;
const EMISSIONS_HEIGHT_PX = 84;
/** What grows steadily needs no more. */
const EMISSIONS_EVERY_S = 0.5;
/** By about this it is seen to move, px. */
const VISIBLE_PX = 0.5;

export interface ChartsProps {
  session: EnergySession;
  /** The session's `pictureRevision` which the chart of power is to show: the session stays the same object. */
  powerRevision: string;
  /** The same for the chart of emissions. */
  emissionsRevision: string;
}

/** Drawn again only when there is something new to draw, not with every message. */
export const Charts = React.memo(function Charts(props: ChartsProps) {
  return props.session.history.isEmpty ? null : <ChartsOfHistory {...props} />;
});

function ChartsOfHistory(props: ChartsProps): React.JSX.Element {
  const { session, powerRevision, emissionsRevision } = props;
  const { trans, theme, preferences } = useEnvironment();
  const [view, onView] = React.useReducer(changedView, FIRST_VIEW);
  const [isStacked, setStacked] = usePreferred(preferences.chart === 'stacked');
  const [isTable, setTable] = React.useState(false);
  const [hover_s, setHover] = React.useState<number | null>(null);
  const [marked, setMarked] = React.useState<string | null>(null);
  const [grabbed, grab] = useGrabbed();
  const [host, width] = useWidth();
  const [stack] = React.useState(() => new Stack());
  const [lanes] = React.useState(() => new BandLanes());
  const shown = React.useRef<Span | null>(null);
  const ids = {
    keys: React.useId(),
    sync: React.useId(),
    power: React.useId(),
    emissions: React.useId()
  };

  const { history } = session;
  const bounds: Span = [history.first_s, view.held?.[1] ?? history.last_s];
  const span = view.zoom ?? view.held ?? grabbed ?? rangeSpan(view.range, bounds);
  shown.current = span;
  const plot_px = Math.max(width - AXIS_WIDTH_PX - RIGHT_PX, 100);
  const table = history.tableFor(...span, plot_px);
  const brief = history.tableFor(...span, TABLE_POINTS);
  const channels = session.hello?.channels ?? [];
  const picture = isStacked
    ? stackedPicture(table, span, channels, trans, stack)
    : apartPicture(table, span, channels, trans);
  const isFromZero = view.range === 'session' && view.zoom === null;
  const emitted = emissionsPicture(table, span, isFromZero);
  const { bands, more } = lanes.choose(session.runs, span, history.last_s);
  const marking = bands.find(({ run }) => run.run_id === marked);
  const row = hover_s === null ? null : rowNear(table, hover_s);
  const isFollowing = view.zoom === null && view.held === null && grabbed === null;
  const powerAt = useAtChange(powerRevision, [history.last_s, picture.range[1]] as const);
  const emissionsAt = useAtChange(emissionsRevision, [history.last_s, emitted.range[1]] as const);
  /** Changes with what is new, and once all has moved by what can be seen, or by that time if it is longer. */
  const versionFor = (
    revision: string,
    [now_s, top]: readonly [number, number],
    least_s: number
  ) => {
    // A power of 2: that of the session grows, and would count other steps each time.
    const seen_s = 2 ** Math.round(Math.log2(((span[1] - span[0]) / plot_px) * VISIBLE_PX));
    const step_s = Math.max(least_s, seen_s);
    const moved = isFollowing ? [view.range, Math.floor(now_s / step_s)] : span;
    const isStill = view.held !== null || grabbed !== null;
    const news = isStill ? 'still' : isFollowing ? history.pastRevision : revision;
    const drawn = [top.toPrecision(2), bands.length, marking?.run.run_id];
    return [...moved, news, width, table.spacing_s, isStacked, ...drawn].join();
  };
  const tableVersion = [view.range, view.held, view.zoom, channels.length].join();
  const shared = {
    width,
    span,
    shades: bands.map(band => ({
      span: seenOf(band.run, span, history.last_s),
      isMarked: band === marking
    })),
    syncKey: ids.sync,
    theme,
    onHover: setHover,
    onGrab: () => grab(span),
    onSelect: (part: Span) => onView({ kind: 'zoom', span: selected(part, bounds) }),
    onReset: () => onView({ kind: 'reset' }),
    onKeyDown: (event: React.KeyboardEvent) => {
      const action = actionOf(event.key, span, bounds);
      if (action && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        event.stopPropagation();
        onView(action);
      }
    }
  };
  const tell = { table: brief, span, isShown: isTable, version: tableVersion };
  const mass = (value: number | null) => figureText(formatEmissions(value, null, trans));
  const power = trans.__('Power');
  const emissions = trans.__('Cumulative emissions');
  return (
    <div className="greenllm-Charts" ref={host}>
      <ChartTools
        view={view}
        shown={shown}
        isStacked={isStacked}
        isTable={isTable}
        onView={onView}
        onStacked={setStacked}
        onTable={setTable}
      />
      <figure className="greenllm-ChartFigure" aria-label={power}>
        <ChartTitle
          name={power}
          reading={row === null ? '' : readingAt(table, row, table.columns.total_w, formatPower)}
        />
        {!isTable && width > 0 && (
          <TimeChart
            {...shared}
            {...picture}
            version={versionFor(powerRevision, powerAt, 0)}
            name={power}
            describedBy={`${ids.power} ${ids.keys}`}
            height={POWER_HEIGHT_PX}
            formatTick={value => formatPower(value)}
          />
        )}
        <ChartSummary
          id={ids.power}
          span={span}
          version={tableVersion}
          textOf={() => powerSummary(table, span, trans)}
        />
        <ChartTable
          {...tell}
          name={power}
          early_s={0}
          columnsOf={({ columns }) => powerColumns(columns, session, trans)}
          format={value => formatPower(value)}
        />
      </figure>
      <Bands
        bands={bands}
        more={more}
        span={span}
        now_s={history.last_s}
        marked={marking?.run.run_id ?? null}
        onMark={setMarked}
      />
      <BandNote band={marking} />
      <figure className="greenllm-ChartFigure" aria-label={emissions}>
        <ChartTitle
          name={emissions}
          reading={row === null ? '' : readingAt(table, row, table.columns.mass_gco2e, mass)}
        />
        {!isTable && width > 0 && (
          <TimeChart
            {...shared}
            {...emitted}
            name={emissions}
            describedBy={`${ids.emissions} ${ids.keys}`}
            version={versionFor(emissionsRevision, emissionsAt, EMISSIONS_EVERY_S)}
            height={EMISSIONS_HEIGHT_PX}
            formatTick={formatMassTick}
          />
        )}
        <ChartSummary
          id={ids.emissions}
          span={span}
          version={tableVersion}
          textOf={() => trans.__('Now %1', mass(quantity(table.columns.mass_gco2e.at(-1))))}
        />
        <ChartTable
          {...tell}
          name={emissions}
          early_s={1}
          columnsOf={({ columns }) => [{ name: emissions, values: columns.mass_gco2e }]}
          format={mass}
        />
      </figure>
      <p id={ids.keys} className="greenllm-Charts-keys">
        {trans.__('Arrow keys move in time, + and − zoom, Escape shows all again.')}
      </p>
    </div>
  );
}

const ChartTitle = React.memo(function ChartTitle(props: { name: string; reading: string }) {
  return (
    <figcaption className="greenllm-Charts-title">
      <span>{props.name}</span>
      <span className="greenllm-Charts-reading">{props.reading}</span>
    </figcaption>
  );
});

const BandNote = React.memo(function BandNote({ band }: { band: Band | undefined }) {
  const { trans } = useEnvironment();
  return (
    <p className="greenllm-Note greenllm-Bands-note" aria-hidden="true">
      {band ? bandText(band.run, trans) : ''}
    </p>
  );
});
