import * as React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, describe, expect, it } from 'vitest';
import { RecordView } from '../src/components/record';
import { record, trans } from './messages';

let root: Root | null = null;

function render(data: unknown): HTMLElement {
  const host = document.createElement('div');
  const made = (root = createRoot(host));
  act(() => {
    made.render(<RecordView data={data} trans={trans} />);
  });
  return host;
}

afterEach(() => {
  act(() => root?.unmount());
});

describe('the record in a cell output', () => {
  it('shows name, energy with interval, provenance and duration on one line', () => {
    const summary = render(record()).querySelector('summary');
    for (const part of ['train', '1.23 ± 0.05 kJ', 'measured', '12.3 s', '–']) {
      expect(summary?.textContent).toContain(part);
    }
  });

  it('shows each channel, and why one is missing', () => {
    const table = render(record()).querySelector('table');
    expect(table?.textContent).toContain('unavailable');
    expect(table?.textContent).toContain('permission denied');
  });

  it('shows the energy of a unit', () => {
    expect(render(record()).textContent).toContain('2.41 ± 0.11 J per token (512)');
  });

  it('draws hostile text as text', () => {
    const node = render(record({ name: '<script>alert(1)</script>' }));
    expect(node.querySelector('script')).toBeNull();
    expect(node.textContent).toContain('<script>');
  });

  it.each([[null], ['x'], [{}], [{ ...record(), schema: 2 }]])(
    'says so where the data are no record: %j',
    data => {
      expect(render(data).textContent).toContain('not in a form');
    }
  );
});
