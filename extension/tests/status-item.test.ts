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

const { onDraw } = vi.hoisted(() => ({ onDraw: vi.fn() }));

// Needs more of a browser than jsdom is.
vi.mock('@jupyterlab/ui-components', async () => {
  const { Widget } = await import('@lumino/widgets');
  abstract class ReactWidget extends Widget {
    protected abstract render(): { props: { title: string } } | null;
    protected override onAfterAttach(): void {
      this.onUpdateRequest();
    }
    protected override onUpdateRequest(): void {
      onDraw(this.render()?.props.title);
    }
  }
  return { ReactWidget, LabIcon: vi.fn(() => ({ react: 'i' })) };
});

let session: EnergySession;
let item: StatusItem;
let seq = 0;

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
  item = new StatusItem({ streams, preferences, trans, open: vi.fn() });
  Widget.attach(item, document.body);
  pass(100);
  onDraw.mockClear();
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

it('is drawn at most once a second, with what has come by then', () => {
  for (let quarter = 1; quarter <= 12; quarter++) {
    tell(100 + quarter);
    pass(250);
  }
  expect(onDraw.mock.calls.length).toBeGreaterThan(1);
  expect(onDraw.mock.calls.length).toBeLessThan(5);
  expect(onDraw).toHaveBeenLastCalledWith(expect.stringMatching(/1(09|10|11|12) W/));
});

it('is not drawn while what it says stays the same', () => {
  for (let quarter = 1; quarter <= 12; quarter++) {
    tell(100);
    pass(250);
  }
  expect(onDraw).not.toHaveBeenCalled();
});

it('says at once what holds of another notebook', () => {
  session = new EnergySession('another');
  tell(55);
  pass(20);
  expect(onDraw).toHaveBeenLastCalledWith(expect.stringContaining('55'));
});

it('tells when power is no longer the present one, though nothing more comes', () => {
  pass(2000);
  expect(onDraw).toHaveBeenLastCalledWith(expect.stringContaining('at rest'));
});
