/** The order of provenances: a sum is as good as its weakest part, and says how much of it is better. */
import type { ByProvenance, ChannelDescription, Provenance } from './messages';

const STRONGEST_FIRST: readonly Provenance[] = ['measured', 'derived', 'estimated', 'unavailable'];

/** The channels that a total is made of: those that can be read, and of them none that is part of another. */
export function counted(channels: readonly ChannelDescription[]): ChannelDescription[] {
  return channels.filter(({ inside, fault }) => inside === null && fault === null);
}

/** The weakest provenance in a total of these channels; unavailable where none gives readings. */
export function provenanceOfTotal(channels: readonly ChannelDescription[]): Provenance {
  const ranks = counted(channels)
    .map(channel => STRONGEST_FIRST.indexOf(channel.provenance))
    .filter(rank => rank !== STRONGEST_FIRST.length - 1);
  return STRONGEST_FIRST[Math.max(...ranks)] ?? 'unavailable';
}

/** Which part of a sum is of a better provenance than the weakest: pairs of provenance and share. */
export function betterShares(parts: ByProvenance, weakest: Provenance): [Provenance, number][] {
  const { measured, derived, estimated } = parts;
  if (measured === null || derived === null || estimated === null) {
    return [];
  }
  const known = { measured, derived, estimated };
  const total = measured + derived + estimated;
  const better = STRONGEST_FIRST.slice(
    0,
    STRONGEST_FIRST.indexOf(weakest)
  ) as (keyof ByProvenance)[];
  return better
    .filter(provenance => known[provenance] > 0)
    .map(provenance => [provenance, known[provenance] / total]);
}
