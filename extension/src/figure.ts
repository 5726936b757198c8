/** A quantity in the pieces in which it is drawn: value, spread, unit. */
import type { TranslationBundle } from '@jupyterlab/translation';

export interface Figure {
  /** "12.3", "< 4.0", or "–" where nothing is known. */
  readonly value: string;
  /** "± 0.4" or "[0.12, 0.31]"; empty where there is nothing to say. */
  readonly spread: string;
  readonly unit: string;
  /** The same in a sentence, with the whole interval, for tooltips and screen readers. */
  readonly detail: string;
}

/** What stands for a value that is not known. */
export const NOT_KNOWN = '–';

/** A figure on one line. */
export function figureText({ value, spread, unit }: Figure): string {
  return [value, spread, unit].filter(part => part !== '').join(' ');
}

export function notKnown(trans: TranslationBundle): Figure {
  return { value: NOT_KNOWN, spread: '', unit: '', detail: trans.__('unavailable') };
}
