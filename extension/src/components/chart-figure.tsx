/** One chart with its title, and behind it the sentence and the table that say the same. */
import * as React from 'react';
import type { Column } from '../columns';
import type { HistoryTable } from '../history';
import type { Quantity } from '../messages';
import { readingAt } from './chart-readings';
import type { ChartProps, Stretch } from './chart-stretch';
import { ChartSummary, ChartTable, type TableColumn } from './chart-table';
import { useEnvironment } from './environment';
import { TimeChart, type ChartPicture } from './time-chart';

export interface ChartFigureProps {
  /** What the chart is given by those around it. */
  given: ChartProps;
  stretch: Stretch;
  picture: ChartPicture;
  /** Changes when the picture is to be drawn anew. */
  version: string;
  name: string;
  height_px: number;
  formatTick: (value: number) => string;
  /** What is told of the instant under the pointer. */
  values: Column;
  /** A value on its own, as in the table. */
  format: (value: Quantity) => string;
  summaryOf: () => string;
  columnsOf: (table: HistoryTable) => readonly TableColumn[];
  /** By how much its table changes earlier than others, s. */
  early_s: number;
}

export function ChartFigure(props: ChartFigureProps): React.JSX.Element {
  const { theme } = useEnvironment();
  const { given, stretch, name } = props;
  const { span, table, row, tableVersion } = stretch;
  const id = React.useId();
  return (
    <figure className="greenllm-ChartFigure" aria-label={name}>
      <ChartTitle
        name={name}
        reading={row === null ? '' : readingAt(table, row, props.values, props.format)}
      />
      {!given.isTable && given.width > 0 && (
        <TimeChart
          {...stretch.chart}
          {...props.picture}
          version={props.version}
          name={name}
          describedBy={`${id} ${given.keysId}`}
          height={props.height_px}
          formatTick={props.formatTick}
          theme={theme}
        />
      )}
      <ChartSummary id={id} span={span} version={tableVersion} textOf={props.summaryOf} />
      <ChartTable
        table={stretch.brief}
        span={span}
        isShown={given.isTable}
        version={tableVersion}
        name={name}
        early_s={props.early_s}
        columnsOf={props.columnsOf}
        format={props.format}
      />
    </figure>
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
