/** A long list, of which the first are shown until more are asked for. */
import * as React from 'react';
import { useEnvironment } from './environment';

export function FirstOf<T>(props: {
  items: readonly T[];
  count: number;
  draw: (item: T, index: number) => React.ReactNode;
}): React.JSX.Element {
  const { items, count, draw } = props;
  const { trans } = useEnvironment();
  const [shown, setShown] = React.useState(count);
  const rest = items.length - shown;
  return (
    <>
      <ul className="greenllm-Costs">{items.slice(0, shown).map(draw)}</ul>
      {rest > 0 && (
        <button className="greenllm-Button" onClick={() => setShown(shown + 5 * count)}>
          {trans.__('Show more (%1 left)', rest)}
        </button>
      )}
    </>
  );
}
