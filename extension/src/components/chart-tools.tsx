/** The buttons above the charts, and the line that says where the picture does not follow the present. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { clock } from '../clock';
import type { ChartView, Range, Span, ViewAction } from './chart-view';
import { useEnvironment } from './environment';

export interface ChartToolsProps {
  view: ChartView;
  /** What is shown now: read at a click, and so no cause to draw the buttons again. */
  shown: React.RefObject<Span>;
  isStacked: boolean;
  isTable: boolean;
  onView: (action: ViewAction) => void;
  onStacked: (isStacked: boolean) => void;
  onTable: (isTable: boolean) => void;
}

const RANGES: readonly Range[] = ['minute', 'ten minutes', 'session'];

/** Drawn again only when something of them has changed, not with every message. */
export const ChartTools = React.memo(function ChartTools(props: ChartToolsProps) {
  const { trans } = useEnvironment();
  const { view, shown, isStacked, isTable, onView } = props;
  const isHeld = view.held !== null;
  return (
    <div className="greenllm-ChartTools">
      <div role="group" aria-label={trans.__('Time shown in the charts')}>
        {RANGES.map(range => (
          <Toggle
            key={range}
            name={rangeName(range, trans)}
            isOn={view.range === range}
            onClick={() => onView({ kind: 'range', range })}
          />
        ))}
      </div>
      <div role="group" aria-label={trans.__('How the charts are drawn')}>
        <button
          className="greenllm-QuietButton"
          title={
            isHeld
              ? trans.__('Follow the present again')
              : trans.__('Let the picture stand still; measuring goes on')
          }
          onClick={() => {
            if (isHeld) {
              onView({ kind: 'follow' });
            } else if (shown.current) {
              onView({ kind: 'hold', span: shown.current });
            }
          }}
        >
          {isHeld ? trans.__('Resume') : trans.__('Pause')}
        </button>
        <Toggle
          name={trans.__('Stacked')}
          title={trans.__('Draw the parts on top of one another, adding up to the total')}
          isOn={isStacked}
          onClick={() => props.onStacked(!isStacked)}
        />
        <Toggle
          name={trans.__('Table')}
          title={trans.__('Show the charts as tables')}
          isOn={isTable}
          onClick={() => props.onTable(!isTable)}
        />
        {view.zoom !== null && (
          <button
            className="greenllm-QuietButton"
            title={trans.__('Show all of it again (Escape)')}
            onClick={() => onView({ kind: 'reset' })}
          >
            {trans.__('Reset zoom')}
          </button>
        )}
      </div>
      <p className="greenllm-ChartTools-state" role="status">
        {stateText(view, trans)}
      </p>
    </div>
  );
});

function Toggle(props: {
  name: string;
  title?: string;
  isOn: boolean;
  onClick: () => void;
}): React.JSX.Element {
  return (
    <button
      className="greenllm-QuietButton"
      aria-pressed={props.isOn}
      title={props.title}
      onClick={props.onClick}
    >
      {props.name}
    </button>
  );
}

function rangeName(range: Range, trans: TranslationBundle): string {
  switch (range) {
    case 'minute':
      return trans.__('1 min');
    case 'ten minutes':
      return trans.__('10 min');
    case 'session':
      return trans.__('Session');
  }
}

function stateText({ held, zoom }: ChartView, trans: TranslationBundle): string {
  const texts = [
    held && trans.__('Paused at %1; measuring goes on.', clock(held[1])),
    zoom && trans.__('Zoomed: %1 to %2.', clock(zoom[0]), clock(zoom[1]))
  ];
  return texts.filter(text => text !== null).join(' ');
}
