import { describe, expect, it } from 'vitest';
import { markdownTable } from '../src/markdown';

function cellOf(text: string): string {
  const line = markdownTable([['Name', 'left']], [[text]]).split('\n')[2] ?? '';
  return line.slice(2, -2);
}

describe('a table in Markdown', () => {
  it('has a line for each row, figures on the right', () => {
    const table = markdownTable(
      [
        ['Name', 'left'],
        ['Energy', 'right']
      ],
      [
        ['a', '1 J'],
        ['b', '2 J']
      ]
    );
    expect(table.split('\n')).toEqual([
      '| Name | Energy |',
      '| --- | --: |',
      '| a | 1 J |',
      '| b | 2 J |',
      ''
    ]);
  });

  it.each([
    ['a|b', 'a\\|b'],
    ['one\ntwo\r\nthree', 'one two three'],
    ['<img src=x onerror=alert(1)>', '\\<img src=x onerror=alert(1)\\>'],
    ['[x](javascript:alert(1))', '\\[x\\](javascript:alert(1))'],
    ['`a` *b* _c_ ~d~ $e$', '\\`a\\` \\*b\\* \\_c\\_ \\~d\\~ \\$e\\$'],
    ['back\\slash', 'back\\\\slash'],
    ['\u202egnp.exe', 'gnp.exe'],
    ['a\u2028b\u0000c', 'a b c']
  ])('keeps %j as text', (text, expected) => {
    expect(cellOf(text)).toBe(expected);
  });
});
