/** Tells a measured kernel where the user says the machine stands. */
import { askKernel, LostAnswerError } from './control';
import type { PreferencesRequest } from './messages';
import type { KernelStream } from './stream';
import type { IPreferences } from './tokens';

/**
 * Tell the place whenever a session of this kernel begins, and when the setting changes.
 *
 * What the kernel makes of it (its own configuration comes first) stands in its next hello.
 */
export function tellPlace(stream: KernelStream, preferences: IPreferences): void {
  // A place of null: not told, or told and lost.
  let told: { sessionId: string; place: string | null } = { sessionId: '', place: '' };
  const tell = () => {
    const { place } = preferences.current;
    const sessionId = stream.session?.id ?? '';
    const isNew = sessionId !== told.sessionId;
    const isKnown = place === (isNew ? '' : told.place);
    told = { sessionId, place };
    const kernel = stream.context.session?.kernel;
    if (sessionId !== '' && kernel && !isKnown) {
      const request: PreferencesRequest = { schema: 1, place: place === '' ? null : place };
      askKernel(kernel, 'greenllm_preferences_request', request).catch((reason: unknown) => {
        console.warn('GreenLLM: the place was not told.', reason);
        if (reason instanceof LostAnswerError && told.sessionId === sessionId) {
          told = { sessionId, place: null };
        }
      });
    }
  };
  stream.changed.connect(tell);
  preferences.changed.connect(tell);
  stream.context.disposed.connect(() => preferences.changed.disconnect(tell));
}
