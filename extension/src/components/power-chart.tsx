/** The chart of power, in total and of each channel, and below it the cells that ran. */
import * as React from 'react';
import { formatPower } from '../quantities';
import type { Band } from './band-lanes';
import { Bands, bandText } from './bands';
import { ChartFigure } from './chart-figure';
import { powerColumns, powerSummary } from './chart-readings';
import { useScene, useVersion, type ChartProps } from './chart-scene';
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
  const scene = useScene(props);
  const { span, table, bands, more, marking } = scene;
  shown.current = span;
  const channels = session.hello?.channels ?? [];
  const picture = isStacked
    ? stackedPicture(table, span, channels, trans, stack)
    : apartPicture(table, span, channels, trans);
  const version = useVersion(props, scene, picture.range[1], 0);
  return (
    <>
      <ChartFigure
        shared={props}
        scene={scene}
        picture={picture}
        version={`${version} ${isStacked}`}
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
