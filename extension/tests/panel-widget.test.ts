import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EnergyPanel } from '../src/panel-widget';
import { DEFAULT_PREFERENCES } from '../src/preferences';
import type { INotebookStreams, IPreferences } from '../src/tokens';
import { environment } from './environment';
import { PastServer } from './past';
import { trans } from './trans';

// Needs more of a browser than jsdom is.
vi.mock('@jupyterlab/ui-components', () => ({ LabIcon: vi.fn() }));

const streams = { notebook: null, current: null, cellOrder: [] } as unknown as INotebookStreams;
const changed = new Signal<INotebookStreams, void>(streams);
Object.assign(streams, { changed });
const preferences = { current: DEFAULT_PREFERENCES } as IPreferences;
Object.assign(preferences, { changed: new Signal(preferences) });

let panel: EnergyPanel;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['requestAnimationFrame', 'cancelAnimationFrame', 'performance'] });
  // It draws by itself, in frames of the browser.
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', false);
  const { actions } = environment();
  panel = new EnergyPanel({ streams, preferences, trans, actions, server: new PastServer() });
});

afterEach(() => {
  panel.dispose();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Until the next frame of the browser is over. */
function frame(): void {
  MessageLoop.flush();
  vi.advanceTimersByTime(20);
}

it('is drawn where it is put in view, without being shown first', () => {
  Widget.attach(panel, document.body);
  frame();
  expect(panel.node.textContent).toContain('No notebook');
});

it('is drawn when it is shown, not before', () => {
  panel.hide();
  Widget.attach(panel, document.body);
  frame();
  expect(panel.node.textContent).toBe('');
  panel.show();
  frame();
  expect(panel.node.textContent).toContain('No notebook');
});

it('is made anew where it is moved to, as the page forgets how far one has scrolled', () => {
  Widget.attach(panel, document.body);
  frame();
  const before = panel.node.querySelector('.greenllm-Panel-content');
  Widget.detach(panel);
  expect(panel.node.textContent).toBe('');
  Widget.attach(panel, document.body);
  frame();
  expect(panel.node.textContent).toContain('No notebook');
  expect(panel.node.querySelector('.greenllm-Panel-content')).not.toBe(before);
});

it('leaves nothing behind, and is not drawn any more', () => {
  Widget.attach(panel, document.body);
  frame();
  panel.dispose();
  changed.emit();
  frame();
  expect(panel.node.textContent).toBe('');
  expect(panel.node.isConnected).toBe(false);
});
