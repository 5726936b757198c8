import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DEFAULT_PREFERENCES } from '../src/preferences';
import { EnergySession } from '../src/session';
import { StatusItem } from '../src/status-item';
import type { INotebookStreams, IPreferences } from '../src/tokens';
import { hello, power, SESSION, totals } from './messages';
import { trans } from './trans';

// Needs more of a browser than jsdom is.
vi.mock('@jupyterlab/ui-components', () => ({
  LabIcon: vi.fn(() => ({
    element: ({ tag }: { tag: string }) => document.createElement(tag)
  }))
}));

let session: EnergySession;
let item: StatusItem;
let seq = 0;
const open = vi.fn();

const streams = {
  get current() {
    return { session, facts: { status: 'busy', hasKernel: true, connection: 'there', session } };
  }
} as unknown as INotebookStreams;
const changed = new Signal<INotebookStreams, void>(streams);
Object.assign(streams, { changed });
const preferences = { current: DEFAULT_PREFERENCES } as IPreferences;
Object.assign(preferences, { changed: new Signal(preferences) });

beforeEach(() => {
  vi.useFakeTimers({
    toFake: [
      'setTimeout',
      'clearTimeout',
      'requestAnimationFrame',
      'cancelAnimationFrame',
      'performance'
    ]
  });
  session = new EnergySession(SESSION);
  session.accept(hello());
  session.accept(totals({ seq: ++seq }));
  tell(100);
  item = new StatusItem({ streams, preferences, trans, open });
  Widget.attach(item, document.body);
  pass(100);
  open.mockClear();
});

afterEach(() => {
  item.dispose();
  vi.useRealTimers();
});

function tell(total_w: number): void {
  session.accept(power({ seq: ++seq, at_ms: 250 * seq, total_w }));
  changed.emit();
}

function pass(ms: number): void {
  vi.advanceTimersByTime(ms);
  MessageLoop.flush();
}

const button = () => item.node.querySelector('button');

/** How much has changed in the page while that went on. */
async function changesWhile(act: () => void): Promise<number> {
  let changes = 0;
  const observer = new MutationObserver(records => (changes += records.length));
  const look = { subtree: true, childList: true, characterData: true, attributes: true };
  observer.observe(item.node, look);
  act();
  await Promise.resolve();
  observer.disconnect();
  return changes;
}

it('is drawn at most once a second, with what has come by then', async () => {
  const changes = await changesWhile(() => {
    for (let quarter = 1; quarter <= 12; quarter++) {
      tell(100 + quarter);
      pass(250);
    }
  });
  // Each time its text, its title and its label.
  expect(changes).toBeGreaterThan(3);
  expect(changes).toBeLessThan(15);
  expect(button()?.textContent).toMatch(/1(09|10|11|12) W/);
  expect(button()?.title).toMatch(/1(09|10|11|12) W/);
  expect(button()?.getAttribute('aria-label')).toBe(button()?.title);
});

it('is not drawn while what it says stays the same', async () => {
  const changes = await changesWhile(() => {
    for (let quarter = 1; quarter <= 12; quarter++) {
      tell(100);
      pass(250);
    }
  });
  expect(changes).toBe(0);
});

it('says at once what holds of another notebook', () => {
  session = new EnergySession('another');
  tell(55);
  pass(20);
  expect(button()?.textContent).toContain('55.0 W');
});

it('tells when power is no longer the present one, though nothing more comes', () => {
  pass(2000);
  expect(button()?.textContent).toContain('at rest');
});

it('opens the panel, once for a click', () => {
  button()?.click();
  expect(open).toHaveBeenCalledOnce();
});
