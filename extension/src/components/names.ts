/** What the channels are called: in full, and in short where there is little room. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ChannelDescription, Component } from '../messages';
import { remembered } from '../remembered';

export function componentName(component: Component, trans: TranslationBundle): string {
  switch (component) {
    case 'platform':
      return trans.__('Machine');
    case 'cpu':
      return trans.__('CPU');
    case 'gpu':
      return trans.__('GPU');
    case 'dram':
      return trans.__('DRAM');
    case 'accelerator':
      return trans.__('Accelerator');
  }
}

/** Each channel's component, with a number where there are several: "GPU 0", "GPU 1", "CPU". */
export function shortNames(
  channels: readonly ChannelDescription[],
  trans: TranslationBundle
): ReadonlyMap<string, string> {
  return namesIn(trans)(channels);
}

const namesIn = remembered((trans: TranslationBundle) =>
  remembered((channels: readonly ChannelDescription[]) => namesOf(channels, trans))
);

function namesOf(
  channels: readonly ChannelDescription[],
  trans: TranslationBundle
): ReadonlyMap<string, string> {
  const seen = new Map<Component, number>();
  const count = (component: Component) => channels.filter(c => c.component === component).length;
  return new Map(
    channels.map(({ id, component }) => {
      const number = seen.get(component) ?? 0;
      seen.set(component, number + 1);
      const name = componentName(component, trans);
      return [id, count(component) > 1 ? trans.__('%1 %2', name, number) : name];
    })
  );
}
