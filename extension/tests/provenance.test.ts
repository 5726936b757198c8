import { describe, expect, it } from 'vitest';
import { counted, provenanceOfTotal } from '../src/provenance';
import { channel } from './messages';

describe('a total', () => {
  const gpu = channel({ id: 'gpu', provenance: 'measured' });
  const cpu = channel({ id: 'cpu', provenance: 'estimated' });
  const core = channel({ id: 'core', provenance: 'estimated', inside: 'gpu' });
  const lost = channel({ id: 'lost', provenance: 'estimated', fault: 'the device is lost' });

  it('is made of the channels that are read, each once', () => {
    expect(counted([gpu, core, lost, cpu])).toEqual([gpu, cpu]);
  });

  it('is known as well as the weakest of these', () => {
    expect(provenanceOfTotal([gpu, core, lost])).toBe('measured');
    expect(provenanceOfTotal([gpu, cpu])).toBe('estimated');
    expect(provenanceOfTotal([lost])).toBe('unavailable');
  });
});
