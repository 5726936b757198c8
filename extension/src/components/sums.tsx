/** What was measured today and in all, from the server's ledger. */
import * as React from 'react';
import type { LedgerModel } from '../ledger';
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
  const { ledger } = useEnvironment();
  const { id = '', host = '', endedRuns = 0 } = session ?? {};
  const asOf = session ? `${id} ${endedRuns}` : '';
  // At each drawing: a panel that is not seen is not drawn, and the ledger asks no more than it must.
  React.useLayoutEffect(() => ledger?.want(asOf));
  return ledger && <LedgerSums ledger={ledger} id={id} host={host} endedRuns={endedRuns} />;
}

interface LedgerSumsProps {
  ledger: LedgerModel;
  /** Of the session beside; empty where there is none. */
  id: string;
  host: string;
  endedRuns: number;
}

/** Drawn again only when the ledger or the session has something new to add, not with every message. */
const LedgerSums = React.memo(function LedgerSums(props: LedgerSumsProps) {
  const { ledger, host } = props;
  const { trans } = useEnvironment();
  const { value, failure } = useHistory();
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
      {value && isElsewhere(value, props) && (
        <p className="greenllm-Note">
          {trans.__(
            'This session is not among them yet. A kernel on another host (this one: %1) or with another ledger keeps its own: see greenllm report there.',
            host
          )}
        </p>
      )}
    </div>
  );
});

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

function isElsewhere(history: History, { id, endedRuns }: LedgerSumsProps): boolean {
  const isListed = history.sessions.some(({ session_id }) => session_id === id);
  return endedRuns > 0 && history.problem === null && !isListed;
}
