/** How a run stands or has ended, in a word that is the same everywhere. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CellMessage, EnergyRecord } from '../messages';

/** Empty where it has ended well, which is not worth a word. */
export function statusWord(
  status: CellMessage['status'] | EnergyRecord['status'],
  trans: TranslationBundle
): string {
  switch (status) {
    case 'running':
      return trans.__('running');
    case 'ok':
      return '';
    case 'error':
      return trans.__('error');
    case 'interrupted':
      return trans.__('interrupted');
    case 'partial':
      return trans.__('partial');
  }
}
