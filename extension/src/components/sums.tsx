/** What was measured today and in all, from the server's ledger. */
import * as React from 'react';
import type { History, HistorySum } from '../messages';
import { Cost } from './cost';
import { useEnvironment } from './environment';
import { LedgerFailure } from './ledger-failure';
import { useHistory } from './ledger-hooks';

export interface SumsProps {
  /** The session whose figures stand beside them; null: none. */
  session: { readonly id: string; readonly host: string; readonly endedRuns: number } | null;
}

export function Sums({ session }: SumsProps): React.JSX.Element | null {
  const { trans, ledger } = useEnvironment();
  const { value, failure } = useHistory();
  const asOf = session ? `${session.id} ${session.endedRuns}` : '';
  // At each drawing: a panel that is not seen is not drawn, and the ledger asks no more than it must.
  React.useEffect(() => ledger?.want(asOf));
  if (!ledger) {
    return null;
  }
  return (
    <div className="greenllm-Sums" role="group" aria-label={trans.__('Today and all time')}>
      {value && (
        <ul className="greenllm-Costs">
          <SumItem name={trans.__('Today')} sum={value.today} />
          <SumItem name={trans.__('All time')} sum={value.all} />
        </ul>
      )}
      {!value && !failure && <p className="greenllm-Note">{trans.__('Asking for today’s sum…')}</p>}
      {failure && <LedgerFailure failure={failure} onRetry={() => void ledger.refresh()} />}
      {value?.problem && <p className="greenllm-Note">{value.problem}</p>}
      {value && session && isElsewhere(value, session) && (
        <p className="greenllm-Note">
          {trans.__(
            'This session is not among them yet. A kernel on another host (this one: %1) or with another ledger keeps its own: see greenllm report there.',
            session.host
          )}
        </p>
      )}
    </div>
  );
}

const SumItem = React.memo(function SumItem({ name, sum }: { name: string; sum: HistorySum }) {
  const { trans } = useEnvironment();
  return (
    <li>
      {sum.runs === 0 ? (
        <span className="greenllm-Cost">
          <span className="greenllm-Cost-name">{name}</span>
          <span className="greenllm-Note">{trans.__('nothing measured')}</span>
        </span>
      ) : (
        <Cost cost={sum}>{name}</Cost>
      )}
    </li>
  );
});

function isElsewhere(history: History, session: NonNullable<SumsProps['session']>): boolean {
  const isListed = history.sessions.some(({ session_id }) => session_id === session.id);
  return session.endedRuns > 0 && history.problem === null && !isListed;
}
