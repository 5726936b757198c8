/**
 * What else the user should know: estimates only, measuring off, warnings, meters that cannot work. Drawn
 * again only when the kernel says something new of them.
 */
import * as React from 'react';
import type { HelloMessage } from '../messages';
import { useEnvironment } from './environment';

/** Code is the same in every language. */
const ENERGY_ON = '%energy on';

/** A banner where every figure is a model's. It blocks nothing. */
export const EstimatesNotice = React.memo(function EstimatesNotice(props: { hello: HelloMessage }) {
  const { trans } = useEnvironment();
  const { hello } = props;
  return (
    <aside className="greenllm-Notice" data-notice="estimates">
      <strong>{trans.__('No sensor: estimates')}</strong>
      <p>
        {trans.__(
          'No sensor can be read on this machine, so every figure comes from a model, with a wide interval.'
        )}
      </p>
      {hello.unusable.length > 0 && (
        <details>
          <summary>{trans.__('What would help')}</summary>
          <UnusableMeters hello={hello} />
        </details>
      )}
    </aside>
  );
});

export function MeasuringOffNotice(): React.JSX.Element {
  const { trans } = useEnvironment();
  return (
    <aside className="greenllm-Notice" data-notice="off">
      {trans.__('Only cells that begin with %%%%energy are measured. To measure every cell, run')}{' '}
      <code>{ENERGY_ON}</code>
    </aside>
  );
}

export const Warnings = React.memo(function Warnings(props: { warnings: readonly string[] }) {
  const { trans } = useEnvironment();
  const { warnings } = props;
  if (warnings.length === 0) {
    return null;
  }
  return (
    <aside className="greenllm-Notice" data-notice="warnings" aria-label={trans.__('Warnings')}>
      <ul>
        {warnings.map((warning, index) => (
          <li key={index}>{warning}</li>
        ))}
      </ul>
    </aside>
  );
});

/** The foot of the panel: meters that cannot work here, and the versions at work. */
export const Meters = React.memo(function Meters(props: {
  hello: HelloMessage;
  isListed: boolean;
}) {
  const { trans } = useEnvironment();
  const { hello, isListed } = props;
  return (
    <div className="greenllm-Meters">
      {isListed && hello.unusable.length > 0 && (
        <details>
          <summary>
            {trans._n(
              '%1 sensor cannot be used',
              '%1 sensors cannot be used',
              hello.unusable.length
            )}
          </summary>
          <UnusableMeters hello={hello} />
        </details>
      )}
      <p className="greenllm-Note">{trans.__('GreenLLM %1 on %2', hello.version, hello.host)}</p>
    </div>
  );
});

function UnusableMeters({ hello }: { hello: HelloMessage }): React.JSX.Element {
  return (
    <dl className="greenllm-Unusable">
      {hello.unusable.map(({ meter, reason, remedy }, index) => (
        <React.Fragment key={index}>
          <dt>{meter}</dt>
          <dd>
            {reason}
            {remedy !== '' && <span className="greenllm-Unusable-remedy">{remedy}</span>}
          </dd>
        </React.Fragment>
      ))}
    </dl>
  );
}
