/** A session as the charts draw it, and the charts of it. */
import * as React from 'react';
import { Charts } from '../src/components/charts';
import { EnergySession } from '../src/session';
import { channel, hello, power, SESSION } from './messages';

export function sessionOf(...channels: ReturnType<typeof channel>[]): EnergySession {
  const session = new EnergySession(SESSION, () => 0);
  session.accept(hello({ channels: channels.length > 0 ? channels : [channel()] }));
  return session;
}

/** Messages of power at 4 a second. */
export function feed(session: EnergySession, from_s: number, to_s: number): void {
  for (let at_ms = from_s * 1000; at_ms < to_s * 1000; at_ms += 250) {
    session.accept(power({ seq: at_ms / 250, at_ms, mass_gco2e: at_ms / 1e6 }));
  }
}

export function chartsOf(
  session: EnergySession,
  drawn = session.pictureRevision,
  isLive = true
): React.JSX.Element {
  const { pictureRevision } = session;
  const revisions = { powerRevision: pictureRevision, emissionsRevision: drawn };
  return <Charts session={session} {...revisions} isLive={isLive} />;
}
