/** Whether the system chooses all colours, as for those who need high contrast. */
import * as React from 'react';

let query: MediaQueryList | null = null;

/** Drawn again when it changes. */
export function useForcedColors(): boolean {
  return React.useSyncExternalStore(subscribe, areColorsForced);
}

function areColorsForced(): boolean {
  return forcedColors().matches;
}

function subscribe(onChange: () => void): () => void {
  forcedColors().addEventListener('change', onChange);
  return () => forcedColors().removeEventListener('change', onChange);
}

function forcedColors(): MediaQueryList {
  query ??= window.matchMedia('(forced-colors: active)');
  return query;
}

/** What the system has chosen for a name such as "CanvasText", as a canvas understands it. */
export function systemColor(name: string): string {
  const probe = document.createElement('span');
  probe.style.color = name;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
