/** One chart with its title and with what a hand does to it, and behind it the sentence and the table that say the same. */
import * as React from 'react';
import type { Column } from '../columns';
import type { HistoryTable } from '../history';
import type { Quantity } from '../messages';
import { seenOf } from './band-lanes';
import { readingAt } from './chart-readings';
import type { ChartProps, ChartScene } from './chart-scene';
import { ChartSummary, ChartTable, type TableColumn } from './chart-table';
import { actionOf, selected } from './chart-view';
import { useEnvironment } from './environment';
import { TimeChart, type ChartPicture } from './time-chart';

export interface ChartFigureProps {
  shared: ChartProps;
  scene: ChartScene;
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
  const { scene, name } = props;
  const { session, onView, onGrab, onHover, isTable, width, syncKey, keysId } = props.shared;
  const { span, bounds, table, row, bands, marking, tableVersion } = scene;
  const id = React.useId();
  return (
    <figure className="greenllm-ChartFigure" aria-label={name}>
      <ChartTitle
        name={name}
        reading={row === null ? '' : readingAt(table, row, props.values, props.format)}
      />
      {!isTable && width > 0 && (
        <TimeChart
          {...props.picture}
          name={name}
          describedBy={`${id} ${keysId}`}
          width={width}
          height={props.height_px}
          span={span}
          shades={bands.map(band => ({
            span: seenOf(band.run, span, session.history.last_s),
            isMarked: band === marking
          }))}
          formatTick={props.formatTick}
          syncKey={syncKey}
          theme={theme}
          version={props.version}
          onHover={onHover}
          onGrab={() => onGrab(span)}
          onSelect={part => onView({ kind: 'zoom', span: selected(part, bounds) })}
          onReset={() => onView({ kind: 'reset' })}
          onKeyDown={event => {
            const action = actionOf(event.key, span, bounds);
            if (action && !event.ctrlKey && !event.metaKey && !event.altKey) {
              event.preventDefault();
              event.stopPropagation();
              onView(action);
            }
          }}
        />
      )}
      <ChartSummary id={id} span={span} version={tableVersion} textOf={props.summaryOf} />
      <ChartTable
        name={name}
        table={scene.brief}
        span={span}
        columnsOf={props.columnsOf}
        format={props.format}
        isShown={isTable}
        version={tableVersion}
        early_s={props.early_s}
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
