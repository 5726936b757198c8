import { Signal } from '@lumino/signaling';
import { describe, expect, it } from 'vitest';
import { tellPlace } from '../src/place';
import { DEFAULT_PREFERENCES } from '../src/preferences';
import type { KernelStream } from '../src/stream';
import type { IPreferences } from '../src/tokens';

/** A notebook whose kernel notes the places it is told. */
function arrange() {
  const told: (string | null)[] = [];
  const sender = {};
  const kernel = {
    clientId: 'client',
    username: '',
    connectionStatusChanged: new Signal<object, string>(sender),
    sendControlMessage: ({ content }: { content: { place: string | null } }) => {
      told.push(content.place);
      return { done: new Promise(() => undefined), dispose: () => undefined };
    }
  };
  const stream = {
    session: null as { id: string } | null,
    context: { session: { kernel }, disposed: new Signal<object, void>(sender) },
    changed: new Signal<object, void>(sender)
  };
  const preferences = {
    current: DEFAULT_PREFERENCES,
    changed: new Signal<object, void>(sender)
  };
  tellPlace(stream as unknown as KernelStream, preferences as unknown as IPreferences);
  return {
    told,
    connection: async (status: string) => {
      kernel.connectionStatusChanged.emit(status);
      await Promise.resolve();
      stream.changed.emit();
    },
    close: () => stream.context.disposed.emit(),
    begin: (id: string) => {
      stream.session = { id };
      stream.changed.emit();
    },
    prefer: (place: string) => {
      preferences.current = { ...preferences.current, place };
      preferences.changed.emit();
    }
  };
}

describe('the place that the user has set', () => {
  it('is told to each session once, and when it changes', () => {
    const { told, begin, prefer } = arrange();
    prefer('FR');
    expect(told).toEqual([]);
    begin('one');
    begin('one');
    expect(told).toEqual(['FR']);
    begin('two');
    expect(told).toEqual(['FR', 'FR']);
    prefer('DE');
    prefer('DE');
    expect(told).toEqual(['FR', 'FR', 'DE']);
  });

  it('is told again where the connection went down before the kernel said that it knows', async () => {
    const { told, begin, prefer, connection } = arrange();
    begin('one');
    prefer('FR');
    prefer('');
    await connection('connecting');
    await connection('connected');
    begin('one');
    expect(told).toEqual(['FR', null, null]);
  });

  it('is taken back when the user takes it back', () => {
    const { told, begin, prefer } = arrange();
    prefer('FR');
    begin('one');
    prefer('');
    expect(told).toEqual(['FR', null]);
  });

  it('is not told where the user has set none, nor after the notebook is closed', () => {
    const { told, begin, prefer, close } = arrange();
    begin('one');
    begin('two');
    close();
    prefer('FR');
    expect(told).toEqual([]);
  });
});
