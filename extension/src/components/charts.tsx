/** The live charts: power (in total and of each channel) and, below it, cumulative emissions. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { figureText, formatEmissions, formatMassTick, formatPower } from '../format';
import type { Columns } from '../history';
import type { EnergySession } from '../session';
import { useEnvironment } from './environment';
import { lineStyles, TOTAL_LINE } from './lines';
import { TimeChart, type ChartLine } from './time-chart';

const POWER_HEIGHT_PX = 128;
const EMISSIONS_HEIGHT_PX = 84;
/** A chart never shows less than this, so that the first seconds do not stretch. */
const SHORTEST_SPAN_S = 20;
/** Span of the chart of the recent past, s. */
const RECENT_S = 600;
const EMISSIONS_LINE: ChartLine = {
  color: '--jp-success-color1',
  dash: [],
  width: 1.6,
  filled: true
};

type Range = 'recent' | 'session';

export function Charts({ session }: { session: EnergySession }): React.JSX.Element | null {
  const { trans, theme } = useEnvironment();
  const [range, setRange] = React.useState<Range>('recent');
  const [row, setRow] = React.useState<number | null>(null);
  const syncKey = React.useId();

  const columns = range === 'recent' ? session.history.recent : session.history.session;
  if (columns.length === 0) {
    return null;
  }
  const shared = {
    span: spanOf(columns, range === 'recent' ? RECENT_S : Infinity),
    syncKey,
    theme,
    onHover: setRow
  };
  const { lines, values } = powerLines(session, columns);
  const shown = row !== null && row < columns.length ? row : null;
  const at = shown ?? columns.length - 1;
  const power = formatPower(columns.total_w[at] ?? null);
  const mass = formatEmissions(columns.mass_gco2e[at] ?? null, null, trans);
  return (
    <div className="greenllm-Charts">
      <RangeButtons range={range} onChange={setRange} />
      <ChartTitle name={trans.__('Power')} reading={shown === null ? '' : power} />
      <TimeChart
        {...shared}
        label={powerLabel(columns, trans)}
        height={POWER_HEIGHT_PX}
        columns={[columns.time_s, ...values]}
        lines={lines}
        fromZero={true}
        formatTick={value => formatPower(value)}
      />
      <ChartTitle
        name={trans.__('Cumulative emissions')}
        reading={shown === null ? '' : figureText(mass)}
      />
      <TimeChart
        {...shared}
        label={trans.__('Cumulative emissions of the session, now %1', figureText(mass))}
        height={EMISSIONS_HEIGHT_PX}
        columns={[columns.time_s, columns.mass_gco2e]}
        lines={[EMISSIONS_LINE]}
        fromZero={range === 'session'}
        formatTick={formatMassTick}
      />
    </div>
  );
}

function ChartTitle({ name, reading }: { name: string; reading: string }): React.JSX.Element {
  return (
    <div className="greenllm-Charts-title">
      <span>{name}</span>
      <span className="greenllm-Charts-reading">{reading}</span>
    </div>
  );
}

function RangeButtons(props: {
  range: Range;
  onChange: (range: Range) => void;
}): React.JSX.Element {
  const { trans } = useEnvironment();
  const ranges: [Range, string][] = [
    ['recent', trans.__('%1 min', RECENT_S / 60)],
    ['session', trans.__('Session')]
  ];
  return (
    <div className="greenllm-Ranges" role="group" aria-label={trans.__('Time shown in the charts')}>
      {ranges.map(([range, name]) => (
        <button
          key={range}
          className="greenllm-Ranges-button"
          aria-pressed={props.range === range}
          onClick={() => props.onChange(range)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

/** The total, and each channel where there is more than one. */
function powerLines(
  session: EnergySession,
  columns: Columns
): { lines: ChartLine[]; values: (number | null)[][] } {
  const styles = lineStyles(session.hello?.channels ?? []);
  const channels = [...columns.channels_w].filter(([id]) => styles.has(id));
  const drawn = channels.length > 1 ? channels : [];
  return {
    lines: [{ ...TOTAL_LINE, filled: true }, ...drawn.map(([id]) => styles.get(id) as ChartLine)],
    values: [columns.total_w, ...drawn.map(([, column]) => column)]
  };
}

function spanOf(columns: Columns, longest_s: number): [number, number] {
  const last = columns.time_s.at(-1) ?? 0;
  const first = Math.max(columns.time_s[0] ?? 0, last - longest_s);
  return [first, Math.max(last, first + SHORTEST_SPAN_S)];
}

function powerLabel(columns: Columns, trans: TranslationBundle): string {
  const highest = columns.total_w.reduce<number>((most, power) => Math.max(most, power ?? 0), 0);
  const now = formatPower(columns.total_w.at(-1) ?? null);
  return trans.__('Power over time: last %1, highest %2', now, formatPower(highest));
}
