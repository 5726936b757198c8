/** What every part of the panel needs: words, preferences, and what the user can make happen. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { LedgerModel } from '../ledger';
import type { Preferences } from '../preferences';

export interface Actions {
  selectKernel(): void;
  measure(): void;
  /** Try again to reach the kernel and to have its figures. */
  askAgain(): void;
  /** Scroll to a cell of the notebook and make it active. */
  goToCell(cellId: string): void;
  /** Put text on the clipboard. Only in answer to a click or a key. */
  copy(text: string): void;
  /** Show GreenLLM's settings. */
  openSettings(): void;
  /** Save what the server answers at an address as a file. */
  download(url: string): void;
}

export interface Environment {
  readonly trans: TranslationBundle;
  readonly preferences: Preferences;
  /** Changes with the theme: what is drawn on a canvas has to be drawn again. */
  readonly theme: string;
  readonly actions: Actions;
  /** What the server's ledger tells; null where no server is asked. */
  readonly ledger: LedgerModel | null;
}

const EnvironmentContext = React.createContext<Environment | null>(null);

export const EnvironmentProvider = EnvironmentContext.Provider;

export function useEnvironment(): Environment {
  const environment = React.useContext(EnvironmentContext);
  if (!environment) {
    throw new Error('A part of the GreenLLM panel was drawn outside its environment.');
  }
  return environment;
}
