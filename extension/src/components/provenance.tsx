/** The chip that says where a figure comes from: by its words and its shape, never by colour alone. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ByProvenance, Provenance } from '../messages';
import { betterShares } from '../provenance';

export interface ProvenanceChipProps {
  provenance: Provenance;
  trans: TranslationBundle;
  /** Of a sum: how much of it comes from where. */
  parts?: ByProvenance;
}

export const ProvenanceChip = React.memo(function ProvenanceChip(props: ProvenanceChipProps) {
  const { provenance, trans, parts } = props;
  const shares = parts ? betterShares(parts, provenance) : [];
  return (
    <span
      className="greenllm-Provenance"
      data-provenance={provenance}
      title={provenanceMeaning(provenance, trans)}
    >
      <ProvenanceShape provenance={provenance} />
      {provenanceName(provenance, trans)}
      {shares.length > 0 && (
        <span className="greenllm-Provenance-shares">
          ({shares.map(([name, share]) => shareText(name, share, trans)).join(', ')})
        </span>
      )}
    </span>
  );
});

export function provenanceName(provenance: Provenance, trans: TranslationBundle): string {
  switch (provenance) {
    case 'measured':
      return trans.__('measured');
    case 'derived':
      return trans.__('derived');
    case 'estimated':
      return trans.__('estimated');
    case 'unavailable':
      return trans.__('unavailable');
  }
}

function shareText(provenance: Provenance, share: number, trans: TranslationBundle): string {
  const percent = share > 0.99 ? '> 99' : share < 0.01 ? '< 1' : String(Math.round(share * 100));
  return trans.__('%1 % %2', percent, provenanceName(provenance, trans));
}

/** In a sentence. */
export function provenanceMeaning(provenance: Provenance, trans: TranslationBundle): string {
  switch (provenance) {
    case 'measured':
      return trans.__('Measured: read from an energy counter');
    case 'derived':
      return trans.__('Derived: integrated from power readings');
    case 'estimated':
      return trans.__('Estimated: from a model, not from a sensor');
    case 'unavailable':
      return trans.__('Unavailable: nothing is known (which is not zero)');
  }
}

/** Full circle, half circle, dashed ring, crossed ring. */
function ProvenanceShape({ provenance }: { provenance: Provenance }): React.JSX.Element {
  return (
    <svg viewBox="0 0 10 10" width="9" height="9" aria-hidden="true" focusable="false">
      <circle
        cx="5"
        cy="5"
        r="4"
        fill={provenance === 'measured' ? 'currentColor' : 'none'}
        stroke="currentColor"
        strokeWidth="1.4"
        strokeDasharray={provenance === 'estimated' ? '2.1 2.1' : undefined}
      />
      {provenance === 'derived' && <path d="M5 1a4 4 0 0 1 0 8z" fill="currentColor" />}
      {provenance === 'unavailable' && (
        <path d="M2.2 7.8 7.8 2.2" stroke="currentColor" strokeWidth="1.4" />
      )}
    </svg>
  );
}
