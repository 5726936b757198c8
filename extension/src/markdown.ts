/** Tables in Markdown, whatever stands in their cells. */

/** Characters that could begin anything but text; bidirectional controls reach beyond their cell. */
const MEANS_SOMETHING = /[\\`*_{}[\]<>|~$&#]/g;
const LINES_AND_CONTROLS = /[\p{Cc}\u2028\u2029]+/gu;
const DIRECTION_CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export type Align = 'left' | 'right';

/** A table of text: each cell reads as it is, on one line. */
export function markdownTable(
  names: readonly (readonly [name: string, align: Align])[],
  rows: readonly (readonly string[])[]
): string {
  const line = (cells: readonly string[]) => `| ${cells.map(asText).join(' | ')} |`;
  const rule = `|${names.map(([, align]) => (align === 'right' ? ' --: ' : ' --- ')).join('|')}|`;
  return [line(names.map(([name]) => name)), rule, ...rows.map(line), ''].join('\n');
}

function asText(text: string): string {
  return text
    .replace(LINES_AND_CONTROLS, ' ')
    .replace(DIRECTION_CONTROLS, '')
    .trim()
    .replace(MEANS_SOMETHING, '\\$&');
}
