/** Energy against quality, of which less is better: those on the front are filled and joined by a line. */
import * as React from 'react';
import type { NumberedModel } from '../comparison';
import type { Interval, Quantity } from '../messages';
import { formatTick } from '../quantities';
import { useEnvironment } from './environment';

const WIDTH = 240;
const HEIGHT = 130;
const EDGES = { left: 42, right: 16, top: 12, bottom: 30 };
/** What is left free around the points, as a part of their span. */
const PADDING = 0.12;

interface FrontPlotProps {
  models: readonly NumberedModel[];
  name: string;
  energyName: string;
  /** Of how many J the unit is in which energies are told. */
  energyUnit_j: number;
  qualityName: string;
}

interface Placed {
  readonly number: number;
  readonly x: number;
  readonly y: number;
  readonly spread: string;
  readonly labelX: number;
  readonly isOnFront: boolean;
  readonly isBaseline: boolean;
}

/** Nothing where there are no two models of which both are known; the table has the figures. */
export function FrontPlot(props: FrontPlotProps): React.JSX.Element | null {
  const { trans } = useEnvironment();
  const { models, name, energyName, energyUnit_j, qualityName } = props;
  const known = models.filter(({ model }) => model.energy_j !== null && model.quality !== null);
  if (known.length < 2) {
    return null;
  }
  const across = axisOver(
    known.map(({ model }) => [model.energy_j, model.interval_j]),
    EDGES.left,
    WIDTH - EDGES.right
  );
  const up = axisOver(
    known.map(({ model }) => [model.quality, model.quality_interval]),
    HEIGHT - EDGES.bottom,
    EDGES.top
  );
  const placed = withLabels(known.map(one => place(one, across, up)));
  const front = placed.filter(({ isOnFront }) => isOnFront).sort((a, b) => a.x - b.x);
  const best = known.filter(({ model }) => model.on_front).map(({ model }) => model.contender);
  const bottom = HEIGHT - EDGES.bottom;
  return (
    <svg
      className="greenllm-Front-plot"
      role="img"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      aria-label={trans.__(
        '%1. On the front: %2. The table has the figures.',
        name,
        best.join(', ')
      )}
    >
      <path
        className="greenllm-Front-axes"
        d={`M${EDGES.left} ${EDGES.top}V${bottom}H${WIDTH - 4}`}
      />
      {across.ends.map(end => (
        <text key={end} x={across.at(end)} y={bottom + 12} textAnchor="middle">
          {formatTick(end / energyUnit_j)}
        </text>
      ))}
      {up.ends.map(end => (
        <text key={end} x={EDGES.left - 4} y={up.at(end) + 4} textAnchor="end">
          {formatTick(end)}
        </text>
      ))}
      <text x={(EDGES.left + WIDTH) / 2} y={HEIGHT - 4} textAnchor="middle">
        {energyName}
      </text>
      <text transform={`rotate(-90 9 ${bottom / 2})`} x={9} y={bottom / 2} textAnchor="middle">
        {qualityName}
      </text>
      <polyline
        className="greenllm-Front-line"
        points={front.map(({ x, y }) => `${x},${y}`).join(' ')}
      />
      {placed.map(({ number, x, y, spread, isOnFront, isBaseline, labelX }) => (
        <g key={number} data-front={isOnFront}>
          <path d={spread} />
          {isBaseline ? (
            <rect x={x - 4} y={y - 4} width={8} height={8} />
          ) : (
            <circle cx={x} cy={y} r={4} />
          )}
          <text className="greenllm-Front-label" x={labelX} y={y - 4}>
            {number}
          </text>
        </g>
      ))}
    </svg>
  );
}

interface Axis {
  readonly at: (figure: number) => number;
  /** The least and the largest best estimate; one where they are the same. */
  readonly ends: readonly number[];
}

function axisOver(
  figures: readonly (readonly [Quantity, Interval])[],
  begin: number,
  end: number
): Axis {
  const values = figures.map(([value]) => value ?? 0);
  const all = [...values, ...figures.flatMap(([, interval]) => interval ?? [])];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const room = (high - low) * PADDING || Math.abs(high) * PADDING || 1;
  const scale = (end - begin) / (high - low + 2 * room);
  const at = (figure: number) => Math.round(10 * (begin + scale * (figure - low + room))) / 10;
  return { at, ends: [...new Set([Math.min(...values), Math.max(...values)])] };
}

/** Numbers of points that lie on one another stand beside one another. */
function withLabels(points: readonly Omit<Placed, 'labelX'>[]): Placed[] {
  return points.map((point, index) => {
    const before = points
      .slice(0, index)
      .filter(({ x, y }) => isNear(x, point.x) && isNear(y, point.y));
    return { ...point, labelX: point.x + 6 + 8 * before.length };
  });
}

function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) < 8;
}

function place({ number, model }: NumberedModel, across: Axis, up: Axis): Omit<Placed, 'labelX'> {
  const x = across.at(model.energy_j ?? 0);
  const y = up.at(model.quality ?? 0);
  const [left, right] = (model.interval_j ?? [model.energy_j ?? 0, model.energy_j ?? 0]).map(
    across.at
  );
  const vertical = model.quality_interval?.map(up.at);
  return {
    number,
    x,
    y,
    spread: `M${left} ${y}H${right}${vertical ? `M${x} ${vertical[0]}V${vertical[1]}` : ''}`,
    isOnFront: model.on_front === true,
    isBaseline: model.outcome === null
  };
}
