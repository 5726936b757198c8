/** Earlier sessions, from the server's ledger: asked for when the list is unfolded. */
import * as React from 'react';
import type { HistorySession, PastSession } from '../messages';
import { formatMoment } from '../times';
import { percentOfMost } from './bar';
import { Cost } from './cost';
import { useEnvironment } from './environment';
import { ExportLinks } from './export';
import { FirstOf } from './first-of';
import { LedgerFailure } from './ledger-failure';
import { useHistory, useSession } from './ledger-hooks';
import { statusWord } from './status';

const SESSIONS_AT_FIRST = 20;
const CELLS_AT_FIRST = 40;

/** @param currentId - The session that is shown above, which is not an earlier one. */
export const EarlierSessions = React.memo(function EarlierSessions(props: {
  currentId: string | null;
}) {
  const { trans, ledger } = useEnvironment();
  const [isOpen, setOpen] = React.useState(false);
  if (!ledger) {
    return null;
  }
  return (
    <section className="greenllm-Earlier" aria-label={trans.__('Earlier sessions')}>
      <details
        onToggle={event => {
          const { open } = event.currentTarget;
          setOpen(open);
          if (open) {
            void ledger.refresh();
          }
        }}
      >
        <summary>
          <h3>{trans.__('Earlier sessions')}</h3>
        </summary>
        {isOpen && <SessionList currentId={props.currentId} />}
      </details>
    </section>
  );
});

function SessionList({ currentId }: { currentId: string | null }): React.JSX.Element {
  const { trans, ledger } = useEnvironment();
  const { state, value, failure } = useHistory();
  const earlier = value?.sessions.filter(({ session_id }) => session_id !== currentId) ?? [];
  return (
    <div className="greenllm-Earlier-list" data-ledger={state} aria-busy={state === 'loading'}>
      <div className="greenllm-Earlier-head">
        <button
          className="greenllm-Button"
          disabled={state === 'loading'}
          onClick={() => void ledger?.refresh()}
        >
          {state === 'loading' ? trans.__('Asking the server…') : trans.__('Refresh')}
        </button>
        <ExportLinks sessionId={null} />
      </div>
      {failure && <LedgerFailure failure={failure} onRetry={() => void ledger?.refresh()} />}
      {value?.problem && <p className="greenllm-Note">{value.problem}</p>}
      {state === 'ready' && earlier.length === 0 && (
        <p className="greenllm-Note" data-ledger="empty">
          <strong>{trans.__('No earlier sessions.')}</strong>{' '}
          {trans.__('Each measured kernel that has ended, or runs elsewhere, is listed here.')}
        </p>
      )}
      <FirstOf
        items={earlier}
        count={SESSIONS_AT_FIRST}
        draw={session => <SessionItem key={session.session_id} session={session} />}
      />
    </div>
  );
}

function SessionItem({ session }: { session: PastSession }): React.JSX.Element {
  const { trans, ledger } = useEnvironment();
  const { session_id, first_at, last_at, host, names } = session;
  const [isOpen, setOpen] = React.useState(false);
  return (
    <li>
      <details
        onToggle={event => {
          const { open } = event.currentTarget;
          setOpen(open);
          if (open) {
            void ledger?.open(session_id);
          }
        }}
      >
        <summary
          title={trans.__(
            'From %1 to %2 on %3',
            formatMoment(first_at),
            formatMoment(last_at),
            host
          )}
        >
          <Cost cost={session}>
            <time dateTime={last_at}>{formatMoment(last_at)}</time>{' '}
            {names.map((name, index) => (
              <React.Fragment key={index}>
                {index > 0 && ', '}
                <bdi>{name}</bdi>
              </React.Fragment>
            ))}
          </Cost>
        </summary>
        {isOpen && <SessionCells id={session_id} />}
      </details>
    </li>
  );
}

function SessionCells({ id }: { id: string }): React.JSX.Element {
  const { trans, ledger } = useEnvironment();
  const { state, value, failure } = useSession(id);
  return (
    <div className="greenllm-Earlier-cells" aria-busy={state === 'loading'}>
      {!value && !failure && <p className="greenllm-Note">{trans.__('Asking the server…')}</p>}
      {failure && <LedgerFailure failure={failure} onRetry={() => void ledger?.open(id)} />}
      {value && <PastCells session={value} />}
      <ExportLinks sessionId={id} />
    </div>
  );
}

function PastCells({ session }: { session: HistorySession }): React.JSX.Element {
  const { trans } = useEnvironment();
  const { cells, problem } = session;
  const most_j = cells.reduce((most, { energy_j }) => Math.max(most, energy_j ?? 0), 0);
  return (
    <>
      {problem && <p className="greenllm-Note">{problem}</p>}
      {cells.length === 0 && (
        <p className="greenllm-Note">{trans.__('None of its cells can be read.')}</p>
      )}
      <FirstOf
        items={cells}
        count={CELLS_AT_FIRST}
        draw={(cell, index) => (
          <li key={index}>
            <Cost cost={cell} percentOfMost={percentOfMost(cell.energy_j, most_j)}>
              <bdi title={cell.name}>{cell.name}</bdi>
              {cell.status !== 'ok' && (
                <span className="greenllm-Note"> {statusWord(cell.status, trans)}</span>
              )}
            </Cost>
          </li>
        )}
      />
    </>
  );
}
