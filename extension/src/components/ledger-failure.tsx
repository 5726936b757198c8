/** Why the server's ledger cannot be shown, by name, and what to do. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ServerFailure } from '../server';
import { useEnvironment } from './environment';

export interface LedgerFailureProps {
  failure: ServerFailure;
  onRetry: () => void;
}

export function LedgerFailure({ failure, onRetry }: LedgerFailureProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const [title, step] = wordsFor(failure, trans);
  return (
    <div className="greenllm-LedgerFailure" data-failure={failure.reason} role="status">
      <strong>{title}</strong> <span>{step}</span>
      {failure.text !== '' && <span className="greenllm-LedgerFailure-text">{failure.text}</span>}
      <button className="greenllm-Button" onClick={onRetry}>
        {trans.__('Try again')}
      </button>
    </div>
  );
}

function wordsFor({ reason }: ServerFailure, trans: TranslationBundle): [string, string] {
  switch (reason) {
    case 'absent':
      return [
        trans.__('Today, all time and earlier sessions: no server part.'),
        trans.__('Install greenllm where Jupyter Server runs, and start the server again.')
      ];
    case 'not allowed':
      return [
        trans.__('The server does not let you read its ledger.'),
        trans.__('Log in again; if that does not help, ask who runs the server.')
      ];
    case 'not found':
      return [
        trans.__('This session is not in the ledger.'),
        trans.__('It may have been removed: refresh the list.')
      ];
    case 'no answer':
      return [
        trans.__('The server does not answer.'),
        trans.__('What the kernel measures goes on; try again when the server is back.')
      ];
    case 'failed':
      return [
        trans.__('The server could not read its ledger.'),
        trans.__('Its log says more. What was measured is not lost.')
      ];
    case 'not understood':
      return [
        trans.__('The server’s answer cannot be read.'),
        trans.__(
          'Its GreenLLM may be of another version than this page: reload the page, or update both.'
        )
      ];
  }
}
