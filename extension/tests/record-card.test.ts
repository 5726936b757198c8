import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { beforeEach, expect, it, vi } from 'vitest';
import { DEFAULT_PREFERENCES } from '../src/preferences';
import { RECORD_MIME_TYPE, RecordCard } from '../src/record-card';
import type { IPreferences } from '../src/tokens';
import { record } from './messages';
import { trans } from './trans';

const { onDraw } = vi.hoisted(() => ({ onDraw: vi.fn() }));

// Needs more of a browser than jsdom is.
vi.mock('@jupyterlab/ui-components', async () => {
  const { Widget } = await import('@lumino/widgets');
  abstract class ReactWidget extends Widget {
    readonly renderPromise = Promise.resolve();
    protected abstract render(): { props: { unit: string } };
    protected override onUpdateRequest(): void {
      onDraw(this.render().props.unit);
    }
  }
  return { ReactWidget };
});

const model = { data: { [RECORD_MIME_TYPE]: record() } } as unknown as IRenderMime.IMimeModel;

beforeEach(() => {
  onDraw.mockClear();
});

it('a record tells energies in the unit that is set, and follows it as long as it stands there', async () => {
  const changed = new Signal<object, void>({});
  const preferences = { current: DEFAULT_PREFERENCES, changed };
  const card = new RecordCard(trans, preferences as unknown as IPreferences);
  await card.renderModel(model);
  expect(onDraw.mock.calls).toEqual([['joule']]);

  preferences.current = { ...DEFAULT_PREFERENCES, energyUnit: 'watt-hour' };
  changed.emit();
  MessageLoop.flush();
  expect(onDraw.mock.calls.at(-1)).toEqual(['watt-hour']);

  card.dispose();
  onDraw.mockClear();
  changed.emit();
  MessageLoop.flush();
  expect(onDraw).not.toHaveBeenCalled();
});

it('a record is drawn where nobody has preferences', async () => {
  await new RecordCard(trans, null).renderModel(model);
  expect(onDraw.mock.calls).toEqual([['joule']]);
});
