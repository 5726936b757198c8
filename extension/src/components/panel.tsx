/** The whole panel for one notebook: a named state, or the figures. */
import * as React from 'react';
import type { HostPower } from '../messages';
import type { EnergySession } from '../session';
import { isAllEstimated, panelState, powerState, type KernelFacts } from '../state';
import type { MeasureFailure } from '../load-extension';
import { Announcement } from './announcement';
import { CellTable } from './cells';
import { ChannelList } from './channels';
import { Charts } from './charts';
import { Comparisons } from './comparisons';
import { EarlierSessions } from './earlier';
import { EnvironmentProvider, useEnvironment, type Environment } from './environment';
import { HostPowerNow } from './host-power';
import { Intensity } from './intensity';
import { EstimatesNotice, MeasuringOffNotice, Meters, Warnings } from './notices';
import { PowerNow } from './power';
import { Stages } from './stages';
import { StateNote } from './states';
import { Sums } from './sums';
import { Totals } from './totals';
import { useTurns } from './turns';

export interface PanelView {
  readonly environment: Environment;
  readonly notebookName: string;
  /** null: no notebook. */
  readonly facts: KernelFacts | null;
  readonly failure: MeasureFailure | null;
  readonly isLoading: boolean;
  /** Ids of the notebook's cells, in its order. */
  readonly cellOrder: readonly string[];
  /** What the server's host draws, where no kernel is measured; null where that is not known. */
  readonly hostPower: HostPower | null;
  /** Has the panel drawn once more, if it is seen. */
  readonly drawAgain: () => void;
}

export function Panel({ view }: { view: PanelView }): React.JSX.Element {
  const { environment, facts, notebookName } = view;
  const state = panelState(facts);
  const session = facts?.session ?? null;
  return (
    <EnvironmentProvider value={environment}>
      <div className="greenllm-Panel-content" data-state={state}>
        {notebookName !== '' && (
          <h2 className="greenllm-Panel-notebook" title={notebookName}>
            {notebookName}
          </h2>
        )}
        {state !== 'measured' && (
          <StateNote state={state} failure={view.failure} isLoading={view.isLoading} />
        )}
        {view.hostPower && <HostPowerNow host={view.hostPower} />}
        {session ? (
          <SessionFigures
            key={session.id}
            session={session}
            cellOrder={view.cellOrder}
            drawAgain={view.drawAgain}
          />
        ) : (
          <Ledger />
        )}
      </div>
    </EnvironmentProvider>
  );
}

/** What has been measured before, where nothing is being measured. */
function Ledger(): React.JSX.Element | null {
  const { trans, ledger } = useEnvironment();
  return (
    ledger && (
      <>
        <section aria-label={trans.__('Measured so far')}>
          <h3>{trans.__('Measured so far')}</h3>
          <Sums session={null} />
        </section>
        <Comparisons />
        <EarlierSessions currentId={null} />
      </>
    )
  );
}

/** What is drawn with one message, what with the next, and so on: at four messages a second, each once a second. */
const TURNS = [['powerChart'], ['power'], ['cells'], ['emissionsChart']] as const;
/** Who has the panel drawn no more often than this has all of it drawn each time, ms. */
const TOGETHER_MS = 500;

interface SessionFiguresProps {
  session: EnergySession;
  cellOrder: readonly string[];
  drawAgain: () => void;
}

function SessionFigures(props: SessionFiguresProps): React.JSX.Element {
  const { trans, preferences } = useEnvironment();
  const { session, cellOrder } = props;
  const { hello, cells, totals, power } = session;
  const allEstimated = isAllEstimated(session);
  const state = powerState(session);
  const hasChannels = hello !== null && hello.channels.length > 0;
  const drawn = useTurns(
    {
      powerChart: session.pictureRevision,
      emissionsChart: session.pictureRevision,
      power: state === 'live' ? power : null,
      cells: session.cellsRevision
    },
    TURNS,
    preferences.refreshMs >= TOGETHER_MS,
    props.drawAgain
  );
  return (
    <>
      {hello && allEstimated && <EstimatesNotice hello={hello} />}
      {hello && !hello.measuring && <MeasuringOffNotice />}
      {hello && <Warnings warnings={hello.warnings} />}
      {(power !== null || totals !== null) && (
        <section aria-label={trans.__('Now and in this session')}>
          <PowerNow session={session} state={state} />
          <Announcement session={session} state={state} />
          {totals && <Totals totals={totals} hello={hello} />}
          <Sums
            session={{
              id: session.id,
              host: hello?.host ?? '',
              endedRuns: (totals?.runs ?? 0) - (session.isRunning ? 1 : 0)
            }}
          />
        </section>
      )}
      {(hasChannels || power !== null) && (
        <section aria-label={trans.__('Power and emissions over time')}>
          <Charts
            session={session}
            powerRevision={drawn.powerChart}
            emissionsRevision={drawn.emissionsChart}
            isLive={state === 'live'}
          />
          {hello && <ChannelList channels={hello.channels} power={drawn.power} />}
        </section>
      )}
      {cells.size > 0 && (
        <CellTable sessionId={session.id} cells={cells} revision={drawn.cells} order={cellOrder} />
      )}
      {totals?.stages && <Stages stages={totals.stages} />}
      <Comparisons own={session.comparisons} />
      {hello && <Intensity hello={hello} />}
      <EarlierSessions currentId={session.id} />
      {hello && <Meters hello={hello} isListed={!allEstimated} />}
    </>
  );
}
