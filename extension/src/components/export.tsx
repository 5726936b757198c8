/** Downloads of what the ledger holds: of one session, or of everything. */
import * as React from 'react';
import type { ExportFormat } from '../server';
import { useEnvironment } from './environment';
import { useHistory } from './ledger-hooks';

const FORMATS: readonly (readonly [ExportFormat, string])[] = [
  ['csv', 'CSV'],
  ['json', 'JSON'],
  ['parquet', 'Parquet']
];

/** @param sessionId - null: of everything. */
export const ExportLinks = React.memo(function ExportLinks(props: { sessionId: string | null }) {
  const { sessionId } = props;
  const { trans, ledger, actions } = useEnvironment();
  const { failure } = useHistory();
  const [said, say] = React.useState('');
  if (!ledger || failure?.reason === 'absent' || failure?.reason === 'not allowed') {
    return null;
  }
  const save = async (format: ExportFormat, name: string) => {
    say(trans.__('Asking the server for %1…', name));
    const problem = await ledger.exportProblem(format, sessionId);
    if (problem) {
      say(trans.__('No %1: %2', name, problem.text || trans.__('the server does not answer')));
    } else {
      say('');
      actions.download(ledger.exportUrl(format, sessionId));
    }
  };
  const label = sessionId === null ? trans.__('Download everything') : trans.__('Download');
  return (
    <span className="greenllm-Export" role="group" aria-label={label}>
      <span>{label}</span>
      {FORMATS.map(([format, name]) => (
        <button
          key={format}
          className="greenllm-Button"
          title={
            sessionId === null
              ? trans.__('All runs in the ledger, as %1', name)
              : trans.__('The runs of this session, as %1', name)
          }
          onClick={() => void save(format, name)}
        >
          {name}
        </button>
      ))}
      <span role="status" className="greenllm-Said">
        {said}
      </span>
    </span>
  );
});
