/** Tells power and energy to those who hear the panel, now and then while something runs. */
import * as React from 'react';
import { figureText } from '../figure';
import { formatEnergy, formatPower } from '../quantities';
import type { EnergySession } from '../session';
import type { PowerState } from '../state';
import { useEnvironment } from './environment';

/** A screen reader is not interrupted more often than this, ms. */
const EVERY_MS = 10_000;

export interface AnnouncementProps {
  session: EnergySession;
  state: PowerState;
}

/** Is not drawn, and so says nothing, while the panel is hidden. */
export function Announcement({ session, state }: AnnouncementProps): React.JSX.Element {
  const { trans, preferences } = useEnvironment();
  const [text, setText] = React.useState('');
  const saidAt_ms = React.useRef(-Infinity);
  const isThere = React.useRef(false);
  const { power, totals } = session;
  React.useLayoutEffect(() => {
    // A text is told where it comes into a region that is there already.
    const isFirst = !isThere.current;
    isThere.current = true;
    const isTooSoon = isFirst || performance.now() - saidAt_ms.current < EVERY_MS;
    if (state !== 'live' || !power || isTooSoon) {
      return;
    }
    saidAt_ms.current = performance.now();
    const energy =
      totals && formatEnergy(totals.energy_j, totals.interval_j, trans, preferences.energyUnit);
    const powerText = trans.__('Power %1.', formatPower(power.total_w));
    const energyText = energy && trans.__('Energy of the session %1.', figureText(energy));
    setText([powerText, energyText].filter(part => part !== null).join(' '));
  });
  return (
    <p className="greenllm-Heard greenllm-Announcement" role="status">
      {text}
    </p>
  );
}
