/** A quantity as text: its value, its interval in a quieter voice, its unit. */
import * as React from 'react';
import type { Figure } from '../figure';

export function FigureText(props: { figure: Figure; className?: string }): React.JSX.Element {
  const { figure, className = '' } = props;
  return (
    <span className={`greenllm-Figure ${className}`} title={figure.detail}>
      <span className="greenllm-Figure-value">{figure.value}</span>
      {figure.spread !== '' && <span className="greenllm-Figure-spread"> {figure.spread}</span>}
      {figure.unit !== '' && <span className="greenllm-Figure-unit"> {figure.unit}</span>}
    </span>
  );
}
