/** The ledger's state in components: drawn again when it changes, and only then. */
import * as React from 'react';
import { UNASKED, type LedgerModel, type Loaded } from '../ledger';
import type { History, HistorySession } from '../messages';
import { useEnvironment } from './environment';

export function useHistory(): Loaded<History> {
  return useLedger(ledger => ledger.history);
}

export function useSession(id: string): Loaded<HistorySession> {
  return useLedger(ledger => ledger.session(id));
}

function useLedger<T>(read: (ledger: LedgerModel) => Loaded<T>): Loaded<T> {
  const { ledger } = useEnvironment();
  const subscribe = React.useCallback(
    (onChange: () => void) => {
      ledger?.changed.connect(onChange);
      return () => {
        ledger?.changed.disconnect(onChange);
      };
    },
    [ledger]
  );
  return React.useSyncExternalStore(subscribe, () => (ledger ? read(ledger) : UNASKED));
}
