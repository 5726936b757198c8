/** Says which of the panel's named states holds. Each has a reason to show and, mostly, a way out. */
import type { EnergySession } from './session';

/** Whether the kernel has said anything about measuring yet. */
export type Acquaintance = 'asking' | 'measured' | 'not measured' | 'silent';

/** How the page stands with the kernel: "lost" while JupyterLab tries to reach it again. */
export type Connection = 'there' | 'lost' | 'server gone';

/** What is known of a notebook's kernel, apart from its figures. */
export interface KernelFacts {
  /** JupyterLab's word for the kernel's status. */
  readonly status: string;
  readonly hasKernel: boolean;
  /** The language of the kernelspec, in lower case; empty where it is not known. */
  readonly language: string;
  readonly acquaintance: Acquaintance;
  readonly connection: Connection;
  readonly session: EnergySession | null;
}

export type PanelState =
  | 'no notebook'
  | 'no kernel'
  | 'kernel starting'
  | 'kernel restarting'
  | 'kernel dead'
  | 'reconnecting'
  | 'server gone'
  | 'not python'
  | 'asking'
  | 'not answering'
  | 'not measured'
  | 'waiting for the first cell'
  | 'stale'
  | 'measured';

export type PowerState = 'live' | 'at rest' | 'no reading';

/** Without a power message for this long, the last one says nothing of the present. */
export const POWER_FRESH_S = 3;
/** The same where no run is open: messages come 4 times a second while anything is measured. */
export const POWER_FRESH_AFTER_RUN_S = 0.7;
/** A kernel that measures and has said nothing for this long says nothing of the present. */
export const STALE_AFTER_S = 10;

/** The state of the panel for a notebook's kernel (null: no notebook is open). */
export function panelState(facts: KernelFacts | null): PanelState {
  if (!facts) {
    return 'no notebook';
  }
  switch (facts.status) {
    case 'restarting':
    case 'autorestarting':
      return 'kernel restarting';
    case 'dead':
      return 'kernel dead';
  }
  if (!facts.hasKernel) {
    return facts.status === 'starting' ? 'kernel starting' : 'no kernel';
  }
  switch (facts.connection) {
    case 'lost':
      return 'reconnecting';
    case 'server gone':
      return 'server gone';
  }
  if (facts.session) {
    return sessionState(facts.session);
  }
  if (facts.language !== '' && facts.language !== 'python') {
    return 'not python';
  }
  if (facts.acquaintance === 'asking') {
    return 'asking';
  }
  return facts.acquaintance === 'silent' && facts.status !== 'idle'
    ? 'not answering'
    : 'not measured';
}

function sessionState(session: EnergySession): PanelState {
  if (session.cells.size === 0 && !session.power) {
    return 'waiting for the first cell';
  }
  return session.isRunning && session.heardAge_s >= STALE_AFTER_S ? 'stale' : 'measured';
}

/** In which time what is said of a session, or of its power, changes if the kernel says nothing more, s. */
export function changesIn_s(session: EnergySession): number | null {
  const { isRunning, power, powerAge_s, heardAge_s } = session;
  const ends = [
    [freshFor_s(session), powerAge_s],
    [STALE_AFTER_S, isRunning ? heardAge_s : Infinity],
    // "12 s ago": told to the second.
    [
      Math.round(powerAge_s) + 0.5,
      isRunning && power && powerAge_s >= POWER_FRESH_S ? powerAge_s : Infinity
    ]
  ] as const;
  const left_s = ends.map(([end_s, age_s]) => end_s - age_s).filter(left => left > 0);
  return left_s.length > 0 ? Math.min(...left_s) : null;
}

/**
 * Whether the last power is the present one. The kernel's status has no say: JupyterLab shows a
 * kernel as idle in mid-cell when a subshell answers.
 */
export function powerState(session: EnergySession): PowerState {
  if (session.power && session.powerAge_s < freshFor_s(session)) {
    return 'live';
  }
  return session.isRunning ? 'no reading' : 'at rest';
}

function freshFor_s({ isRunning }: EnergySession): number {
  return isRunning ? POWER_FRESH_S : POWER_FRESH_AFTER_RUN_S;
}

/** Whether there is no sensor at all on this host, only models. */
export function isAllEstimated(session: EnergySession): boolean {
  const usable = session.hello?.channels.filter(
    channel => channel.fault === null && channel.provenance !== 'unavailable'
  );
  return (
    usable !== undefined && usable.length > 0 && usable.every(c => c.provenance === 'estimated')
  );
}
