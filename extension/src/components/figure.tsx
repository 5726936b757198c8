/** A quantity as text: its value, its interval in a quieter voice, its unit. */
import * as React from 'react';
import type { Figure } from '../figure';

export function FigureText(props: { figure: Figure; className?: string }): React.JSX.Element {
  const { figure, className = '' } = props;
  const { value, spread, unit } = figure;
  return (
    <span className={`greenllm-Figure ${className}`} title={figure.detail}>
      <FigureParts value={value} spread={spread} unit={unit} />
    </span>
  );
}

/** Drawn again only when it reads otherwise: what is told of it beside changes more often. */
const FigureParts = React.memo(function FigureParts(props: Omit<Figure, 'detail'>) {
  const { value, spread, unit } = props;
  return (
    <>
      <span className="greenllm-Figure-value">{value}</span>
      {spread !== '' && <span className="greenllm-Figure-spread">{` ${spread}`}</span>}
      {unit !== '' && <span className="greenllm-Figure-unit">{` ${unit}`}</span>}
    </>
  );
});
