/** How the chart draws each channel's line, and the small sample of it that serves as the legend. */
import * as React from 'react';
import type { ChannelDescription, Component } from '../messages';
import { remembered } from '../remembered';

export interface LineStyle {
  /** Name of the theme's variable. */
  readonly color: string;
  readonly dash: readonly number[];
  readonly width: number;
}

export const TOTAL_LINE: LineStyle = { color: '--jp-ui-font-color1', dash: [], width: 1.6 };

const COLORS: Readonly<Record<Component, string>> = {
  platform: '--jp-ui-font-color2',
  gpu: '--jp-brand-color1',
  cpu: '--jp-warn-color1',
  dram: '--jp-success-color1',
  accelerator: '--jp-info-color1'
};
const DASHES: readonly (readonly number[])[] = [
  [],
  [6, 3],
  [2, 2],
  [8, 2, 2, 2],
  [1, 3],
  [12, 3],
  [5, 2, 1, 2, 1, 2],
  [10, 2, 4, 2]
];
const WIDTHS: readonly number[] = [1.2, 2.2];

/** The line of each channel: the colour says which component, dashes and width which one of it. */
export const lineStyles = remembered(
  (channels: readonly ChannelDescription[]): ReadonlyMap<string, LineStyle> => {
    const seen = new Map<Component, number>();
    return new Map(
      channels.map(({ id, component }) => {
        const index = seen.get(component) ?? 0;
        seen.set(component, index + 1);
        const dash = DASHES[index % DASHES.length] ?? [];
        const width = WIDTHS[Math.floor(index / DASHES.length) % WIDTHS.length] ?? 1.2;
        return [id, { color: COLORS[component], dash, width }];
      })
    );
  }
);

export const LineSwatch = React.memo(function LineSwatch(props: { line: LineStyle | undefined }) {
  const { line } = props;
  return (
    <svg className="greenllm-Swatch" viewBox="0 0 20 8" width="20" height="8" aria-hidden="true">
      {line && (
        <path
          d="M0 4h20"
          stroke={`var(${line.color})`}
          strokeWidth={line.width + 1}
          strokeDasharray={line.dash.join(' ')}
        />
      )}
    </svg>
  );
});
