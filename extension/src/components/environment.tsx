/** What every part of the panel needs: words, preferences, and what the user can make happen. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { EnergyUnit } from '../format';

export interface Actions {
  selectKernel(): void;
  measure(): void;
  /** Scroll to a cell of the notebook and make it active. */
  goToCell(cellId: string): void;
}

export interface Environment {
  readonly trans: TranslationBundle;
  readonly unit: EnergyUnit;
  /** Span of the chart of the recent past, s. */
  readonly recent_s: number;
  /** Changes with the theme: what is drawn on a canvas has to be drawn again. */
  readonly theme: string;
  readonly actions: Actions;
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
