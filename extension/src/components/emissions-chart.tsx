/** The chart of cumulative emissions. */
import * as React from 'react';
import { quantity } from '../columns';
import { figureText } from '../figure';
import type { Quantity } from '../messages';
import { formatEmissions, formatMassTick } from '../quantities';
import { ChartFigure } from './chart-figure';
import { useScene, useVersion, type ChartProps } from './chart-scene';
import { emissionsPicture } from './emissions-picture';
import { useEnvironment } from './environment';

const HEIGHT_PX = 84;
/** What grows steadily needs no more. */
const EVERY_S = 0.5;

export const EmissionsChart = React.memo(function EmissionsChart(props: ChartProps) {
  const { view } = props;
  const { trans } = useEnvironment();
  const scene = useScene(props);
  const { span, table } = scene;
  const picture = emissionsPicture(table, span, view.range === 'session' && view.zoom === null);
  const version = useVersion(props, scene, picture.range[1], EVERY_S);
  const name = trans.__('Cumulative emissions');
  const mass = (value: Quantity) => figureText(formatEmissions(value, null, trans));
  return (
    <ChartFigure
      shared={props}
      scene={scene}
      picture={picture}
      version={version}
      name={name}
      height_px={HEIGHT_PX}
      formatTick={formatMassTick}
      values={table.columns.mass_gco2e}
      format={mass}
      summaryOf={() => trans.__('Now %1', mass(quantity(table.columns.mass_gco2e.at(-1))))}
      columnsOf={({ columns }) => [{ name, values: columns.mass_gco2e }]}
      early_s={1}
    />
  );
});
