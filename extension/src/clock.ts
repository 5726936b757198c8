/** The time of day, in the reader's zone. */

/** A stretch shorter than this is read to the second, s. */
const SHORT_SPAN_S = 180;

/** "12:30:05", of an instant in s since the epoch. */
export function clock(time_s: number): string {
  return digits(time_s, 3);
}

/** "12:30". */
export function clockWithoutSeconds(time_s: number): string {
  return digits(time_s, 2);
}

/** How instants are told along a stretch of this length, s: with seconds where that is only a few minutes. */
export function clockFor(length_s: number): (time_s: number) => string {
  return length_s < SHORT_SPAN_S ? clock : clockWithoutSeconds;
}

/** A part of a time or of a date. */
export function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

function digits(time_s: number, parts: number): string {
  const time = new Date(time_s * 1000);
  return [time.getHours(), time.getMinutes(), time.getSeconds()]
    .slice(0, parts)
    .map(twoDigits)
    .join(':');
}
