/** The chart of power, in total and of each channel, and below it the cells that ran. */
import * as React from 'react';
import { formatPower } from '../quantities';
import type { Band } from './band-lanes';
import { Bands, bandText } from './bands';
import { ChartFigure } from './chart-figure';
import { powerColumns, powerSummary } from './chart-readings';
import { useStretch, type ChartProps } from './chart-stretch';
import type { Span } from './chart-view';
import { useEnvironment } from './environment';
import { apartPicture, stackedPicture } from './power-picture';
import { Stack } from './stack';

const HEIGHT_PX = 140;

export interface PowerChartProps extends ChartProps {
  isStacked: boolean;
  /** Is told what is shown. */
  shown: React.MutableRefObject<Span | null>;
  onMark: (run_id: string | null) => void;
}

export const PowerChart = React.memo(function PowerChart(props: PowerChartProps) {
  const { session, isStacked, shown, onMark } = props;
  const { trans } = useEnvironment();
  const [stack] = React.useState(() => new Stack());
  const stretch = useStretch(props);
  const { span, table, bands, more, marking } = stretch;
  shown.current = span;
  const channels = session.hello?.channels ?? [];
  const picture = isStacked
    ? stackedPicture(table, span, channels, trans, stack)
    : apartPicture(table, span, channels, trans);
  return (
    <>
      <ChartFigure
        given={props}
        stretch={stretch}
        picture={picture}
        version={`${stretch.versionOf(picture.range[1], 0)} ${isStacked}`}
        name={trans.__('Power')}
        height_px={HEIGHT_PX}
        formatTick={formatPower}
        values={table.columns.total_w}
        format={formatPower}
        summaryOf={() => powerSummary(table, span, trans)}
        columnsOf={({ columns }) => powerColumns(columns, session, trans)}
        early_s={0}
      />
      <Bands
        bands={bands}
        more={more}
        span={span}
        now_s={session.history.last_s}
        marked={marking?.run.run_id ?? null}
        onMark={onMark}
      />
      <BandNote band={marking} />
    </>
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
