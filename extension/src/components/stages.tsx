/** What each stage of the work has cost in this session. */
import * as React from 'react';
import type { StageTotals } from '../messages';
import { percentOfMost } from './bar';
import { Cost } from './cost';
import { useEnvironment } from './environment';

/** What the kernel calls all the stages that did not fit. */
const THE_REST = '…';

/** Drawn again only with new totals. */
export const Stages = React.memo(function Stages(props: { stages: readonly StageTotals[] }) {
  const { stages } = props;
  const { trans } = useEnvironment();
  if (stages.every(({ stage }) => stage === null)) {
    return null;
  }
  const most_j = Math.max(...stages.map(({ energy_j }) => energy_j ?? 0));
  return (
    <section className="greenllm-Stages" aria-label={trans.__('By stage')}>
      <h3>{trans.__('By stage')}</h3>
      <ul className="greenllm-Costs">
        {stages.map((stage, index) => (
          <li key={index}>
            <Cost cost={stage} percentOfMost={percentOfMost(stage.energy_j, most_j)}>
              {stage.stage === null ? (
                <em>{trans.__('no stage')}</em>
              ) : stage.stage === THE_REST ? (
                <em>{trans.__('other stages')}</em>
              ) : (
                <bdi>{stage.stage}</bdi>
              )}
            </Cost>
          </li>
        ))}
      </ul>
    </section>
  );
});
