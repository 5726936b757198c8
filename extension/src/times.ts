/** Durations and dates, as text. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { clockWithoutSeconds, twoDigits } from './clock';
import { languageOfPage } from './language';
import type { BaselineBasis } from './messages';
import { significant } from './rounding';

/** A duration in the two largest units that matter. */
export function formatDuration(seconds: number, trans: TranslationBundle): string {
  if (seconds < 0.9995) {
    return trans.__('%1 ms', significant(seconds * 1000, 3));
  }
  if (seconds < 59.95) {
    return trans.__('%1 s', seconds.toFixed(seconds < 9.995 ? 2 : 1));
  }
  const whole = Math.round(seconds);
  if (whole < 3600) {
    return trans.__('%1 min %2 s', Math.floor(whole / 60), twoDigits(whole % 60));
  }
  const minutes = Math.round(seconds / 60);
  return trans.__('%1 h %2 min', Math.floor(minutes / 60), twoDigits(minutes % 60));
}

/** A day in local time, "2026-01-31"; empty where it is none. */
export function formatDay(at: Date): string {
  return Number.isNaN(at.getTime())
    ? ''
    : `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())}`;
}

/** Date and time in the reader's manner; the text itself where it is neither. */
export function formatMoment(text: string): string {
  const at = new Date(text);
  return Number.isNaN(at.getTime())
    ? text
    : new Intl.DateTimeFormat(languageOfPage(), { dateStyle: 'medium', timeStyle: 'short' }).format(
        at
      );
}

/**
 * How and when idle power was come by, in local time: "measured 12:34 (10 s)", "learnt 12:30".
 *
 * @param beside - When what stands beside it was: the day is named where it was another one.
 */
export function formatBasis(basis: BaselineBasis, beside: Date, trans: TranslationBundle): string {
  const at = new Date(basis.at);
  const time = clockWithoutSeconds(at.getTime() / 1000);
  const when = at.toDateString() === beside.toDateString() ? time : `${formatDay(at)} ${time}`;
  const isKnown = !Number.isNaN(at.getTime());
  const how = basis.how === 'measured' ? trans.__('measured') : trans.__('learnt');
  const seconds = basis.how === 'measured' && trans.__('(%1 s)', Math.round(basis.duration_s));
  return [how, isKnown && when, seconds].filter(part => part !== false).join(' ');
}
