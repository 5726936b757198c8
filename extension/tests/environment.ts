/** What the panel's parts are drawn in, to vary in tests. */
import { vi } from 'vitest';
import type { Environment } from '../src/components/environment';
import { DEFAULT_PREFERENCES, type Preferences } from '../src/preferences';
import { trans } from './trans';

export function environment(preferences: Partial<Preferences> = {}): Environment {
  return {
    trans,
    theme: '',
    ledger: null,
    preferences: { ...DEFAULT_PREFERENCES, ...preferences },
    actions: {
      selectKernel: vi.fn(),
      measure: vi.fn(),
      askAgain: vi.fn(),
      goToCell: vi.fn(),
      copy: vi.fn(),
      openSettings: vi.fn(),
      download: vi.fn()
    }
  };
}
