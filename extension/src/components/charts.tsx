/** The live charts, of power and of cumulative emissions: which stretch of time they show, and in which form. */
import * as React from 'react';
import type { EnergySession } from '../session';
import { useGrabbed, usePreferred, useWidth } from './chart-hooks';
import { ChartTools } from './chart-tools';
import { changedView, FIRST_VIEW, type Span } from './chart-view';
import { EmissionsChart } from './emissions-chart';
import { useEnvironment } from './environment';
import { PowerChart } from './power-chart';

export interface ChartsProps {
  session: EnergySession;
  /** The session's `pictureRevision` which the chart of power is to show: the session stays the same object. */
  powerRevision: string;
  /** The same for the chart of emissions. */
  emissionsRevision: string;
  /** Whether power is the present one. */
  isLive: boolean;
}

/** Drawn again only when there is something new to draw, not with every message. */
export const Charts = React.memo(function Charts(props: ChartsProps) {
  return props.session.history.isEmpty ? null : <ChartsOfHistory {...props} />;
});

function ChartsOfHistory(props: ChartsProps): React.JSX.Element {
  const { session, powerRevision, emissionsRevision, isLive } = props;
  const { trans, preferences } = useEnvironment();
  const [view, onView] = React.useReducer(changedView, FIRST_VIEW);
  const [isStacked, setStacked] = usePreferred(preferences.chart === 'stacked');
  const [isTable, setTable] = React.useState(false);
  const [hover_s, setHover] = React.useState<number | null>(null);
  const [marked, setMarked] = React.useState<string | null>(null);
  const [grabbed, grab] = useGrabbed();
  const [host, width] = useWidth();
  const shown = React.useRef<Span | null>(null);
  const keysId = React.useId();
  const syncKey = React.useId();
  const shared = {
    session,
    isLive,
    view,
    onView,
    grabbed,
    onGrab: grab,
    hover_s,
    onHover: setHover,
    marked,
    isTable,
    width,
    syncKey,
    keysId
  };
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
      <PowerChart
        {...shared}
        revision={powerRevision}
        isStacked={isStacked}
        shown={shown}
        onMark={setMarked}
      />
      <EmissionsChart {...shared} revision={emissionsRevision} />
      <p id={keysId} className="greenllm-Charts-keys">
        {trans.__('Arrow keys move in time, + and − zoom, Escape shows all again.')}
      </p>
    </div>
  );
}
