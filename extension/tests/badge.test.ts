import { describe, expect, it } from 'vitest';
import { makeBadge, writeBadge, type BadgeSubject } from '../src/badge';
import type { EnergyUnit } from '../src/units';
import { beside, cell, knownRecord } from './messages';
import { trans } from './trans';

function badgeOf(subject: BadgeSubject, unit: EnergyUnit = 'joule'): HTMLElement {
  const node = makeBadge();
  writeBadge(node, subject, trans, unit);
  return node;
}

describe('a badge', () => {
  it('shows the energy with its interval, and its provenance by more than colour', () => {
    const badge = badgeOf(cell({ status: 'ok', settled: true }));
    expect(badge.textContent).toBe('700 ± 40 J');
    expect(badge.dataset.provenance).toBe('measured');
    expect(badge.title).toContain('Measured: read from an energy counter');
    expect(badge.getAttribute('aria-label')).toContain('700 J; 95 % interval 660 to 740 J');
  });

  it('tells net, emissions and runs in its tooltip', () => {
    const known = { energy_j: 1200, interval_j: [1150, 1250] as [number, number] };
    const at_ms = new Date('2026-01-31T12:40:00').getTime();
    const subject = cell({
      ...known,
      ...beside('2026-01-31T12:34:00'),
      at_ms,
      runs: 2,
      status: 'ok'
    });
    const lines = badgeOf(subject).title.split('\n');
    expect(lines).toContain('net of idle: 900 J; 95 % interval 860 to 940 J');
    expect(lines).toContain('this kernel: 850 J (71 %)');
    expect(lines).toContain('2 runs, 2.00 s in all');
    expect(lines.some(line => line.startsWith('last run: '))).toBe(true);
    expect(lines.some(line => line.startsWith('emissions: '))).toBe(true);
  });

  it('says of what is not known that it is not', () => {
    const unknown = { energy_j: null, interval_j: null, mass_gco2e: null, interval_gco2e: null };
    const badge = badgeOf(cell({ ...unknown, provenance: 'unavailable' }));
    expect(badge.textContent).toBe('–');
    expect(badge.title).not.toMatch(/\b0 (J|W|g)\b/);
    expect(badge.title).toContain('Unavailable');
  });

  it('says that a cell runs', () => {
    expect(badgeOf(cell()).dataset.running).toBe('true');
    expect(badgeOf(cell({ status: 'ok' })).dataset.running).toBe('false');
  });

  it('shows the record of an earlier session as one', () => {
    const badge = badgeOf(knownRecord('2026-01-31T12:34:00'));
    expect(badge.textContent).toBe('1.20 ± 0.05 kJ');
    expect(badge.dataset.earlier).toBe('true');
    expect(badge.title).toContain('Of an earlier session: 2026-01-31');
    expect(badge.title).toContain('net of idle');
  });

  it('has the unit that the user wants, and text as text', () => {
    expect(badgeOf(cell(), 'watt-hour').textContent).toContain('Wh');
    const badge = badgeOf(cell({ name: '<img src=x onerror="alert(1)">' }));
    expect(badge.children).toHaveLength(0);
  });
});
